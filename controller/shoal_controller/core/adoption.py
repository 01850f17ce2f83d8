"""What a store that has lost something takes over from what its nodes have. Pure.

A node's record of a container is what it acts on: configuration, generation, runs, addresses. The store's objects may
be older (it was restored), absent (it was emptied), or newer (the node was cut off and has not heard). From both
follows one container: its spec, where it is, what became of it, who holds a copy, its name and its addresses.

Nothing is stopped or started by that. What runs is CURRENT where it runs; only of two copies of one container the older
one has to stop, as always. What the store knows and its node has nothing of must not start by itself: it may have run
and have been removed since. Run counters and generations never go back. Adopting again what was adopted changes
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from shoal_common.messages import copied
from shoal_common.status import is_over, order
from shoal_controller.core.claims import Claimant, Claims, settle_claims
from shoal_controller.core.snapshot import StatusView
from shoal_controller.core.statuses import frees
from shoal_proto.v1.container_pb2 import (
    ContainerPlacement,
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    DesiredState,
)
from shoal_proto.v1.dispatcher_pb2 import Assignment
from shoal_proto.v1.node_pb2 import Hold, HoldRole
from shoal_proto.v1.resources_pb2 import Address, Resources

M = TypeVar("M", bound=Message)

_SCHEMA: Final = 1
#: What `docker run` ends with when what should have run could not be.
_NEVER_RAN: Final = 125
_LOST: Final = "lost: the store knows of it and its node has nothing of it (start it anew, or remove it)"
_ACTIVE: Final = frozenset(
    {
        ContainerState.CONTAINER_STATE_STARTING,
        ContainerState.CONTAINER_STATE_RUNNING,
        ContainerState.CONTAINER_STATE_STOPPING,
    }
)
_REMOVED: Final = DesiredState.DESIRED_STATE_REMOVED
_STOPPED: Final = DesiredState.DESIRED_STATE_STOPPED


@dataclass(frozen=True, slots=True)
class Found:
    """One container that a node has a record of; the environment is in clear."""

    node: str
    assignment: Assignment
    status: ContainerStatus


@dataclass(frozen=True, slots=True)
class Known:
    """One container as the store has it, the environment in clear; revisions are 0 for what it hasn't."""

    spec: ContainerSpec | None = None
    placement: ContainerPlacement | None = None
    status: ContainerStatus | None = None
    spec_revision: int = 0
    placement_revision: int = 0


@dataclass(frozen=True, slots=True)
class World:
    """What the store has.

    Attributes:
        subnet: of the flat network.
        containers: by id.
        holds: by container id, then node.
        names: ids by (namespace, name).
        addresses: container ids by (network, ip).
        tombstones: (namespace, id) of those that were removed lately.
    """

    subnet: str
    containers: Mapping[str, Known] = field(default_factory=dict)
    holds: Mapping[str, Mapping[str, Hold]] = field(default_factory=dict)
    names: Mapping[tuple[str, str], str] = field(default_factory=dict)
    addresses: Mapping[tuple[str, str], str] = field(default_factory=dict)
    tombstones: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Inventories:
    """What nodes have.

    Attributes:
        found: of all nodes that were asked.
        horizons: by node, the revision of the store up to which it had heard of changes when it said what it has. What
            the store wrote later is news to it; of the rest its own word is at least as new.
        complete: nodes of which `found` has everything: what is not in it is not there.
        whole: `complete` are all the nodes that the store knows.
        cluster_wide: all of the cluster is being recovered, not one node's part of it.
        own_only: nobody looks on: a node's word counts for what the store thinks it may have, or does not know.
    """

    found: Sequence[Found]
    horizons: Mapping[str, int]
    complete: frozenset[str] = frozenset()
    whole: bool = False
    cluster_wide: bool = False
    own_only: bool = False


