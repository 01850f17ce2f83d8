"""What is said of how many agents one leader bears, and of more than were tried."""

from __future__ import annotations

from bench.scale.measure import Measured, Spent
from bench.scale.report import table


def _measured(agents: int, ready: float) -> Measured:
    steady = Spent(60.0, {"leader": 6.0, "follower": 0.6, "etcd": 1.2, "agents": 12.0}, 0, {})
    measured = Measured(agents, ready=ready, arrival=steady, steady=steady, heartbeats=[1.0, 2.0, 3.0])
    measured.leader_full = 100 * 2**20
    return measured


def _lines(text: str) -> dict[str, list[str]]:
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    return {line[0]: line[1:] for line in lines}


def test_a_column_for_each_number_and_one_along_the_line_through_the_last_two() -> None:
    lines = _lines(table([_measured(2000, 15.0), _measured(1000, 10.0)]))
    assert lines["agents"] == ["1,000", "2,000", "6,100, foretold"]
    assert lines["all are ready after, s"] == ["10.0", "15.0", "35.5"]
    assert lines["leader's processor, % of a core"] == ["10.0", "10.0", ""]
    assert lines["heartbeats of an agent every, s"] == ["2.0", "4.0", ""]


def test_what_was_not_measured_is_left_out_and_one_number_foretells_nothing() -> None:
    lines = _lines(table([_measured(2000, 15.0)]))
    assert lines["agents"] == ["2,000"]
    assert lines["all are with it after, s"] == [""]
