"""What the leader has to do next, given the cluster as it is.

Decisions only say what; `shoal_controller.leader.commit` turns each into writes with their compares. Applied, a
decision is not made again: planning and applying reaches a state for which the plan is empty.

Nothing here removes or stops anything because of something that is absent. What goes is what a spec says shall go, and
what a newer placement says is superseded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from shoal_controller.core import volumes
from shoal_controller.core.allocation import AddressView, Allocator
from shoal_controller.core.limiting import lowered, raised
from shoal_controller.core.ports import PortView
from shoal_controller.core.removal import Depart, GiveUp, given_up, removals
from shoal_controller.core.scheduler import Room
from shoal_controller.core.snapshot import NOTHING, Amounts, ContainerView, HoldView, Snapshot
from shoal_controller.core.statuses import frees
from shoal_proto.v1.container_pb2 import DesiredState
from shoal_proto.v1.node_pb2 import HoldRole


@dataclass(frozen=True, slots=True)
class Place:
    """Give a container to a node, with an address unless it wants none, and book `reserve` and `ports` there."""

    container: str
    node: str
    address: AddressView | None
    reserve: Amounts
    run_admitted: int
    ports: tuple[PortView, ...] = ()


@dataclass(frozen=True, slots=True)
class Admit:
    """Let a placed container start another run, with `reserve` booked for it."""

    container: str
    node: str
    run: int
    reserve: Amounts


@dataclass(frozen=True, slots=True)
class Release:
    """Give back what is reserved for a container that has ended."""

    container: str
    node: str


@dataclass(frozen=True, slots=True)
class Lower:
    """Reserve less for a container, whose node has taken away what it had more."""

    container: str
    node: str
    reserve: Amounts


@dataclass(frozen=True, slots=True)
class SetRemoved:
    """Ask for the removal of a container that was to be removed when it has ended, and has."""

    container: str


@dataclass(frozen=True, slots=True)
class SetRole:
    """Tell a node that what it holds is superseded, or has to go."""

    container: str
    node: str
    role: HoldRole


@dataclass(frozen=True, slots=True)
class Finish:
    """Delete all of a container that shall go and that no node holds, and leave its tombstone."""

    container: str


@dataclass(frozen=True, slots=True)
class SetLedger:
    """Make a node's ledger say what the node has and what its holds reserve."""

    node: str
    capacity: Amounts
    reserved: Amounts


Decision = (
    Place
    | Admit
    | Release
    | Lower
    | SetRemoved
    | SetRole
    | Finish
    | SetLedger
    | GiveUp
    | Depart
    | volumes.RemoveVolume
    | volumes.LoseVolume
    | volumes.ForgetVolume
)


def plan(
    snapshot: Snapshot, *, limit: int, aside: frozenset[str] = frozenset(), kept: frozenset[str] = frozenset()
) -> tuple[Decision, ...]:
    """Return what to do now, the most urgent first.

    First ledgers are set right, then nodes that leave are helped out, then room is given back, then it is given away:
    to further runs of what is placed, and to new containers in the order of their creation. One that fits nowhere holds
    up none of the others.

    Args:
        snapshot: of the cluster.
        limit: the most decisions to make; more follow with the next snapshot.
        aside: ids of containers and nodes about which nothing is decided.
        kept: ids of containers that are not removed for having ended.
    """
    if not snapshot.initialised:
        return ()
    return tuple(islice(_decisions(snapshot, aside, kept), limit))


def _decisions(snapshot: Snapshot, aside: frozenset[str], kept: frozenset[str]) -> Iterator[Decision]:
    room = Room(snapshot.nodes.values(), snapshot.volumes, snapshot.containers)
    yield from _ledgers(snapshot, room, aside)
    yield from (each for each in volumes.lost(snapshot) if each.volume not in aside)
    yield from removals(snapshot, aside)
    yield from (each for each in volumes.forgotten(snapshot) if each.volume not in aside)
    aside |= given_up(snapshot)
    admissible: list[ContainerView] = []
    placeable: list[ContainerView] = []
    for container in snapshot.containers.values():
        if container.id in aside:
            continue
        if container.desired == DesiredState.DESIRED_STATE_REMOVED:
            # Before its last copy is told to go: with the news of that the container is gone, and nobody would know.
            yield from (
                each for each in volumes.with_container(container, snapshot.volumes) if each.volume not in aside
            )
            yield from _removal(snapshot, container)
        elif container.id not in kept and _ends_with_itself(container):
            yield SetRemoved(container.id)
        elif container.placement is not None:
            yield from _superseded(snapshot, container)
            hold = snapshot.hold_of(container)
            released = hold is not None and bool(hold.reserved) and _frees(container)
            if hold is not None and released:
                room.give_back(hold.node, hold.reserved)
                yield Release(container.id, hold.node)
            if waits_for_admission(container) and not container.unchecked:
                admissible.append(container)
            elif hold is not None and not released and (less := lowered(container, hold.reserved)) != hold.reserved:
                room.give_back(hold.node, hold.reserved - less)
                yield Lower(container.id, hold.node, less)
        elif waits_for_node(container):
            placeable.append(container)
    for container in sorted(admissible, key=_age):
        hold = snapshot.hold_of(container)
        node = snapshot.nodes[hold.node] if hold is not None else None
        if hold is not None and node is not None and not (node.removal or node.problem):
            yield from _admission(container, hold, room)
    yield from _placements(snapshot, sorted(placeable, key=_age), room)


