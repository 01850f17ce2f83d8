"""Clusters for the tests of the core: how to make them, and what a decision makes of one, without a store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import strategies as st

from shoal_controller.core import orchestrate, removal, volumes
from shoal_controller.core.allocation import room
from shoal_controller.core.ports import PortView, PortWish, Refusal, choose, taken
from shoal_controller.core.snapshot import (
    NOTHING,
    Amounts,
    ContainerView,
    HoldView,
    NodeView,
    PlacementView,
    Snapshot,
    StatusView,
    VolumeView,
)
from shoal_proto.v1.container_pb2 import DesiredState
from shoal_proto.v1.node_pb2 import HoldRole, NodeRemoval

GIB = 1 << 30
CREATED = DesiredState.DESIRED_STATE_CREATED
RUNNING = DesiredState.DESIRED_STATE_RUNNING
STOPPED = DesiredState.DESIRED_STATE_STOPPED
REMOVED = DesiredState.DESIRED_STATE_REMOVED
CURRENT = HoldRole.HOLD_ROLE_CURRENT
REMOVE = HoldRole.HOLD_ROLE_REMOVE
STAYS = NodeRemoval.NODE_REMOVAL_UNSPECIFIED
EMPTY = NodeRemoval.NODE_REMOVAL_EMPTY
FORCED = NodeRemoval.NODE_REMOVAL_FORCED


def node(name: str, *, memory: int = 8 * GIB, cpu: int = 4000, **more: object) -> NodeView:
    capacity = Amounts(memory, cpu)
    made = NodeView(
        id=f"id-{name}",
        name=name,
        capacity=capacity,
        booked_capacity=capacity,
        addresses=frozenset({f"10.0.0.{name[-1]}"}),
    )
    return replace(made, **more)  # type: ignore[arg-type]


def cluster(nodes: Iterable[NodeView], containers: Iterable[ContainerView] = (), **more: object) -> Snapshot:
    snapshot = Snapshot(
        subnet="10.88.0.0/16",
        nodes={each.id: each for each in nodes},
        containers={each.id: each for each in containers},
    )
    return replace(snapshot, **more)  # type: ignore[arg-type]


def with_containers(snapshot: Snapshot, *containers: ContainerView) -> Snapshot:
    return replace(snapshot, containers={**snapshot.containers, **{each.id: each for each in containers}})


def changed(snapshot: Snapshot, container: str, **what: object) -> Snapshot:
    return with_containers(snapshot, replace(snapshot.containers[container], **what))  # type: ignore[arg-type]


class Applied:
    """What a plan makes of a snapshot; every decision is checked against what it may do."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.nodes = dict(snapshot.nodes)
        self.containers = dict(snapshot.containers)
        self.holders = dict(snapshot.holders)
        self.addresses = set(snapshot.addresses)
        self.volumes = dict(snapshot.volumes)
        self.last_address = snapshot.last_address
        self.owners: dict[str, str] = {}
        self._snapshot = snapshot

    def snapshot(self) -> Snapshot:
        return replace(
            self._snapshot,
            nodes=self.nodes,
            containers=self.containers,
            holders=self.holders,
            addresses=frozenset(self.addresses),
            volumes=self.volumes,
            last_address=self.last_address,
        )

    def apply(self, decision: orchestrate.Decision) -> None:
        match decision:
            case orchestrate.Place(container, node_id, address, reserve, run_admitted, ports):
                view = self.containers[container]
                assert view.placement is None
                assert not self.nodes[node_id].problem
                assert view.addressed is (address is not None)
                if address is not None:
                    assert address.ip not in self.addresses
                    self.addresses.add(address.ip)
                    self.last_address = address.ip
                self.volumes |= volumes.pinned(view, self.volumes, self.nodes[node_id])
                for volume, _ in view.volumes:
                    assert self.volumes[volume].node == node_id, "a container is placed where its data is not"
                    assert not self.volumes[volume].lost
                generation = (view.status.generation if view.status else 0) + 1
                self.containers[container] = replace(view, placement=PlacementView(node_id, generation, run_admitted))
                self.holders[container] = self.holders.get(container, frozenset()) | {node_id}
                self._hold(HoldView(node_id, container, generation, CURRENT, NOTHING, ports))
                self._take_ports(node_id, container, ports)
                self._reserve(node_id, container, reserve)
            case orchestrate.Admit(container, node_id, run, reserve):
                view = self.containers[container]
                assert view.placement is not None
                assert view.placement.node == node_id
                assert not self.nodes[node_id].problem
                self.containers[container] = replace(view, placement=replace(view.placement, run_admitted=run))
                self._reserve(node_id, container, reserve)
            case orchestrate.Release(container, node_id):
                self._reserve(node_id, container, NOTHING)
            case orchestrate.Lower(container, node_id, reserve):
                before = self.nodes[node_id].holds[container].reserved
                assert reserve.memory <= before.memory
                assert reserve.cpu <= before.cpu
                self._reserve(node_id, container, reserve)
            case orchestrate.SetRemoved(container):
                self.containers[container] = replace(self.containers[container], desired=REMOVED)
            case orchestrate.SetRole(container, node_id, role):
                self._hold(replace(self.nodes[node_id].holds[container], role=role))
            case orchestrate.Finish(container):
                assert not self.holders.get(container)
                del self.containers[container]
            case removal.GiveUp(container, node_id):
                assert self.nodes[node_id].removal == FORCED
                self._reserve(node_id, container, NOTHING)
                hold = self.nodes[node_id].holds[container]
                holds = {id_: each for id_, each in self.nodes[node_id].holds.items() if id_ != container}
                self.nodes[node_id] = replace(self.nodes[node_id], holds=holds)
                self.holders[container] = self.holders.get(container, frozenset()) - {node_id}
                lost = self.containers.get(container)
                where = lost.placement if lost is not None else None
                if (
                    lost is not None
                    and where is not None
                    and (where.node, where.generation) == (node_id, hold.generation)
                ):
                    self.containers[container] = replace(lost, placement=replace(where, lost=True))
            case removal.Depart(node_id):
                assert not self.nodes[node_id].holds
                assert self.nodes[node_id].removal
                kept = [each for each in self.volumes.values() if each.node == node_id]
                assert all(each.lost or each.removed for each in kept), "a node departs with data that nobody gave up"
                self.volumes |= {each.id: replace(each, lost=True) for each in kept}
                del self.nodes[node_id]
            case volumes.RemoveVolume(volume):
                owner = self.volumes[volume].owner
                assert self.containers[owner].desired == REMOVED
                self.volumes[volume] = replace(self.volumes[volume], removed=True)
            case volumes.LoseVolume(volume, node_id):
                assert self.nodes[node_id].removal == FORCED
                self.volumes[volume] = replace(self.volumes[volume], lost=True)
            case volumes.ForgetVolume(volume):
                assert self.volumes[volume].removed
                assert volume not in volumes.used(self.containers.values())
                del self.volumes[volume]
            case orchestrate.SetLedger(node_id, capacity, reserved):
                self.nodes[node_id] = replace(
                    self.nodes[node_id], booked_capacity=capacity, reserved=reserved, has_ledger=True
                )

    def _take_ports(self, node_id: str, container: str, ports: tuple[PortView, ...]) -> None:
        view = self.nodes[node_id]
        self.nodes[node_id] = replace(view, ports=taken(view.ports, container, ports))

    def _hold(self, hold: HoldView) -> None:
        view = self.nodes[hold.node]
        self.nodes[hold.node] = replace(view, holds={**view.holds, hold.container: hold})

    def _reserve(self, node_id: str, container: str, amounts: Amounts) -> None:
        view = self.nodes[node_id]
        hold = view.holds[container]
        more = amounts - hold.reserved
        grows = more.memory > 0 or more.cpu > 0
        self.nodes[node_id] = view = replace(view, reserved=view.reserved + more)
        self._hold(replace(hold, reserved=amounts))
        if grows:
            assert more.memory <= 0 or view.reserved.memory <= view.booked_capacity.memory
            assert more.cpu <= 0 or view.reserved.cpu <= view.booked_capacity.cpu


