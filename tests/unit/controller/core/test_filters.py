from __future__ import annotations

from dataclasses import replace

import pytest

from shoal_controller.core.explain import pending_reason
from shoal_controller.core.filters import Constraint, Cpu, Limiting, Memory, Readiness, Runs, Sound, explain, placing
from shoal_controller.core.orchestrate import Place, plan
from shoal_controller.core.snapshot import Amounts, ContainerView, HoldView, LimitsWish, PlacementView, StatusView
from tests.unit.controller.core.clusters import CREATED, CURRENT, GIB, STOPPED, cluster, node


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("node.name==web", True),
        ("node.name!=web", False),
        ("node.id==id-web", True),
        ("node.id==web", False),
        ("node.labels.ssd==true", True),
        ("node.labels.ssd!=true", False),
        ("node.labels.zone==", False),
        ("node.labels.zone!=a", True),
        ("node.labels.odd==a!=b", True),
        ("node.labels.odd!=a==b", True),
        ("node.role==worker", False),
        ("node.labels.ssd=true", False),
        ("", False),
    ],
)
def test_constraint(text: str, *, passes: bool) -> None:
    assert Constraint(text).check(node("web", labels={"ssd": "true", "odd": "a!=b"})) is passes


def test_each_filter_checks_and_explains() -> None:
    down, full = node("a", ready=False), node("b", memory=GIB, reserved=Amounts(GIB // 2, 3500))
    assert not Readiness().check(down)
    assert Readiness().check(full)
    assert Readiness().explain([down]) == "1 is down"
    assert Readiness().explain([down, down]) == "2 are down"
    assert Memory(GIB // 2).check(full)
    assert not Memory(GIB // 2 + 1).check(full)
    assert Memory(GIB).explain([full]) == "1 lacks memory (needs 1 GiB, most free 512 MiB)"
    assert Cpu(500).check(full)
    assert not Cpu(501).check(full)
    assert Cpu(1500).explain([full, full]) == "2 lack cpus (needs 1.5, most free 0.5)"
    assert Constraint("node.name==x").explain([full]) == "1 fails constraint node.name==x"


def test_what_an_older_agent_does_not_know_goes_elsewhere() -> None:
    """It would start a container without its volumes, with all that was to be taken from it."""
    old, new = node("a", knows=16), node("b", knows=38)
    wanted = ContainerView(id="c", asks=22)
    assert pending_reason(cluster([old], [wanted]), wanted) == (
        "1 node: 1 has an agent too old for what it asks for (upgrade it)"
    )
    assert [each.node for each in plan(cluster([old, new], [wanted]), limit=9) if isinstance(each, Place)] == [new.id]
    assert pending_reason(cluster([old]), ContainerView(id="c")) == ""


def test_limits_that_a_node_can_not_hold_a_container_to_send_it_elsewhere() -> None:
    """It would run without them, and nobody would know."""
    able = frozenset({"cpuset-cpus", "blkio-weight"})
    plain, small, good = node("n1"), node("n2", limits=able, cpus=frozenset({0, 1})), node("n3", limits=able)
    good = replace(good, cpus=frozenset(range(4)))
    wanted = ContainerView(id="c", limits=LimitsWish(frozenset({"cpuset-cpus"}), cpus=frozenset({1, 3})))
    assert pending_reason(cluster([plain, small], [wanted]), wanted) == (
        "2 nodes: n1: its control groups can't do cpuset-cpus, n2: has no cpus 3 (it has 0-1)"
    )
    placed = [each for each in plan(cluster([plain, small, good], [wanted]), limit=9) if isinstance(each, Place)]
    assert [each.node for each in placed] == [good.id]
    memory = Limiting(LimitsWish(frozenset({"cpuset-cpus"}), mems=frozenset({1})))
    assert memory.explain([small]) == "n2: has no memory nodes 1 (it has none)"
    assert memory.explain([plain] * 5) == (
        "5 can't hold it to its limits (n1: its control groups can't do cpuset-cpus)"
    )


def test_a_runtime_that_a_node_does_not_have_sends_it_elsewhere() -> None:
    plain, other = node("n1", runtimes=frozenset({"runc", "crun"})), node("n2")
    wanted = ContainerView(id="c", runtime="kata")
    assert pending_reason(cluster([plain, other], [wanted]), wanted) == (
        "2 nodes: n1: has no runtime kata (it has crun, runc), n2: has no runtime kata (it has none)"
    )
    good = node("n3", runtimes=frozenset({"crun", "kata"}))
    placed = [each for each in plan(cluster([plain, other, good], [wanted]), limit=9) if isinstance(each, Place)]
    assert [each.node for each in placed] == [good.id]
    assert Runs("kata").explain([plain] * 5) == "5 have no runtime kata (n1 has crun, runc)"
    # Who asks for none gets whichever its node has.
    assert pending_reason(cluster([other]), ContainerView(id="c")) == ""


def test_a_node_with_a_full_disk_takes_nothing_new_and_says_why() -> None:
    full = node("a", problem="disk full: 3 MiB free, 16 MiB needed")
    assert not Sound().check(full)
    wanted = ContainerView(id="c")
    assert pending_reason(cluster([full, node("b", ready=False)], [wanted]), wanted) == (
        "2 nodes: 1 is down, a: disk full: 3 MiB free, 16 MiB needed"
    )
    many = [node(name, problem="disk full") for name in "abcd"]
    assert Sound().explain(many) == "4 have problems (a: disk full)"
    # What is there already waits for another run as well.
    again = ContainerView(id="c", run=2, placement=PlacementView("id-a", 1, 1), status=StatusView(1, True, 1))
    held = node("a", problem="disk full", holds={"c": HoldView("id-a", "c", 1, CURRENT, Amounts())})
    snapshot = cluster([held], [again], holders={"c": frozenset({"id-a"})})
    assert pending_reason(snapshot, again) == "1 node: a: disk full"
    assert plan(snapshot, limit=10) == ()


def test_who_asks_for_nothing_lacks_nothing() -> None:
    shrunk = node("a", memory=GIB, reserved=Amounts(2 * GIB))
    assert Memory(0).check(shrunk)
    assert not Memory(1).check(shrunk)
    assert Memory(1).explain([shrunk]) == "1 lacks memory (needs 1 B, most free 0 B)"


def test_reason_counts_each_node_at_the_first_filter_that_refuses_it() -> None:
    nodes = [
        node("a", reserved=Amounts(8 * GIB - int(5.1 * GIB))),
        node("b", reserved=Amounts(7 * GIB)),
        node("c", labels={"ssd": "no"}, memory=64 * GIB),
    ]
    container = ContainerView(id="c", need=Amounts(8 * GIB), constraints=("node.labels.ssd==true",))
    assert pending_reason(cluster(nodes, [container]), container) == (
        "3 nodes: 2 lack memory (needs 8 GiB, most free 5.1 GiB), 1 fails constraint node.labels.ssd==true"
    )


def test_reason_is_empty_where_one_passes() -> None:
    assert explain([node("a", ready=False), node("b")], placing(Amounts(), ())) == ""


def test_reason_of_a_stopped_container_on_a_node_that_has_filled_up() -> None:
    container = ContainerView(
        id="c", need=Amounts(8 * GIB), run=2, placement=PlacementView("id-a", 1, 1), status=StatusView(1, True, 1)
    )
    hold = HoldView("id-a", "c", 1, CURRENT, Amounts())
    full = node("a", reserved=Amounts(int(2.9 * GIB)), holds={"c": hold})
    reason = pending_reason(cluster([full, node("b")], [container]), container)
    assert reason == "1 node: 1 lacks memory (needs 8 GiB, most free 5.1 GiB)"


def test_reasons_that_are_not_about_nodes() -> None:
    container = ContainerView(id="c")
    assert "no node has joined" in pending_reason(cluster([], [container]), container)
    lost = cluster([node("a")], [container], initialised=False)
    assert "no identity in etcd" in pending_reason(lost, container)
    used = frozenset(f"10.88.0.{n}" for n in range(2, 7))
    full = cluster([node("a")], [container], subnet="10.88.0.0/29", addresses=used)
    assert "no address is free in 10.88.0.0/29" in pending_reason(full, container)
    stopped = ContainerView(id="c", desired=STOPPED)
    assert "stopped before it was placed" in pending_reason(cluster([node("a")], [stopped]), stopped)


def test_what_does_not_wait_has_no_reason() -> None:
    placed = PlacementView("id-a", 1, 1)
    for container in (
        ContainerView(id="c", placement=placed),
        ContainerView(id="c", desired=CREATED, placement=placed),
    ):
        assert pending_reason(cluster([node("a")], [container]), container) == ""
