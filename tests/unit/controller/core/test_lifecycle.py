"""The stages of a container's life, as the core decides them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shoal_controller.core.orchestrate import Admit, Finish, Place, Release, SetLedger, SetRemoved, SetRole, plan
from shoal_controller.core.snapshot import Amounts, ContainerView, HoldView, PlacementView, Snapshot, StatusView
from shoal_controller.core.statuses import Verdict, frees, judge_removed, judge_status
from shoal_proto.v1.container_pb2 import ContainerState, ContainerStatus
from shoal_proto.v1.node_pb2 import Hold, HoldRole
from tests.unit.controller.core.clusters import (
    CURRENT,
    GIB,
    REMOVE,
    REMOVED,
    RUNNING,
    STOPPED,
    changed,
    cluster,
    node,
    settle,
)

NEED = Amounts(5 * GIB, 1000)


def placed(*, reserved: Amounts = NEED, ended: bool = False, role: HoldRole = CURRENT, **more: object) -> Snapshot:
    container = ContainerView(
        id="c", need=NEED, placement=PlacementView("id-a", 1, 1), status=StatusView(1, ended, run_served=1)
    )
    holder = node("a", holds={"c": HoldView("id-a", "c", 1, role, reserved)}, reserved=reserved)
    holders = {"c": frozenset({"id-a"})}
    return changed(cluster([holder], [container], holders=holders), "c", **more)


def test_what_runs_needs_nothing() -> None:
    assert plan(placed(), limit=10) == ()


def test_what_has_ended_gives_its_room_back() -> None:
    assert plan(placed(ended=True), limit=10) == (Release("c", "id-a"),)
    # Asked to stop before its admitted run began: it won't begin.
    waiting = PlacementView("id-a", 1, 2)
    assert plan(placed(ended=True, placement=waiting), limit=10) == ()
    assert plan(placed(ended=True, placement=waiting, desired=STOPPED), limit=10) == (Release("c", "id-a"),)


def test_a_restart_keeps_the_room_it_has() -> None:
    assert plan(placed(run=2), limit=10) == (Admit("c", "id-a", 2, NEED),)


def test_a_later_run_waits_for_room_and_starts_when_there_is() -> None:
    other = ContainerView(id="d", need=NEED, placement=PlacementView("id-a", 1, 1), status=StatusView(1, False, 1))
    snapshot = placed(reserved=Amounts(), ended=True, run=2)
    holds = {**snapshot.nodes["id-a"].holds, "d": HoldView("id-a", "d", 1, CURRENT, NEED)}
    snapshot = replace(
        snapshot,
        nodes={"id-a": replace(snapshot.nodes["id-a"], holds=holds, reserved=NEED)},
        containers={**snapshot.containers, "d": other},
        holders={"c": frozenset({"id-a"}), "d": frozenset({"id-a"})},
    )
    assert plan(snapshot, limit=10) == ()
    ended = changed(snapshot, "d", status=StatusView(1, True, 1))
    assert plan(ended, limit=10) == (Release("d", "id-a"), Admit("c", "id-a", 2, NEED))


def test_room_given_back_is_given_away_in_the_same_plan() -> None:
    snapshot = placed(ended=True)
    snapshot = replace(snapshot, containers={**snapshot.containers, "d": ContainerView(id="d", need=NEED)})
    first, second = plan(snapshot, limit=10)
    assert first == Release("c", "id-a")
    assert isinstance(second, Place)


def test_a_run_that_was_started_before_its_node_came_back_is_admitted_on_a_node_that_is_down() -> None:
    snapshot = placed(reserved=Amounts(), ended=True, run=2)
    snapshot = replace(snapshot, nodes={"id-a": replace(snapshot.nodes["id-a"], ready=False)})
    assert plan(snapshot, limit=10) == (Admit("c", "id-a", 2, NEED),)


@pytest.mark.parametrize("desired", [RUNNING, STOPPED])
def test_auto_remove(desired: int) -> None:
    assert plan(placed(auto_remove=True, desired=desired), limit=10) == ()
    assert plan(placed(auto_remove=True, desired=desired, ended=True), limit=10) == (SetRemoved("c"),)


def test_what_is_kept_is_not_removed_for_having_ended() -> None:
    assert SetRemoved("c") not in plan(placed(auto_remove=True, ended=True), limit=10, kept=frozenset({"c"}))


def test_auto_remove_waits_for_a_run_that_was_asked_for() -> None:
    decisions = plan(placed(auto_remove=True, ended=True, run=2), limit=10)
    assert decisions == (Release("c", "id-a"), Admit("c", "id-a", 2, NEED))


def test_removal_goes_by_the_nodes_confirmation() -> None:
    assert plan(placed(desired=REMOVED), limit=10) == (SetRole("c", "id-a", REMOVE),)
    assert plan(placed(desired=REMOVED, role=REMOVE), limit=10) == ()


def test_a_pending_one_is_removed_at_once() -> None:
    container = ContainerView(id="c", desired=REMOVED)
    assert plan(cluster([node("a")], [container]), limit=10) == (Finish("c"),)


def test_a_pending_one_that_is_stopped_waits_for_a_start_or_goes() -> None:
    container = ContainerView(id="c", desired=STOPPED)
    assert plan(cluster([node("a")], [container]), limit=10) == ()
    settled = settle(cluster([node("a")], [replace(container, auto_remove=True)]))
    assert settled.containers == {}


def test_a_superseded_copy_is_retired_not_removed() -> None:
    snapshot = placed()
    old = node("b", holds={"c": HoldView("id-b", "c", 0, CURRENT, Amounts())})
    snapshot = replace(snapshot, nodes={**snapshot.nodes, "id-b": old}, holders={"c": frozenset({"id-a", "id-b"})})
    assert plan(snapshot, limit=10) == (SetRole("c", "id-b", HoldRole.HOLD_ROLE_RETIRED),)


def test_a_change_of_capacity_reaches_the_ledger_and_takes_nothing_from_what_runs() -> None:
    snapshot = placed()
    less = Amounts(2 * GIB, 500)
    snapshot = replace(snapshot, nodes={"id-a": replace(snapshot.nodes["id-a"], capacity=less)})
    assert plan(snapshot, limit=10) == (SetLedger("id-a", less, NEED),)
    settled = settle(snapshot)
    assert settled.containers["c"].placement is not None
    assert settled.nodes["id-a"].free.memory < 0


def status(generation: int, attempt: int, state: ContainerState, report: int) -> ContainerStatus:
    return ContainerStatus(generation=generation, attempt=attempt, state=state, report=report)


S = ContainerState


@pytest.mark.parametrize(
    ("reported", "verdict"),
    [
        (status(2, 1, S.CONTAINER_STATE_RUNNING, 7), Verdict.STORE),
        (status(2, 2, S.CONTAINER_STATE_PREPARING, 7), Verdict.STORE),
        (status(2, 1, S.CONTAINER_STATE_STARTING, 6), Verdict.STORE),
        (status(2, 1, S.CONTAINER_STATE_STARTING, 5), Verdict.OUTDATED),
        (status(2, 1, S.CONTAINER_STATE_READY, 9), Verdict.OUTDATED),
        (status(2, 0, S.CONTAINER_STATE_RUNNING, 9), Verdict.OUTDATED),
        (status(1, 9, S.CONTAINER_STATE_RUNNING, 9), Verdict.OUTDATED),
        (status(3, 9, S.CONTAINER_STATE_RUNNING, 9), Verdict.OUTDATED),
        (status(2, 9, S.CONTAINER_STATE_UNSPECIFIED, 9), Verdict.REFUSE),
    ],
)
def test_status_is_accepted_by_its_order(reported: ContainerStatus, verdict: Verdict) -> None:
    stored = status(2, 1, S.CONTAINER_STATE_STARTING, 5)
    assert judge_status(reported, hold=Hold(generation=2), stored=stored) is verdict
    assert judge_status(reported, hold=None, stored=stored) is Verdict.OUTDATED


def test_removal_is_believed_only_where_it_was_asked_for() -> None:
    going, current = Hold(generation=2, role=REMOVE), Hold(generation=2, role=CURRENT)
    assert judge_removed(2, hold=going, desired=REMOVED) is Verdict.STORE
    assert judge_removed(2, hold=current, desired=REMOVED) is Verdict.STORE
    assert judge_removed(2, hold=current, desired=RUNNING) is Verdict.REFUSE
    assert judge_removed(1, hold=going, desired=REMOVED) is Verdict.OUTDATED
    assert judge_removed(3, hold=going, desired=REMOVED) is Verdict.REFUSE
    assert judge_removed(2, hold=None, desired=None) is Verdict.OUTDATED


def test_only_the_end_of_the_last_admitted_run_of_this_placement_frees() -> None:
    ended = StatusView(2, True, 1)
    assert frees(ended, generation=2, run_admitted=1, desired=RUNNING)
    assert not frees(ended, generation=3, run_admitted=1, desired=RUNNING)
    assert not frees(ended, generation=2, run_admitted=2, desired=RUNNING)
    assert not frees(replace(ended, ended=False), generation=2, run_admitted=1, desired=STOPPED)
    assert not frees(None, generation=2, run_admitted=0, desired=STOPPED)
