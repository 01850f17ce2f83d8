"""What the core sees of the cluster: frozen projections of the stored objects, as of one revision.

A view holds only what a decision needs. Who stores a decision goes back to the stored message and its revision
(`shoal_controller.leader.commit`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from shoal_controller.core.ports import PortView, PortWish, Taken
from shoal_proto.v1.container_pb2 import DesiredState
from shoal_proto.v1.node_pb2 import HoldRole, NodeRemoval

#: Name of the one flat network.
DEFAULT_NETWORK: Final = "default"


@dataclass(frozen=True, slots=True)
class Amounts:
    """What is reserved: bytes of memory and thousandths of a core. Numbers of processes are only limited."""

    memory: int = 0
    cpu: int = 0

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(self.memory + other.memory, self.cpu + other.cpu)

    def __sub__(self, other: Amounts) -> Amounts:
        return Amounts(self.memory - other.memory, self.cpu - other.cpu)

    def fits(self, free: Amounts) -> bool:
        """Say whether this much can be taken of `free`.

        What isn't asked for isn't lacked either: on a node that has less than it had promised (its capacity was
        lowered) a container that reserves nothing still has a place.
        """
        return (self.memory == 0 or self.memory <= free.memory) and (self.cpu == 0 or self.cpu <= free.cpu)

    def __bool__(self) -> bool:
        return bool(self.memory or self.cpu)


NOTHING: Final = Amounts()


@dataclass(frozen=True, slots=True)
class LimitsWish:
    """What limits ask of a node that not every one can do.

    Attributes:
        kinds: names of `shoal_common.containers.limits`.
        cpus, mems: numbers of processors and memory nodes that it has to have.
    """

    kinds: frozenset[str] = frozenset()
    cpus: frozenset[int] = frozenset()
    mems: frozenset[int] = frozenset()


NO_LIMITS: Final = LimitsWish()


@dataclass(frozen=True, slots=True)
class HoldView:
    """That `node` may have a copy of `container`."""

    node: str
    container: str
    generation: int
    role: HoldRole
    reserved: Amounts
    ports: tuple[PortView, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node that has joined.

    Attributes:
        labels: the operators' over the agent's own.
        ready: its agent was heard of lately.
        described: its agent was heard of once, so that its capacity is known.
        capacity: what the agent says containers may use.
        booked_capacity: what the ledger says of the same; it follows at the next decision.
        reserved: what the ledger says is taken.
        has_ledger: there is one.
        holds: by container id.
        cordoned: nothing new is placed here.
        removal: whether, and how, it is on its way out of the cluster.
        problem: what is wrong with the host, so that nothing new is to begin there; "" if nothing is.
        ports: of its own, that are taken by what it holds.
        addresses: on which ports can be published, beside its loopback; empty of an agent that publishes none.
        bind_paths: of its own below which containers may mount; one that ends in ":ro" only to be read.
        knows: highest field of a container's configuration that its agent knows.
        limits: what it can hold containers to, by the names of `shoal_common.containers.limits`.
        cpus, mems: numbers of its processors and memory nodes.
        runtimes: names of its OCI runtimes.
    """

    id: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    ready: bool = True
    described: bool = True
    capacity: Amounts = NOTHING
    booked_capacity: Amounts = NOTHING
    reserved: Amounts = NOTHING
    has_ledger: bool = True
    holds: Mapping[str, HoldView] = field(default_factory=dict)
    cordoned: bool = False
    removal: NodeRemoval = NodeRemoval.NODE_REMOVAL_UNSPECIFIED
    problem: str = ""
    ports: Taken = field(default_factory=dict)
    addresses: frozenset[str] = frozenset()
    bind_paths: tuple[str, ...] = ()
    knows: int = 0
    limits: frozenset[str] = frozenset()
    cpus: frozenset[int] = frozenset()
    mems: frozenset[int] = frozenset()
    runtimes: frozenset[str] = frozenset()

    #: What the holds reserve together, and how many are current: summed up once, since a plan looks at all nodes.
    held: Amounts = field(init=False, compare=False, default=NOTHING)
    current: int = field(init=False, compare=False, default=0)

    def __post_init__(self) -> None:
        holds = self.holds.values()
        memory, cpu = sum(hold.reserved.memory for hold in holds), sum(hold.reserved.cpu for hold in holds)
        object.__setattr__(self, "held", Amounts(memory, cpu))
        object.__setattr__(self, "current", sum(hold.role == HoldRole.HOLD_ROLE_CURRENT for hold in holds))

    @property
    def free(self) -> Amounts:
        """What can still be reserved; negative where the capacity was lowered."""
        return self.booked_capacity - self.reserved