class Outcome(StrEnum):
    """What became of one container."""

    ADOPTED = "adopted"
    #: Its node has nothing of it.
    LOST = "lost"
    #: It waited for a node; whether it ran since is not known.
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Adopted:
    """One container as it will be.

    Attributes:
        holds: by node.
        note: what a person should know of it, a line; empty if nothing.
    """

    id: str
    outcome: Outcome
    spec: ContainerSpec
    placement: ContainerPlacement | None
    status: ContainerStatus | None
    holds: Mapping[str, Hold]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Adoption:
    """The plan.

    Attributes:
        containers: in the order of their ids.
        names: who has each name that a container of these has now.
        addresses: the same.
        refused: why, by id of those that can't be adopted.
    """

    containers: tuple[Adopted, ...]
    names: Mapping[tuple[str, str], str]
    addresses: Mapping[tuple[str, str], str]
    refused: Mapping[str, str]


def plan_adoption(world: World, inventories: Inventories, now: Timestamp) -> Adoption:
    """Return what the store has to say so that everything that nodes have is the cluster's.

    Args:
        world: the store.
        inventories: of the nodes.
        now: for what has no time of its own.
    """
    by_container: dict[str, list[Found]] = {}
    refused: dict[str, str] = {}
    for found in inventories.found:
        container = found.assignment.id
        if (found.assignment.namespace, container) in world.tombstones:
            refused[container] = "it was removed from the cluster"
        elif not found.assignment.HasField("config") and container not in world.containers:
            refused[container] = "neither its node nor the store knows its configuration"
        elif inventories.own_only and _is_anothers(world, found):
            refused[container] = "the store has it on another node"
        else:
            by_container.setdefault(container, []).append(found)
    drafts: list[_Draft] = []
    for container, copies in by_container.items():
        drafts.append(_from_copies(world, inventories, container, copies, now))
    for container, known in world.containers.items():
        if container not in by_container and (draft := _from_store(world, inventories, container, known)) is not None:
            drafts.append(draft)
    drafts.sort(key=lambda draft: draft.spec.id)
    claims = settle_claims(
        [draft.claimant() for draft in drafts],
        subnet=world.subnet,
        names=world.names,
        addresses=world.addresses,
        others=frozenset(id_ for id_, known in world.containers.items() if known.spec is not None),
        holds=world.holds,
    )
    containers = tuple(draft.finished(claims) for draft in drafts)
    return Adoption(containers, claims.names, claims.addresses, refused)


def _is_anothers(world: World, found: Found) -> bool:
    """Say whether the store has a container on nodes, and what was found is on none of them."""
    container = found.assignment.id
    placement = world.containers.get(container, Known()).placement
    nodes = set(world.holds.get(container, ())) | ({placement.node} if placement is not None else set())
    return bool(nodes) and found.node not in nodes


@dataclass(slots=True)
class _Draft:
    outcome: Outcome
    spec: ContainerSpec
    placement: ContainerPlacement | None
    status: ContainerStatus | None
    holds: dict[str, Hold]
    note: str = ""

    def claimant(self) -> Claimant:
        return Claimant(
            id=self.spec.id,
            namespace=self.spec.namespace,
            name=self.spec.name,
            leaves=self.spec.desired == _REMOVED,
            found=self.outcome is Outcome.ADOPTED,
            created=self.spec.created_at.ToNanoseconds(),
            addresses=tuple(self.placement.addresses) if self.placement is not None else (),
            node=self.placement.node if self.placement is not None else "",
            ports=tuple(self.placement.ports) if self.placement is not None else (),
        )

    def finished(self, claims: Claims) -> Adopted:
        spec, notes = self.spec, [self.note] if self.note else []
        if (name := claims.renamed.get(spec.id)) is not None:
            notes.append(f'its name "{spec.name}" is another\'s, it is called "{name}" now')
            spec.name = name
        if (addresses := claims.readdressed.get(spec.id)) is not None and self.placement is not None:
            old = ", ".join(address.ip for address in self.placement.addresses)
            new = ", ".join(address.ip for address in addresses) or "none that is free"
            notes.append(f"its address {old} is another's, it has {new} from its next start on")
            _readdress(self.placement, addresses)
            if (hold := self.holds.get(self.placement.node)) is not None:
                _readdress(hold, addresses)
        if (ports := claims.reduced.get(spec.id)) is not None and self.placement is not None:
            gone = ", ".join(f"{each.host_port}/{each.protocol}" for each in self.placement.ports if each not in ports)
            notes.append(f"its port {gone} is another's, and leads to it no more from its next start on")
            for part in (self.placement, self.holds.get(self.placement.node)):
                if part is not None:
                    del part.ports[:]
                    part.ports.extend(ports)
        return Adopted(spec.id, self.outcome, spec, self.placement, self.status, self.holds, "; ".join(notes))


