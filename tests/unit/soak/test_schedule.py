"""The plan of the faults."""

from __future__ import annotations

from itertools import islice

import pytest

from tests.soak.schedule import ALONE, WEIGHTS, Ground, Kind, rounds

CONTROL = ("control1", "control2", "control3")
GROUND = Ground(
    nodes=("node1", "node2", "node3"),
    controllers=CONTROL,
    members=CONTROL,
    spared=frozenset({"node1", "control1"}),
    disks=("node2",),
)
SMALL = Ground(nodes=("node1", "node2"), controllers=("control1",), members=("control1",), spared=frozenset({"node1"}))


def test_every_kind_has_a_weight() -> None:
    assert set(WEIGHTS) == set(Kind)


def test_a_seed_means_the_same_faults() -> None:
    first = list(islice(rounds(7, GROUND), 100))
    assert first == list(islice(rounds(7, GROUND), 100))
    assert first != list(islice(rounds(8, GROUND), 100))


def test_every_kind_has_its_turn_soon() -> None:
    faults = [fault.kind for each in islice(rounds(7, GROUND), len(Kind) + 2) for fault in each.faults]
    assert set(faults) == set(Kind)


def test_what_a_small_lab_can_not_lose_is_left_out() -> None:
    kinds = {fault.kind for each in islice(rounds(7, SMALL), 200) for fault in each.faults}
    assert kinds == set(Kind) - {
        Kind.QUORUM_KILLED,
        Kind.QUORUM_PAUSED,
        Kind.LEADER_PAUSED_IN_COMMIT,
        Kind.CONTROL_CUT,
        Kind.DISK_FULL,
    }


def test_only_the_kinds_that_are_asked_for() -> None:
    kinds = {fault.kind for each in islice(rounds(7, GROUND, (Kind.NODE_CUT,)), 20) for fault in each.faults}
    assert kinds == {Kind.NODE_CUT}


@pytest.mark.parametrize("kind", [Kind.AGENT_KILLED, Kind.CONTROLLER_KILLED, Kind.HOST_REBOOTED])
def test_what_is_spared_is_not_killed(kind: Kind) -> None:
    faults = [fault for each in islice(rounds(7, GROUND), 300) for fault in each.faults if fault.kind is kind]
    assert faults
    assert not {fault.target for fault in faults} & GROUND.spared


def test_faults_of_a_round_take_hold_of_different_things() -> None:
    several = [each.faults for each in islice(rounds(7, GROUND), 300) if len(each.faults) > 1]
    assert several
    for faults in several:
        targets = [fault.target for fault in faults if fault.target.startswith("node")]
        assert len(set(targets)) == len(targets)
        assert not {fault.kind for fault in faults} & ALONE
