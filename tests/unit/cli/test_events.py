"""`shoal events` and `shoal --debug` without a cluster: times, lines, moments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shoal_cli.commands.events import _line
from shoal_cli.debugging import moments_of
from shoal_cli.times import parse_time
from shoal_proto.v1.event_pb2 import Event

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("10m", NOW - timedelta(minutes=10)),
        ("1h30m", NOW - timedelta(minutes=90)),
        ("0s", NOW),
        ("1.5s", NOW - timedelta(seconds=1.5)),
        ("1893456000", datetime(2030, 1, 1, tzinfo=UTC)),
        ("2030-01-31T12:00:00Z", NOW),
        ("2030-01-31T12:00:00.123456789+01:00", datetime(2030, 1, 31, 11, 0, 0, 123456, tzinfo=UTC)),
    ],
)
def test_times(text: str, means: datetime) -> None:
    assert parse_time(text, NOW) == means


@pytest.mark.parametrize("text", ["", "ten minutes", "-5m", "5x", "99999999999999999999", "m"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_time(text, NOW)


def made(action: str, seconds: int, **attributes: str) -> Event:
    event = Event(id=action, type="container", action=action, object="c" * 64, name="web", node="node1")
    event.time.FromSeconds(seconds)
    for key, value in attributes.items():
        event.attributes[key] = value
    return event


def test_a_line_is_dockers_and_nothing_in_it_moves_the_cursor() -> None:
    event = made("die", 1_900_000_000, exit_code="3", image="web:3", ready_at="x")
    event.attributes["label.tier"] = "a\x1b[2J"
    line = _line(event, "")
    assert f" container die {'c' * 64} (exit_code=3, image=web:3, name=web, node=node1, tier=a\\x1b[2J)" in line
    assert _line(event, "{{.Action}} {{.attributes.exit_code}}") == "die 3"
    assert '"exit_code": "3"' in _line(event, "json")


def test_the_moments_of_a_run() -> None:
    times = {"ready_at": "2030-01-01T00:00:03Z", "starting_at": "2030-01-01T00:00:04Z"}
    base = 1_893_456_000
    events = [
        made("create", base + 1),
        made("place", base + 2),
        made("start", base + 5, run="1", **times),
        made("die", base + 6, run="1"),
        made("start", base + 9, run="2", starting_at="2030-01-01T00:00:08Z"),
    ]
    first = [(at - base, what) for at, what, _ in moments_of(events, 1)]
    assert first == [(1, "created"), (2, "placed"), (3, "ready"), (4, "starting"), (5, "running")]
    assert [(at - base, what) for at, what, _ in moments_of(events, 2)] == [(8, "starting"), (9, "running")]
