from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shoal_controller.core.liveness import MAX_LAG, TICK, Terms, interval, term


def looks(terms: Terms, start: float, seconds: float) -> tuple[float, tuple[str, ...]]:
    """Look in time until somebody is down, and return when and who."""
    now = start
    while now < start + seconds:
        now += TICK
        if down := terms.look(now):
            return now, down
    return now, ()


def test_term_is_three_beats_and_at_least_six_seconds() -> None:
    assert term(1.0) == 6.0
    assert term(2.0) == 6.0
    assert term(5.0) == 15.0


def test_total_rate_of_heartbeats_is_bounded() -> None:
    assert interval(3, least=2.0) == 2.0
    assert interval(5000, least=2.0) == 10.0


def test_a_silent_node_is_down_between_six_and_seven_seconds_after_its_last_beat() -> None:
    terms = Terms(100.0, ["a", "b"], interval_seconds=2.0)
    terms.beat("a", 104.0, interval_seconds=2.0)
    when, who = looks(terms, 100.0, 20.0)
    assert who == ("b",)
    assert 106.0 <= when <= 107.0
    terms.forget("b")
    when, who = looks(terms, when, 20.0)
    assert who == ("a",)
    assert 110.0 <= when <= 111.0


def test_a_beat_that_was_taken_in_between_two_looks_saves_a_node() -> None:
    terms = Terms(0.0, ["a"], interval_seconds=2.0)
    for tick in range(1, 25):
        assert terms.look(tick * TICK) == ()
    terms.beat("a", 6.1, interval_seconds=2.0)
    assert terms.look(6.25) == ()
    assert terms.watches("a")


def test_the_leaders_own_silence_extends_all_terms() -> None:
    terms = Terms(0.0, ["a"], interval_seconds=2.0)
    assert terms.look(TICK) == ()
    assert terms.look(30.0) == ()
    when, who = looks(terms, 30.0, 20.0)
    assert who == ("a",)
    assert when >= 35.0


@given(st.lists(st.floats(0.05, 40.0), min_size=1, max_size=60))
def test_never_down_while_it_beats_in_time_of_the_leader(pauses: list[float]) -> None:
    # Each look may be late by anything; the node beats right after each, as if queued while the leader was stopped.
    now, terms = 0.0, Terms(0.0, ["a"], interval_seconds=2.0)
    for pause in pauses:
        now += pause
        assert terms.look(now) == ()
        terms.beat("a", now, interval_seconds=2.0)


@given(st.floats(0.0, MAX_LAG))
def test_always_down_in_the_end(jitter: float) -> None:
    terms, now = Terms(0.0, ["a"], interval_seconds=2.0), 0.0
    down: tuple[str, ...] = ()
    while not down and now < 20:
        now += TICK + jitter * 0.99
        down = terms.look(now)
    assert down == ("a",)
    assert now < 6.0 + 3 * (TICK + MAX_LAG)


def test_a_session_gives_time_for_the_connection_of_its_first_heartbeat() -> None:
    terms = Terms(0.0, (), interval_seconds=2.0)
    terms.opened("a", 0.0, interval_seconds=2.0, nodes=500)
    when, who = looks(terms, 0.0, 30.0)
    assert who == ("a",)
    assert 12.0 <= when <= 13.0
    terms.opened("a", 20.0, interval_seconds=2.0, nodes=1000)
    terms.look(20.0)
    terms.beat("a", 21.0, interval_seconds=2.0)
    when, who = looks(terms, 20.0, 30.0)
    assert 27.0 <= when <= 28.0


def test_among_few_the_first_heartbeat_gets_hardly_more() -> None:
    terms = Terms(0.0, (), interval_seconds=2.0)
    terms.opened("a", 0.0, interval_seconds=2.0, nodes=3)
    when, who = looks(terms, 0.0, 30.0)
    assert who == ("a",)
    assert 6.0 <= when <= 7.0