@dataclass(frozen=True, slots=True)
class PlacementView:
    """Where a container is; `lost`: where it was, on a node that was removed from the cluster by force."""

    node: str
    generation: int
    run_admitted: int
    lost: bool = False


@dataclass(frozen=True, slots=True)
class StatusView:
    """What a node saw last of a container.

    Attributes:
        ended: its newest attempt has, and its restart policy makes no other.
        limits_served: the newest change of its limits that its node has acted on.
        in_force: what its process is limited to, as far as that is reserved; nothing if it has none.
    """

    generation: int
    ended: bool
    run_served: int
    limits_served: int = 0
    in_force: Amounts = NOTHING


@dataclass(frozen=True, slots=True)
class VolumeView:
    """A directory of one node's that outlives containers.

    Attributes:
        node: id of the node that has its data; "" for one that no container has used yet.
        lost: that node was removed from the cluster by force.
        owner: id of the container whose own it is; "" for one that was given a name.
        removed: it is to go.
    """

    id: str
    name: str = ""
    node: str = ""
    node_name: str = ""
    lost: bool = False
    owner: str = ""
    removed: bool = False
    constraints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ContainerView:
    """What a user wants of a container, and what has become of it.

    Attributes:
        need: what a run of it reserves.
        addressed: it has an address in the flat network.
        ports: of its node's by which it is to be reached.
        created: nanoseconds since the epoch; who came first is placed first.
        volumes: id and name of each that it mounts.
        binds: paths of the node's that it mounts, and whether only to be read.
        remove_volumes: those that are its own go with it.
        asks: highest field of its configuration that its agent has to know; 0 if every agent does.
        limits: what its limits ask of a node that not every one can do.
        limits_changed: counts the changes of its limits.
        runtime: name of the OCI runtime that its node has to have; "" if any will do.
        joins: id of the container whose namespaces it joins; "" if they are all its own.
        unchecked: why it is not to run, though somebody stored it: the policy was not asked; "" if it was.
    """

    id: str
    namespace: str = "default"
    name: str = ""
    desired: DesiredState = DesiredState.DESIRED_STATE_RUNNING
    run: int = 1
    need: Amounts = NOTHING
    constraints: tuple[str, ...] = ()
    addressed: bool = True
    ports: tuple[PortWish, ...] = ()
    auto_remove: bool = False
    created: int = 0
    volumes: tuple[tuple[str, str], ...] = ()
    binds: tuple[tuple[str, bool], ...] = ()
    remove_volumes: bool = False
    asks: int = 0
    limits: LimitsWish = NO_LIMITS
    limits_changed: int = 0
    runtime: str = ""
    joins: str = ""
    unchecked: str = ""
    placement: PlacementView | None = None
    status: StatusView | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The cluster as of one revision.

    Attributes:
        initialised: the `cluster` key exists. Without it nothing is placed.
        subnet: of the flat network, such as "10.88.0.0/16"; empty without a cluster.
        nodes: those that have joined, by id.
        containers: those that have a spec, by id.
        holders: ids of all nodes that hold a container, by its id.
        addresses: in use, of the flat network.
        volumes: by id.
        last_address: the one given out last, after which the search for the next begins; empty if unknown.
    """

    initialised: bool = True
    subnet: str = ""
    nodes: Mapping[str, NodeView] = field(default_factory=dict)
    containers: Mapping[str, ContainerView] = field(default_factory=dict)
    holders: Mapping[str, frozenset[str]] = field(default_factory=dict)
    addresses: frozenset[str] = frozenset()
    volumes: Mapping[str, VolumeView] = field(default_factory=dict)
    last_address: str = ""

    def hold_of(self, container: ContainerView) -> HoldView | None:
        """Return the hold that a container's placement stands on, or None."""
        placement = container.placement
        node = self.nodes.get(placement.node) if placement is not None else None
        hold = node.holds.get(container.id) if node is not None else None
        if hold is None or placement is None or hold.generation != placement.generation:
            return None
        return hold
