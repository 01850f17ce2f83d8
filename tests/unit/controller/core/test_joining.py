"""Containers that join another one go to its node, or wait and say why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shoal_controller.core.explain import pending_reason
from shoal_controller.core.orchestrate import Place, plan
from shoal_controller.core.snapshot import Amounts, ContainerView, NodeView, PlacementView
from tests.unit.controller.core.clusters import GIB, STOPPED, cluster, node

NODES = [node("n1"), node("n2"), node("n3")]
WEB = ContainerView(id="w" * 64, name="web", placement=PlacementView("id-n2", 1, 1))
JOINS = ContainerView(id="j", joins=WEB.id, created=1, addressed=False)


def placed(nodes: list[NodeView], *containers: ContainerView) -> dict[str, str]:
    decisions = plan(cluster(nodes, containers), limit=100)
    return {each.container: each.node for each in decisions if isinstance(each, Place)}


def test_it_goes_where_the_other_one_is() -> None:
    assert placed(NODES, WEB, JOINS, replace(JOINS, id="k")) == {"j": "id-n2", "k": "id-n2"}
    # Also to one that does not run: files are prepared, and the start says what it lacks.
    assert placed(NODES, replace(WEB, desired=STOPPED), JOINS) == {"j": "id-n2"}


def test_both_are_placed_in_one_plan() -> None:
    picky = replace(WEB, placement=None, constraints=("node.name==n3",))
    assert placed(NODES, picky, JOINS) == {WEB.id: "id-n3", "j": "id-n3"}


@pytest.mark.parametrize(
    ("nodes", "containers", "reason"),
    [
        (NODES, (), "3 nodes: container wwwwwwwwwwww, which it joins, is not in the cluster any more"),
        (
            NODES,
            (replace(WEB, placement=replace(WEB.placement, lost=True)),),  # type: ignore[type-var]
            "3 nodes: container web, which it joins, was lost with its node",
        ),
        (
            NODES,
            (replace(WEB, placement=None, constraints=("node.name==n9",)),),
            "3 nodes: container web, which it joins, has no node yet",
        ),
        (
            [NODES[0], replace(NODES[1], cordoned=True), NODES[2]],
            (WEB,),
            "3 nodes: n2: cordoned, n1, n3: not where container web, which it joins, is",
        ),
        (
            [NODES[0], replace(NODES[1], ready=False)],
            (WEB,),
            "2 nodes: 1 is down, n1: not where container web, which it joins, is",
        ),
    ],
)
def test_it_waits_and_says_why(nodes: list[NodeView], containers: tuple[ContainerView, ...], reason: str) -> None:
    assert "j" not in placed(nodes, *containers, JOINS)
    assert pending_reason(cluster(nodes, (*containers, JOINS)), JOINS) == reason


def test_other_reasons_come_first() -> None:
    waits = replace(JOINS, need=Amounts(100 * GIB))
    assert "j" not in placed(NODES, WEB, waits)
    assert pending_reason(cluster(NODES, (WEB, waits)), waits).startswith("3 nodes: 3 lack memory")
