"""What there is of a cluster at one moment, as the model compares it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shoal_controller.state.cluster_state import ClusterState
from shoal_proto.v1.container_pb2 import ContainerStatus
from shoal_proto.v1.resources_pb2 import Resources
from tests.soak.history import NO_LIMITS, Limits

CONTAINER = "container"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One start; `exit_code` is None until it has ended."""

    number: int
    run: int
    exit_code: int | None


@dataclass(frozen=True, slots=True)
class Record:
    """What etcd tells of a container, or of a removed one (its tombstone).

    Attributes:
        run: the newest that was asked for.
        attempts: the last 16.
        running: a process of it is seen, in the last of the attempts.
        addresses: that its placement gives it.
        limits: that it is to be held to, and those that its process is; None without one.
        warning: what its node could not do.
    """

    id: str
    name: str
    run: int
    generation: int = 0
    attempts: tuple[Attempt, ...] = ()
    running: bool = False
    addresses: tuple[str, ...] = ()
    limits: Limits = NO_LIMITS
    in_force: Limits | None = None
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Amounts:
    """Bytes of memory, thousandths of a core."""

    memory: int
    cpu: int

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(self.memory + other.memory, self.cpu + other.cpu)


@dataclass(frozen=True, slots=True)
class Ledger:
    """A node's books: `holds` has what each container reserves."""

    node: str
    capacity: Amounts
    reserved: Amounts
    holds: Mapping[str, Amounts]


@dataclass(frozen=True, slots=True)
class Found:
    """All of etcd at one revision.

    Attributes:
        containers: by id; also one of which only a part is left, with its name "".
        tombstones: by id.
        names: whose name it is, by name.
        addresses: whose address it is, by address.
    """

    containers: Mapping[str, Record]
    tombstones: Mapping[str, Record]
    names: Mapping[str, str]
    addresses: Mapping[str, str]
    ledgers: tuple[Ledger, ...]


def found(state: ClusterState) -> Found:
    """Return what a controller would make of the same keys."""
    containers = {}
    for id_, entry in state.containers.items():
        spec = entry.spec.value if entry.spec is not None else None
        placement = entry.placement.value if entry.placement is not None else None
        status = entry.status.value if entry.status is not None else ContainerStatus()
        containers[id_] = Record(
            id=id_,
            name=spec.name if spec is not None else "",
            run=spec.run if spec is not None else 0,
            generation=status.generation,
            attempts=_attempts(status),
            running=status.pid != 0,
            addresses=tuple(each.ip for each in placement.addresses) if placement is not None else (),
            limits=limits(spec.config.resources) if spec is not None else NO_LIMITS,
            in_force=limits(status.limits) if status.pid else None,
            warning=status.warning,
        )
    tombstones = {
        id_: Record(id_, each.value.name, each.value.run, each.value.status.generation, _attempts(each.value.status))
        for (_, id_), each in state.tombstones.items()
    }
    ledgers = tuple(
        Ledger(
            node=node.spec.value.name if node.spec is not None else node.id,
            capacity=amounts(node.ledger.value.capacity),
            reserved=amounts(node.ledger.value.reserved),
            holds={container: amounts(hold.value.reserved) for container, hold in node.holds.items()},
        )
        for node in state.nodes.values()
        if node.ledger is not None
    )
    return Found(
        containers,
        tombstones,
        {name: each.value for (_, kind, name), each in state.names.items() if kind == CONTAINER},
        {ip: each.value for (_, ip), each in state.addresses.items()},
        ledgers,
    )


def _attempts(status: ContainerStatus) -> tuple[Attempt, ...]:
    return tuple(
        Attempt(each.number, each.run, each.exit_code if each.HasField("finished_at") else None)
        for each in status.attempts
    )


def amounts(resources: Resources) -> Amounts:
    """Return what of `resources` is reserved."""
    return Amounts(resources.memory_bytes, resources.cpu_millis)


def limits(resources: Resources) -> Limits:
    """Return what of `resources` clients change here."""
    return Limits(resources.memory_bytes, resources.cpu_millis, resources.pids)