def settle(snapshot: Snapshot, *, limit: int = 1000) -> Snapshot:
    """Plan and apply until there is nothing left to do."""
    for _ in range(200):
        decisions = orchestrate.plan(snapshot, limit=limit)
        if not decisions:
            return snapshot
        applied = Applied(snapshot)
        for decision in decisions:
            applied.apply(decision)
        snapshot = applied.snapshot()
    raise AssertionError(f"no fixed point: still decides {decisions}")


#: Few of them fill a node, and most fit one that is empty: what is drawn has to meet for a plan to have much to decide.
_amounts = st.sampled_from(
    [
        Amounts(GIB, 500),
        Amounts(3 * GIB, 500),
        Amounts(GIB // 2),
        Amounts(0, 500),
        Amounts(GIB),
        Amounts(3 * GIB),
        Amounts(GIB, 3000),
        Amounts(9 * GIB),
        NOTHING,
    ]
)
_constraints = st.lists(
    st.sampled_from(["node.labels.ssd==true", "node.labels.ssd!=true", "node.name==n1", "node.id!=id-n0"]),
    max_size=2,
    unique=True,
).map(tuple)
#: True three times out of four.
_mostly = st.sampled_from([True, True, True, False])


#: Of few ports, so that containers meet; none that contradict each other, which the API refuses.
_wishes = (
    st.lists(
        st.sampled_from(
            [
                PortWish(80, 80, 80),
                PortWish(80, 80, 80, "udp"),
                PortWish(80, 80, 80, host_ip="127.0.0.1"),
                PortWish(80, 82, 8080),
                PortWish(0, 0, 53),
            ]
        ),
        max_size=2,
        unique=True,
    )
    .map(tuple)
    .filter(lambda wishes: not isinstance(choose(wishes, {}, seed=""), Refusal))
)
_labels = st.sampled_from([(), (("ssd", "true"),), (("ssd", "no"),)])


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Any cluster: nodes of any size and readiness, containers in any stage, ledgers right or wrong."""
    nodes: dict[str, NodeView] = {}
    for number in range(draw(st.sampled_from([1, 2, 1, 3, 2, 4, 0]))):
        made = node(
            f"n{number}",
            memory=draw(st.sampled_from([2 * GIB, 8 * GIB, 0])),
            cpu=draw(st.sampled_from([1000, 8000])),
            labels=dict(draw(_labels)),
            ready=draw(_mostly),
            problem=draw(st.sampled_from(["", "", "", "disk full"])),
            cordoned=draw(st.integers(0, 7)) == 7,
            removal=draw(st.sampled_from([STAYS] * 8 + [EMPTY, FORCED])),
        )
        nodes[made.id] = made
    containers: dict[str, ContainerView] = {}
    holders: dict[str, frozenset[str]] = {}
    addresses: set[str] = set()
    for number in range(draw(st.sampled_from([8, 7, 6, 5, 4, 3, 2, 1, 0]))):
        made_ = ContainerView(
            id=f"c{number}",
            desired=draw(st.sampled_from([RUNNING, RUNNING, RUNNING, CREATED, STOPPED, REMOVED])),
            run=draw(st.integers(0, 3)),
            need=draw(_amounts),
            constraints=() if draw(_mostly) else draw(_constraints),
            addressed=draw(_mostly),
            auto_remove=not draw(_mostly),
            created=draw(st.integers(0, 3)),
            ports=() if draw(_mostly) else draw(_wishes),
        )
        if draw(st.booleans()) and nodes:
            home = draw(st.sampled_from(sorted(nodes)))
            admitted = draw(st.integers(0, made_.run))
            placement = PlacementView(home, draw(st.integers(2, 3)), admitted)
            status = None
            if draw(_mostly):
                generation = placement.generation if draw(_mostly) else draw(st.integers(1, 3))
                served = admitted if draw(_mostly) else draw(st.integers(0, admitted))
                status = StatusView(generation, draw(st.booleans()), served)
            made_ = replace(made_, placement=placement, status=status)
            held = {home}
            reserved = made_.need if draw(_mostly) else NOTHING
            if status is not None and reserved and not draw(_mostly):
                # Its limits were changed: it was given more, and may have it still.
                more = Amounts(reserved.memory + draw(st.sampled_from([0, GIB])), reserved.cpu + 500)
                status = replace(status, in_force=draw(st.sampled_from([more, reserved])), limits_served=1)
                made_ = replace(made_, status=status, limits_changed=draw(st.integers(1, 2)))
                reserved = more
            role = REMOVE if made_.desired == REMOVED and draw(st.booleans()) else CURRENT
            _add_hold(nodes, HoldView(home, made_.id, placement.generation, role, reserved))
            other = draw(st.sampled_from(sorted(nodes)))
            if other != home:
                held.add(other)
                _add_hold(nodes, HoldView(other, made_.id, 1, CURRENT, NOTHING))
            holders[made_.id] = frozenset(held)
            if made_.addressed:
                addresses.add(f"10.88.0.{number + 2}")
        containers[made_.id] = made_
    # Bookings start true, within what there is, as the store's compares keep them; a few ledgers were never written.
    for id_, each in list(nodes.items()):
        taken = NOTHING
        holds = {}
        for container, hold in each.holds.items():
            kept = hold if (taken + hold.reserved).fits(each.capacity) else replace(hold, reserved=NOTHING)
            taken += kept.reserved
            holds[container] = kept
        written = draw(st.integers(0, 4)) > 0
        nodes[id_] = replace(each, holds=holds, reserved=taken if written else NOTHING, has_ledger=written)
    there = _volumes(draw, nodes, containers)
    snapshot = cluster(
        nodes.values(), containers.values(), holders=holders, addresses=frozenset(addresses), volumes=there
    )
    subnet = draw(st.sampled_from(["10.88.0.0/16", "10.88.0.0/28"]))
    assert room(subnet) >= len(addresses)
    return replace(snapshot, subnet=subnet)


def _volumes(
    draw: st.DrawFn, nodes: dict[str, NodeView], containers: dict[str, ContainerView]
) -> dict[str, VolumeView]:
    """Give some containers volumes: those that are placed have theirs where they are."""
    there: dict[str, VolumeView] = {}
    for container in list(containers.values()):
        if draw(_mostly):
            continue
        own = draw(st.booleans())
        volume = f"v-{container.id}" if own else draw(st.sampled_from(["shared-1", "shared-2"]))
        home = container.placement.node if container.placement is not None else ""
        known = there.get(volume)
        if known is not None and home and known.node != home:
            continue
        there[volume] = known or VolumeView(
            volume, volume, home, nodes[home].name if home else "", owner=container.id if own else ""
        )
        containers[container.id] = replace(
            container, volumes=((volume, volume),), remove_volumes=container.auto_remove or draw(st.booleans())
        )
    for number in range(draw(st.integers(0, 2))):
        home = draw(st.sampled_from(["", *sorted(nodes)]))
        name = f"unused-{number}"
        there[name] = VolumeView(name, name, home, home, removed=draw(st.booleans()))
    return there


def _add_hold(nodes: dict[str, NodeView], hold: HoldView) -> None:
    nodes[hold.node] = replace(nodes[hold.node], holds={**nodes[hold.node].holds, hold.container: hold})
