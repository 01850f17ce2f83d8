"""Lines of daemons: one per event, with what they belong to, bounded, and nothing in them that moves a cursor."""

from __future__ import annotations

import asyncio
import json
import logging
import sys

import pytest

from shoal_common.daemon_logging import LONGEST, JsonLines, TextLines, is_news
from shoal_common.log_context import bind
from shoal_common.tracing import traced


def record(message: str, *args: object, fault: bool = False) -> logging.LogRecord:
    try:
        raise RuntimeError("broken\nin two")
    except RuntimeError:
        info = sys.exc_info() if fault else None
    return logging.LogRecord("shoal_x", logging.WARNING, __file__, 1, message, args, info)


@pytest.fixture(params=[TextLines, JsonLines])
def lines(request: pytest.FixtureRequest) -> TextLines | JsonLines:
    made: TextLines | JsonLines = request.param("node1")
    return made


async def test_fields_are_those_of_the_task(lines: TextLines | JsonLines) -> None:
    async def work(container: str) -> str:
        bind(container=container, request="CreateContainer", caller="admin me")
        with traced(container[0] * 32):
            await asyncio.sleep(0)
            return lines.format(record("made %s", "it"))

    first, second = await asyncio.gather(work("aaa"), work("bbb"))
    assert ("a" * 32 in first, "b" * 32 in first, "bbb" in first) == (True, False, False)
    assert ("b" * 32 in second, "aaa" in second) == (True, False)
    after = lines.format(record("later"))
    assert ("aaa" in after, "CreateContainer" in after, "node1" in after) == (False, False, True)


async def test_json_is_an_object_a_line() -> None:
    bind(container="abc", request="Logs")
    line = JsonLines("node1").format(record("made %s", "it", fault=True))
    told = json.loads(line)
    assert {key: told[key] for key in ("level", "logger", "message", "node", "container", "request")} == {
        "level": "warning",
        "logger": "shoal_x",
        "message": "made it",
        "node": "node1",
        "container": "abc",
        "request": "Logs",
    }
    assert "RuntimeError: broken" in told["fault"]
    assert told["time"].endswith("Z")


def test_no_line_passes_for_two_or_moves_the_cursor(lines: TextLines | JsonLines) -> None:
    line = lines.format(record("a\nb\x1b[2J\r\u202ec\u2028", fault=True))
    assert line.isprintable()
    assert "broken" in line


def test_lines_are_bounded_and_the_end_of_a_fault_stays(lines: TextLines | JsonLines) -> None:
    line = lines.format(record("x" * 50_000, fault=True))
    assert len(line) < LONGEST * 2
    assert "characters left out" in line
    assert "broken" in line


def test_a_client_that_went_away_is_no_news() -> None:
    assert is_news(record("Unexpected [%s] raised by servicer method [%s]", "KeyError", "/shoal.v1.X/Y"))
    assert not is_news(record("ExecuteBatchError raised in core by servicer method [%s]", "/shoal.v1.X/Y", fault=True))
