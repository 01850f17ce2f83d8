"""The plan of the faults."""

from __future__ import annotations

from itertools import islice

from tests.soak.faults import SPARED, rounds

NODES = ("node1", "node2", "node3")


def test_a_seed_means_the_same_faults() -> None:
    first = list(islice(rounds(7, NODES), 100))
    assert first == list(islice(rounds(7, NODES), 100))
    assert first != list(islice(rounds(8, NODES), 100))


def test_everything_is_taken_away_once_but_one_agent() -> None:
    faults = {str(fault) for each in islice(rounds(7, NODES), 200) for fault in each.faults}
    killed = {"node2", "node3", "control1/controller", "control1/etcd", "control1/registry"}
    assert faults == {f"{node} cut off" for node in NODES} | {f"{target} killed" for target in killed}
    assert f"{SPARED} killed" not in faults


def test_two_faults_have_different_targets() -> None:
    pairs = [each.faults for each in islice(rounds(7, NODES), 200) if len(each.faults) > 1]
    assert pairs
    assert all(first.target != second.target for first, second in pairs)
