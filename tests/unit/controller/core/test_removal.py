"""How a node leaves, and what that makes of its containers; and what cordoned nodes say."""

from __future__ import annotations

from dataclasses import replace

from shoal_controller.core.explain import pending_reason
from shoal_controller.core.orchestrate import Finish, Place, plan
from shoal_controller.core.removal import Depart, GiveUp
from shoal_controller.core.snapshot import ContainerView, HoldView, PlacementView, Snapshot, StatusView
from tests.unit.controller.core.clusters import (
    CURRENT,
    EMPTY,
    FORCED,
    REMOVED,
    RUNNING,
    cluster,
    node,
    settle,
    with_containers,
)

WAITS = ContainerView(id="new")


def held(name: str, *containers: str, **more: object) -> Snapshot:
    """A cluster of one node that holds containers which run."""
    holds = {id_: HoldView(f"id-{name}", id_, 1, CURRENT, WAITS.need) for id_ in containers}
    views = [
        ContainerView(id=id_, placement=PlacementView(f"id-{name}", 1, 1), status=StatusView(1, False, 1))
        for id_ in containers
    ]
    return cluster(
        [replace(node(name), holds=holds, **more)],  # type: ignore[arg-type]
        views,
        holders={id_: frozenset({f"id-{name}"}) for id_ in containers},
    )


def test_an_empty_node_departs() -> None:
    assert plan(held("n1", removal=EMPTY), limit=10) == (Depart("id-n1"),)


def test_what_is_held_is_given_up_first_and_only_by_force() -> None:
    assert plan(held("n1", "a", "b", removal=FORCED), limit=10) == (GiveUp("a", "id-n1"), GiveUp("b", "id-n1"))
    assert plan(held("n1", "a", "b", removal=EMPTY), limit=10) == ()


def test_what_was_placed_there_is_lost_and_stays_until_it_is_removed() -> None:
    settled = settle(held("n1", "a", removal=FORCED))
    assert settled.nodes == {}
    placement = settled.containers["a"].placement
    assert placement is not None
    assert placement.lost
    assert plan(settled, limit=10) == ()
    removed = with_containers(settled, replace(settled.containers["a"], desired=REMOVED))
    assert plan(removed, limit=10) == (Finish("a"),)


def test_a_lost_container_is_not_admitted_again() -> None:
    settled = settle(held("n1", "a", removal=FORCED))
    again = with_containers(settled, replace(settled.containers["a"], desired=RUNNING, run=2))
    assert plan(again, limit=10) == ()


def test_a_cordoned_node_takes_nothing_new_and_keeps_what_it_has() -> None:
    snapshot = held("n1", "a", cordoned=True)
    assert plan(with_containers(snapshot, WAITS), limit=10) == ()
    # What is there may run again.
    again = with_containers(snapshot, replace(snapshot.containers["a"], run=2))
    assert [type(each).__name__ for each in plan(again, limit=10)] == ["Admit"]


def test_the_reason_names_cordoned_nodes() -> None:
    nodes = [node("n1", cordoned=True), node("n2", ready=False), node("n3", removal=FORCED)]
    snapshot = with_containers(cluster(nodes), WAITS)
    assert pending_reason(snapshot, WAITS) == "3 nodes: 1 is down, n1: cordoned, n3: being removed"
    many = cluster([node(f"n{number}", cordoned=True) for number in range(4)])
    assert pending_reason(with_containers(many, WAITS), WAITS) == "4 nodes: 4 are cordoned"


def test_uncordoned_it_takes_what_waits() -> None:
    waiting = with_containers(cluster([node("n1", cordoned=True)]), WAITS)
    assert plan(waiting, limit=10) == ()
    uncordoned = replace(waiting, nodes={"id-n1": node("n1")})
    assert isinstance(plan(uncordoned, limit=10)[0], Place)


def test_a_node_that_is_down_takes_nothing_new() -> None:
    waiting = with_containers(cluster([node("n1", ready=False)]), WAITS)
    assert plan(waiting, limit=10) == ()