def waits_for_node(container: ContainerView) -> bool:
    """Say whether a container has to be given to a node. One that was stopped before it was waits for a start."""
    return container.placement is None and container.desired in (
        DesiredState.DESIRED_STATE_CREATED,
        DesiredState.DESIRED_STATE_RUNNING,
    )


def waits_for_admission(container: ContainerView) -> bool:
    """Say whether a placed container waits for room for another run."""
    return (
        container.placement is not None
        and not container.placement.lost
        and container.desired == DesiredState.DESIRED_STATE_RUNNING
        and container.run > container.placement.run_admitted
    )


def _age(container: ContainerView) -> tuple[int, str]:
    return container.created, container.id


def _ledgers(snapshot: Snapshot, room: Room, aside: frozenset[str]) -> Iterator[Decision]:
    for node in sorted(snapshot.nodes.values(), key=lambda each: each.id):
        if node.id in aside or not node.described:
            continue
        if not node.has_ledger or node.booked_capacity != node.capacity or node.reserved != node.held:
            room.set_ledger(node.id, capacity=node.capacity, reserved=node.held)
            yield SetLedger(node.id, node.capacity, node.held)


def _removal(snapshot: Snapshot, container: ContainerView) -> Iterator[Decision]:
    holders = snapshot.holders.get(container.id, frozenset())
    if not holders:
        yield Finish(container.id)
    for node in sorted(holders):
        view = snapshot.nodes.get(node)
        hold = view.holds.get(container.id) if view is not None else None
        if hold is not None and hold.role != HoldRole.HOLD_ROLE_REMOVE:
            yield SetRole(container.id, node, HoldRole.HOLD_ROLE_REMOVE)


def _ends_with_itself(container: ContainerView) -> bool:
    if not container.auto_remove:
        return False
    stopped: bool = container.desired == DesiredState.DESIRED_STATE_STOPPED
    placement, status = container.placement, container.status
    if placement is None:
        return stopped
    if status is None or status.generation != placement.generation or not status.ended:
        return False
    return stopped or (container.run > 0 and status.run_served >= container.run)


def _superseded(snapshot: Snapshot, container: ContainerView) -> Iterator[Decision]:
    placement = container.placement
    for node in sorted(snapshot.holders.get(container.id, frozenset())):
        view = snapshot.nodes.get(node)
        hold = view.holds.get(container.id) if view is not None else None
        if hold is None or placement is None or hold.role != HoldRole.HOLD_ROLE_CURRENT:
            continue
        if node != placement.node and hold.generation < placement.generation:
            yield SetRole(container.id, node, HoldRole.HOLD_ROLE_RETIRED)


def _frees(container: ContainerView) -> bool:
    placement = container.placement
    return placement is not None and frees(
        container.status,
        generation=placement.generation,
        run_admitted=placement.run_admitted,
        desired=container.desired,
    )


def _admission(container: ContainerView, hold: HoldView, room: Room) -> Iterator[Decision]:
    free = room.free(hold.node)
    if free is None or hold.role != HoldRole.HOLD_ROLE_CURRENT:
        return
    released = _frees(container)
    # What runs until then keeps what it has.
    reserve = container.need if released else raised(container.need, lowered(container, hold.reserved))
    more = reserve - (NOTHING if released else hold.reserved)
    if more.fits(free):
        room.take(hold.node, more)
        yield Admit(container.id, hold.node, container.run, reserve)


def _placements(snapshot: Snapshot, containers: list[ContainerView], room: Room) -> Iterator[Decision]:
    if not containers:
        return
    allocator = Allocator(snapshot.subnet, snapshot.addresses, last=snapshot.last_address)
    address: AddressView | None = None
    for container in containers:
        if container.addressed and address is None:
            # Kept for the next one if this one finds no node.
            address = allocator.allocate()
            if address is None:
                continue
        runs = container.desired == DesiredState.DESIRED_STATE_RUNNING
        reserve = container.need if runs else NOTHING
        place = room.place(container, reserve=reserve)
        if place is None:
            continue
        node, ports = place
        run_admitted = container.run if runs else 0
        if container.addressed:
            yield Place(container.id, node, address, reserve, run_admitted, ports)
            address = None
        else:
            yield Place(container.id, node, None, reserve, run_admitted, ports)