def _readdress(part: ContainerPlacement | Hold, addresses: Iterable[Address]) -> None:
    del part.addresses[:]
    part.addresses.extend(addresses)


def _from_copies(
    world: World, inventories: Inventories, container: str, copies: Sequence[Found], now: Timestamp
) -> _Draft:
    """Return a container of which at least one node has a record."""
    known = world.containers.get(container, Known())
    placement = known.placement
    newest = max(copies, key=lambda copy: _rank(copy, placement))
    if placement is not None and placement.generation > newest.assignment.generation:
        # The store has made a newer placement: what was found is the superseded part.
        draft = _under_newer_placement(world, inventories, container, known, copies)
        if draft is not None:
            return draft
    horizon = inventories.horizons.get(newest.node, 0)
    spec = _spec(container, known, newest, told=known.spec_revision <= horizon, copies=copies, now=now)
    placed = _placement(known, newest, spec, now)
    status = _status(known.status, newest.status)
    holds = {node: copied(hold) for node, hold in world.holds.get(container, {}).items()}
    for copy in copies:
        holds[copy.node] = _hold(holds.get(copy.node), spec, copy.assignment.generation, HoldRole.HOLD_ROLE_RETIRED)
    holds[newest.node] = _hold(
        holds.get(newest.node), spec, placed.generation, HoldRole.HOLD_ROLE_CURRENT, placed=placed, status=status
    )
    _demote(holds, newest.node, spec)
    others = sorted({copy.node for copy in copies} - {newest.node})
    note = f"{len(others)} older cop{'y' if len(others) == 1 else 'ies'} of it on other nodes stop" if others else ""
    return _Draft(Outcome.ADOPTED, spec, placed, status, holds, note)


def _under_newer_placement(
    world: World, inventories: Inventories, container: str, known: Known, copies: Sequence[Found]
) -> _Draft | None:
    """Return a container whose placement is newer than any copy that was found; None if its spec is not known."""
    if known.spec is None or known.placement is None:
        return None
    draft = _from_store(world, inventories, container, known)
    if draft is None:
        holds = {node: copied(hold) for node, hold in world.holds.get(container, {}).items()}
        draft = _Draft(Outcome.ADOPTED, copied(known.spec), copied(known.placement), _maybe(known.status), holds)
    for copy in copies:
        if copy.node == known.placement.node:
            continue  # What it has is of an older placement: the newer one's hold tells it so.
        draft.holds[copy.node] = _hold(
            draft.holds.get(copy.node), draft.spec, copy.assignment.generation, HoldRole.HOLD_ROLE_RETIRED
        )
    return draft


