"""How long a heartbeat waits for a connection that has to be made: by what the leader told of the number of nodes."""

from __future__ import annotations

from shoal_agent.cluster.heartbeat import AT_ONCE, DEADLINE, FIRST_DEADLINE, deadline_of_new
from shoal_controller.core.liveness import interval


def test_among_few_one_that_answered_before_is_not_waited_for() -> None:
    told = interval(3, least=2.0)
    assert told <= AT_ONCE
    assert [deadline_of_new(failures, told, met=True) for failures in (1, 2, 3)] == [DEADLINE] * 3
    assert [deadline_of_new(failures, told, met=False) for failures in (0, 1, 2)] == [FIRST_DEADLINE] * 3


def test_among_thousands_patience_grows() -> None:
    for met in (True, False):
        deadlines = [deadline_of_new(failures, interval(2000, least=2.0), met=met) for failures in range(4)]
        assert deadlines[0] == FIRST_DEADLINE
        assert deadlines == sorted(set(deadlines))
