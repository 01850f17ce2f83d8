"""Trace ids: what is taken, what is given on, and phases that are measured for who asks."""

from __future__ import annotations

import asyncio

import pytest

import shoal
from shoal_common import timings, tracing

ID = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"00-{ID}-00f067aa0ba902b7-01", ID),
        (f"cc-{ID}-00f067aa0ba902b7-01-more", ID),
        (f"00-{ID}-00f067aa0ba902b7-01-more", ""),
        (f"ff-{ID}-00f067aa0ba902b7-01", ""),
        (f"00-{ID.upper()}-00f067aa0ba902b7-01", ""),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", ""),
        (ID, ID),
        ("", ""),
        ("x" * 10_000, ""),
        (f"{ID}\n", ""),
    ],
)
def test_traceparents(text: str, found: str) -> None:
    assert tracing.trace_id_in(text) == found


def test_what_is_sent_is_what_is_received() -> None:
    sent = tracing.trace_metadata(ID)
    assert tracing.received_trace([("other", "x"), *sent]) == ID
    assert tracing.received_trace(None) == ""
    assert tracing.trace_metadata("") == ()
    assert tracing.trace_metadata(ID) != sent, "every call is a span of its own"


async def test_a_trace_is_of_its_task_and_of_those_that_it_starts() -> None:
    async def current() -> str:
        return tracing.current_trace()

    with shoal.trace(f"00-{ID}-00f067aa0ba902b7-01") as trace_id:
        assert trace_id == ID
        assert await asyncio.create_task(current()) == ID
    assert tracing.current_trace() == ""
    with pytest.raises(shoal.InvalidSpec, match="traceparent"), shoal.trace("nonsense"):
        pass


def test_phases_are_measured_only_when_asked_for() -> None:
    with timings.phase("commit"):
        pass
    times = timings.measure()
    for _ in range(2):
        with timings.phase("commit"):
            pass
    assert [name for name, _ in times] == ["commit", "commit"]
    told = timings.parse_timing(timings.timing([("image", 0.01), ("image", 0.002), ("commit", 0.5)], 0.6))
    assert told == {"image": 12.0, "commit": 500.0, "total": 600.0}
    assert timings.parse_timing("nonsense, x;dur=y") == {}
    assert timings.is_asked([(timings.ASK, "1")])
    assert not timings.is_asked([])
