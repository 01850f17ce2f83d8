"""What holds for every plan, whatever the cluster."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from shoal_controller.core.filters import placing
from shoal_controller.core.orchestrate import Admit, Finish, Place, Release, SetRole, plan
from shoal_controller.core.snapshot import NOTHING, Amounts, Snapshot
from shoal_controller.core.volumes import needs, used
from tests.unit.controller.core.clusters import FORCED, REMOVE, REMOVED, RUNNING, Applied, settle, snapshots


def applied(snapshot: Snapshot, limit: int = 1000) -> Applied:
    state = Applied(snapshot)
    for decision in plan(snapshot, limit=limit):
        state.apply(decision)
    return state


@given(snapshots())
def test_never_above_any_capacity(snapshot: Snapshot) -> None:
    for node in settle(snapshot).nodes.values():
        # `apply` checks each booking as it is made; this is what is left in the end.
        assert node.reserved.memory <= node.capacity.memory
        assert node.reserved.cpu <= node.capacity.cpu


@given(snapshots())
def test_never_against_a_constraint_nor_on_a_node_that_is_down(snapshot: Snapshot) -> None:
    for decision in plan(snapshot, limit=1000):
        if isinstance(decision, Place):
            container, node = snapshot.containers[decision.container], snapshot.nodes[decision.node]
            assert node.ready
            assert not node.cordoned
            assert not node.removal
            empty = replace(node, reserved=NOTHING, booked_capacity=node.capacity)
            assert all(each.check(empty) for each in placing(container.need, container.constraints))


@given(snapshots())
def test_nothing_is_given_up_that_no_operator_gave_up(snapshot: Snapshot) -> None:
    settled = settle(snapshot)
    forced = {id_ for id_, node in snapshot.nodes.items() if node.removal == FORCED}
    for id_, node in snapshot.nodes.items():
        for held in node.holds:
            # A name or an address may only be another's once nobody can have a copy, or by force.
            if id_ not in forced:
                assert held in settled.nodes[id_].holds
    for id_, container in settled.containers.items():
        placement, before = container.placement, snapshot.containers[id_].placement
        if placement is not None and placement.lost:
            assert before is not None
            assert before.node in forced


@given(snapshots())
def test_a_node_that_leaves_by_force_is_gone_in_the_end(snapshot: Snapshot) -> None:
    settled = settle(snapshot)
    for id_, node in snapshot.nodes.items():
        keeps = any(each.node == id_ and not each.removed for each in snapshot.volumes.values())
        placed = any(each.node == id_ and not each.removed for each in settled.volumes.values())
        assert keeps or not placed or not node.removal
        if node.removal == FORCED or (node.removal and not node.holds and not keeps):
            assert id_ not in settled.nodes
            assert not any(id_ in holders for holders in settled.holders.values())
        else:
            assert id_ in settled.nodes


@given(snapshots())
def test_nothing_more_is_booked_on_a_node_that_leaves(snapshot: Snapshot) -> None:
    for decision in plan(snapshot, limit=1000):
        if isinstance(decision, Place | Admit):
            assert not snapshot.nodes[decision.node].removal


@given(snapshots())
def test_same_snapshot_same_plan(snapshot: Snapshot) -> None:
    again = replace(
        snapshot,
        nodes=dict(reversed(list(snapshot.nodes.items()))),
        containers=dict(reversed(list(snapshot.containers.items()))),
    )
    first, second = plan(snapshot, limit=1000), plan(again, limit=1000)
    assert plan(snapshot, limit=1000) == first
    # The order in which a mapping lists its members is no part of the state.
    assert [d for d in first if isinstance(d, Place | Admit)] == [d for d in second if isinstance(d, Place | Admit)]
    assert set(first) == set(second)


@given(snapshots())
def test_addresses_are_unique(snapshot: Snapshot) -> None:
    given_out = [d.address.ip for d in plan(snapshot, limit=1000) if isinstance(d, Place) and d.address is not None]
    assert len(given_out) == len(set(given_out))
    assert not snapshot.addresses & set(given_out)


@given(snapshots())
def test_every_booking_is_in_the_ledger(snapshot: Snapshot) -> None:
    for node in settle(snapshot).nodes.values():
        total = sum((hold.reserved for hold in node.holds.values()), NOTHING)
        assert node.reserved == total
        assert node.booked_capacity == node.capacity
        assert node.has_ledger


@given(snapshots(), st.integers(1, 5))
def test_planning_reaches_a_fixed_point(snapshot: Snapshot, limit: int) -> None:
    settled = settle(snapshot, limit=limit)
    assert plan(settled, limit=1000) == ()


@given(snapshots())
def test_nothing_without_the_cluster_key(snapshot: Snapshot) -> None:
    assert plan(replace(snapshot, initialised=False), limit=1000) == ()


@given(snapshots())
def test_only_a_spec_removes(snapshot: Snapshot) -> None:
    for decision in plan(snapshot, limit=1000):
        if isinstance(decision, Finish):
            assert snapshot.containers[decision.container].desired == REMOVED
            assert not snapshot.holders.get(decision.container)
        if isinstance(decision, SetRole) and decision.role == REMOVE:
            assert snapshot.containers[decision.container].desired == REMOVED
    # What has lost its spec is left alone.
    assert not any(isinstance(d, SetRole | Finish) for d in plan(replace(snapshot, containers={}), limit=1000))


@given(snapshots())
def test_what_runs_keeps_its_reservation(snapshot: Snapshot) -> None:
    for decision in plan(snapshot, limit=1000):
        if isinstance(decision, Release):
            container = snapshot.containers[decision.container]
            assert container.status is not None
            assert container.placement is not None
            assert container.status.ended
            assert container.status.generation == container.placement.generation


@given(snapshots())
def test_what_a_container_may_have_is_booked(snapshot: Snapshot) -> None:
    """Others get what was taken away from it, and nothing before."""
    settled = settle(snapshot)
    for id_, before in snapshot.containers.items():
        status, hold, after = before.status, snapshot.hold_of(before), settled.containers.get(id_)
        if hold is None or status is None or after is None or status.ended or not status.in_force:
            continue
        if before.placement is None or status.generation != before.placement.generation:
            continue
        booked = settled.nodes.get(hold.node)
        if booked is not None and hold.reserved and id_ in booked.holds:
            assert booked.holds[id_].reserved.memory >= min(hold.reserved.memory, status.in_force.memory)
            assert booked.holds[id_].reserved.cpu >= min(hold.reserved.cpu, status.in_force.cpu)


@given(snapshots())
def test_a_placed_container_is_never_placed_again(snapshot: Snapshot) -> None:
    settled = settle(snapshot)
    for id_, container in snapshot.containers.items():
        if container.placement is not None and id_ in settled.containers:
            after = settled.containers[id_].placement
            assert after is not None
            assert (after.node, after.generation) == (container.placement.node, container.placement.generation)


@given(snapshots())
def test_nothing_waits_that_fits(snapshot: Snapshot) -> None:
    settled = settle(snapshot)
    for container in settled.containers.values():
        if container.placement is None and container.desired == RUNNING and not container.addressed:
            filters = (*placing(container.need, (), container.ports), *needs(container, settled.volumes))
            assert not any(all(each.check(node) for each in filters) for node in settled.nodes.values())


@given(snapshots())
def test_data_goes_only_if_its_spec_says_so_and_nobody_names_it(snapshot: Snapshot) -> None:
    settled = settle(snapshot)
    named = used(snapshot.containers.values())
    for id_, volume in snapshot.volumes.items():
        owner = snapshot.containers.get(volume.owner)
        going = volume.removed or (owner is not None and owner.remove_volumes)
        if id_ not in settled.volumes or (settled.volumes[id_].removed and not volume.removed):
            assert going
        if id_ in named and id_ in settled.volumes and not volume.owner:
            assert settled.volumes[id_].removed == volume.removed


@given(st.lists(st.builds(Amounts, st.integers(-5, 5), st.integers(-5, 5)), max_size=5))
def test_amounts_add_up(amounts: list[Amounts]) -> None:
    total = sum(amounts, NOTHING)
    assert total == Amounts(sum(a.memory for a in amounts), sum(a.cpu for a in amounts))
