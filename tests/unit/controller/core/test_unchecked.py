"""What was stored without the policy being asked goes nowhere, and says why."""

from __future__ import annotations

from dataclasses import replace

from shoal_controller.core.explain import pending_reason
from shoal_controller.core.orchestrate import Admit, plan
from shoal_controller.core.snapshot import ContainerView, PlacementView
from tests.unit.controller.core.clusters import cluster, node, settle

LOOSENED = ContainerView(id="a", unchecked="it asks for all privileges")


def test_it_is_not_placed() -> None:
    snapshot = cluster([node("n1"), node("n2")], [LOOSENED])
    assert plan(snapshot, limit=10) == ()
    assert pending_reason(snapshot, LOOSENED) == "2 nodes: it asks for all privileges"


def test_where_an_older_leader_has_placed_it_no_further_run_is_admitted() -> None:
    checked = replace(LOOSENED, unchecked="")
    placed = settle(cluster([node("n1")], [checked]))
    again = replace(placed.containers["a"], run=2, unchecked=LOOSENED.unchecked)
    assert isinstance(again.placement, PlacementView)
    snapshot = replace(placed, containers={"a": again})
    assert not [each for each in plan(snapshot, limit=10) if isinstance(each, Admit)]
    assert pending_reason(snapshot, again) == LOOSENED.unchecked
    admitted = replace(placed, containers={"a": replace(again, unchecked="")})
    assert [each for each in plan(admitted, limit=10) if isinstance(each, Admit)]
