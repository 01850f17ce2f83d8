from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal_controller.state.leadership import Leadership, boot_clock


class Clock:
    """A clock that only tests move."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_term_ends_by_the_clock_alone(clock: Clock) -> None:
    """A process that was stopped knows it when it wakes up, before any event reaches it."""
    leadership = Leadership(5, deadline=102.5, clock=clock)
    assert leadership.valid()
    assert leadership.remaining() == 2.5
    clock.now = 102.5
    assert not leadership.valid()
    assert not leadership.lost.is_set(), "nobody told it"


def test_a_renewal_prolongs_a_term(clock: Clock) -> None:
    leadership = Leadership(5, deadline=102.5, clock=clock)
    clock.now = 102.0
    assert leadership.extend(104.0)
    clock.now = 103.0
    assert leadership.valid()
    assert leadership.extend(103.5), "an answer that was overtaken changes nothing"
    assert leadership.remaining() == 1.0


def test_a_late_renewal_revives_nothing(clock: Clock) -> None:
    leadership = Leadership(5, deadline=102.5, clock=clock)
    clock.now = 102.6
    assert not leadership.extend(200.0)
    assert not leadership.valid()


async def test_a_term_that_was_ended_stays_ended(clock: Clock) -> None:
    for end in (Leadership.end, lambda term: term.lost.set()):
        leadership = Leadership(5, deadline=102.5, clock=clock)
        end(leadership)
        assert not leadership.valid()
        assert not leadership.extend(200.0)


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(-1, 4)), max_size=20))
def test_once_lost_always_lost(steps: list[tuple[float, float]]) -> None:
    clock = Clock()
    leadership = Leadership(1, deadline=102.5, clock=clock)
    lost = False
    for passed, granted in steps:
        clock.now += passed
        lost = lost or not leadership.valid()
        assert leadership.extend(clock.now + granted) == (not lost)
        if lost:
            assert not leadership.valid()


def test_the_clock_runs_on() -> None:
    assert boot_clock() <= boot_clock()