def _from_store(world: World, inventories: Inventories, container: str, known: Known) -> _Draft | None:
    """Return what becomes of a container of which no node that was asked has a current copy; None: it stays."""
    if known.spec is None or known.spec.desired == _REMOVED:
        return None
    holds = {node: copied(hold) for node, hold in world.holds.get(container, {}).items()}
    placement = known.placement
    if placement is None:
        return _waiting(inventories, known, holds)
    if placement.node not in inventories.complete or placement.HasField("lost_at"):
        return None
    if known.placement_revision > inventories.horizons.get(placement.node, 0):
        return None  # The node has not heard of it yet: it never began anything.
    spec, placed, status = copied(known.spec), copied(placement), _maybe(known.status) or ContainerStatus()
    same = status.generation == placed.generation
    if same and status.state == ContainerState.CONTAINER_STATE_FAILED and status.reason.startswith("lost"):
        return None  # Found lost before; whatever became of it since.
    # STOPPED wins over every restart policy, and what is served is not started.
    spec.desired = _STOPPED
    placed.run_admitted = max(placed.run_admitted, spec.run)
    if not same:
        status.Clear()
    status.schema = _SCHEMA
    status.generation = placed.generation
    status.state = ContainerState.CONTAINER_STATE_FAILED
    status.run_served = max(status.run_served, placed.run_admitted)
    # The node holds its data, as far as the store knew: so it says that they are lost instead of beginning anew.
    status.ever_ready = True
    status.reason = _LOST
    status.exit_code = _NEVER_RAN
    status.ClearField("pid")
    if (hold := holds.get(placed.node)) is not None:
        hold.reserved.Clear()
    return _Draft(Outcome.LOST, spec, placed, status, holds, _LOST)


def _waiting(inventories: Inventories, known: Known, holds: dict[str, Hold]) -> _Draft | None:
    """Return one that waited for a node in what the store remembers; None if it surely was never placed since."""
    if known.spec is None or known.spec.desired == _STOPPED or not inventories.cluster_wide:
        return None
    heard = max((inventories.horizons.get(node, 0) for node in inventories.complete), default=0)
    if inventories.whole and heard < known.spec_revision:
        return None
    spec = copied(known.spec)
    spec.desired = _STOPPED
    note = "it waited for a node, and may have run and gone since: it stays stopped until it is started"
    return _Draft(Outcome.STOPPED, spec, None, _maybe(known.status), holds, note)


def _rank(copy: Found, placement: ContainerPlacement | None) -> tuple[object, ...]:
    """Return by what the current one among copies is chosen: the highest generation, then what the store says."""
    named = placement is not None and placement.node == copy.node
    generation = copy.assignment.generation
    return (generation, named, copy.status.state in _ACTIVE, order(copy.status), copy.node)


def _spec(
    container: str, known: Known, copy: Found, *, told: bool, copies: Iterable[Found], now: Timestamp
) -> ContainerSpec:
    """Return what the user wants, from the store and from what the node was told.

    Args:
        told: the node had heard of the store's spec when it said what it has; or the store has none.
    """
    assignment = copy.assignment
    if known.spec is None:
        spec = ContainerSpec(
            schema=_SCHEMA,
            id=container,
            namespace=assignment.namespace,
            name=assignment.name or f"adopted-{container[:12]}",
            config=assignment.config,
            image_digest=assignment.image_digest,
            image_repository=assignment.image_repository,
            created_at=_oldest(copy.status, now),
            trace_id=assignment.trace_id,
            limits_changed=assignment.limits_changed,
            permissions=assignment.permissions,
        )
    else:
        spec = copied(known.spec)
        if assignment.HasField("config") and not spec.config.env:
            # A store that can't open what it has sealed (another key) has it from the node again.
            spec.config.env[:] = assignment.config.env
    leaves = any(_leaves(each.assignment) for each in copies) or spec.desired == _REMOVED
    if leaves:
        spec.desired = _REMOVED
    elif told:
        spec.desired = _desired(assignment, copy.status)
    if told:
        spec.stop_grace_ms = assignment.stop_grace_ms
    # What was asked for and not admitted was asked of the store alone: no node knows of it.
    spec.run = max(spec.run, assignment.run_admitted, copy.status.run_served)
    return spec


