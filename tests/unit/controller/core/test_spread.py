from __future__ import annotations

from collections import Counter
from dataclasses import replace
from time import process_time

import pytest

from shoal_controller.core.orchestrate import Place, plan
from shoal_controller.core.snapshot import Amounts, ContainerView, HoldView
from tests.unit.controller.core.clusters import CREATED, CURRENT, GIB, REMOVE, cluster, node, settle


def burst(number: int, **more: object) -> list[ContainerView]:
    return [replace(ContainerView(id=f"c{n:04}", created=n), **more) for n in range(number)]  # type: ignore[arg-type]


@pytest.mark.parametrize("limit", [1, 7, 24, 1000])
def test_sixty_of_one_image_on_three_equal_nodes(limit: int) -> None:
    containers = burst(60, need=Amounts(GIB // 16, 10))
    settled = settle(cluster([node("a"), node("b"), node("c")], containers), limit=limit)
    counts = Counter(c.placement.node for c in settled.containers.values() if c.placement)
    assert counts == {"id-a": 20, "id-b": 20, "id-c": 20}


def test_fewest_containers_then_most_free_memory_then_name() -> None:
    busy = node("a", memory=64 * GIB, holds={"x": HoldView("id-a", "x", 1, CURRENT, Amounts())})
    small, large = node("b", memory=4 * GIB), node("c", memory=16 * GIB)
    nodes = [busy, small, large, node("d", memory=16 * GIB)]
    placed = [d.node for d in plan(cluster(nodes, burst(4)), limit=10) if isinstance(d, Place)]
    assert placed == ["id-c", "id-d", "id-b", "id-a"]


def test_what_is_being_removed_is_no_load_but_takes_room() -> None:
    leaving = HoldView("id-a", "x", 1, REMOVE, Amounts(6 * GIB))
    nodes = [node("a", holds={"x": leaving}, reserved=Amounts(6 * GIB)), node("b", memory=GIB)]
    decisions = plan(cluster(nodes, burst(1, need=Amounts(4 * GIB))), limit=10)
    assert decisions == ()
    decisions = plan(cluster(nodes, burst(1, need=Amounts(2 * GIB))), limit=10)
    assert [d.node for d in decisions if isinstance(d, Place)] == ["id-a"]


def test_first_come_first_served_but_a_large_one_does_not_hold_up_a_small_one() -> None:
    large = ContainerView(id="large", created=1, need=Amounts(9 * GIB))
    late, early = (ContainerView(id=i, created=c, need=Amounts(5 * GIB)) for i, c in (("a-late", 3), ("z-early", 2)))
    decisions = plan(cluster([node("a")], [late, large, early]), limit=10)
    assert [d.container for d in decisions if isinstance(d, Place)] == ["z-early"]


def test_created_must_fit_but_reserves_nothing() -> None:
    containers = burst(3, need=Amounts(8 * GIB), desired=CREATED, run=0)
    decisions = plan(cluster([node("a")], containers), limit=10)
    assert [(d.reserve, d.run_admitted) for d in decisions if isinstance(d, Place)] == [(Amounts(), 0)] * 3
    too_large = burst(1, need=Amounts(9 * GIB), desired=CREATED, run=0)
    assert plan(cluster([node("a")], too_large), limit=10) == ()


def test_thousands_are_planned_in_no_time() -> None:
    nodes = [node(f"n{n}") for n in range(100)]
    unfit = burst(2000, need=Amounts(100 * GIB), constraints=("node.labels.ssd==true",))
    fit = [ContainerView(id=f"d{n}", created=5000 + n, need=Amounts(GIB // 64)) for n in range(1000)]
    snapshot = cluster(nodes, [*unfit, *fit])
    taken = []
    # The least of some: a machine that is busy makes every one of them take longer, none of them shorter.
    for _ in range(5):
        before = process_time()
        decisions = plan(snapshot, limit=24)
        taken.append(process_time() - before)
        assert len(decisions) == 24
    assert min(taken) < 0.1