def _desired(assignment: Assignment, status: ContainerStatus) -> DesiredState:
    if assignment.role == HoldRole.HOLD_ROLE_RETIRED:
        return _STOPPED
    if assignment.desired:
        return assignment.desired
    # The node was told nothing; it stays as it is.
    if status.state in _ACTIVE:
        return DesiredState.DESIRED_STATE_RUNNING
    return _STOPPED if status.run_served else DesiredState.DESIRED_STATE_CREATED


def _leaves(assignment: Assignment) -> bool:
    return assignment.role == HoldRole.HOLD_ROLE_REMOVE or assignment.desired == _REMOVED


def _placement(known: Known, copy: Found, spec: ContainerSpec, now: Timestamp) -> ContainerPlacement:
    before, assignment = known.placement, copy.assignment
    if before is not None and (before.node, before.generation) == (copy.node, assignment.generation):
        placed = copied(before)
        placed.ClearField("lost_at")
    else:
        placed = ContainerPlacement(
            schema=_SCHEMA,
            node=copy.node,
            generation=assignment.generation,
            addresses=assignment.addresses,
            placed_at=_oldest(copy.status, now),
            ports=assignment.ports,
        )
    placed.run_admitted = max(placed.run_admitted, assignment.run_admitted, copy.status.run_served)
    return placed


def _status(stored: ContainerStatus | None, reported: ContainerStatus) -> ContainerStatus | None:
    """Return the newest status of the generation that was found."""
    if not reported.state:
        return _maybe(stored) if stored is not None and stored.generation == reported.generation else None
    if stored is not None and stored.generation == reported.generation and order(stored) >= order(reported):
        return copied(stored)
    status = copied(reported)
    status.schema = _SCHEMA
    return status


def _hold(
    before: Hold | None,
    spec: ContainerSpec,
    generation: int,
    role: HoldRole,
    *,
    placed: ContainerPlacement | None = None,
    status: ContainerStatus | None = None,
) -> Hold:
    hold = Hold(schema=_SCHEMA) if before is None else copied(before)
    hold.namespace, hold.container, hold.generation = spec.namespace, spec.id, generation
    hold.role = HoldRole.HOLD_ROLE_REMOVE if spec.desired == _REMOVED else role
    hold.reserved.Clear()
    del hold.ports[:]
    if placed is None:
        return hold
    del hold.addresses[:]
    hold.addresses.extend(placed.addresses)
    hold.ports.extend(placed.ports)
    if placed.run_admitted and not _has_ended(spec, placed, status):
        need = spec.config.resources
        hold.reserved.CopyFrom(Resources(memory_bytes=need.memory_bytes, cpu_millis=need.cpu_millis))
    return hold


def _has_ended(spec: ContainerSpec, placed: ContainerPlacement, status: ContainerStatus | None) -> bool:
    view = None if status is None else StatusView(status.generation, is_over(status), status.run_served)
    return frees(view, generation=placed.generation, run_admitted=placed.run_admitted, desired=spec.desired)


def _demote(holds: Mapping[str, Hold], current: str, spec: ContainerSpec) -> None:
    """Make every hold but the current one's a superseded one."""
    for node, hold in holds.items():
        if spec.desired == _REMOVED:
            hold.role = HoldRole.HOLD_ROLE_REMOVE
        elif node != current and hold.role == HoldRole.HOLD_ROLE_CURRENT:
            hold.role = HoldRole.HOLD_ROLE_RETIRED
            hold.reserved.Clear()
            del hold.ports[:]


def _oldest(status: ContainerStatus, now: Timestamp) -> Timestamp:
    """Return the earliest time that a status tells of; `now` if none."""
    times = [
        getattr(attempt, name)
        for attempt in status.attempts
        for name in ("ready_at", "starting_at", "started_at")
        if attempt.HasField(name)
    ]
    times += [status.started_at] if status.HasField("started_at") else []
    return min(times, key=lambda time: (time.seconds, time.nanos), default=now)


def _maybe(message: M | None) -> M | None:
    return None if message is None else copied(message)
