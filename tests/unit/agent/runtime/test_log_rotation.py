"""Rotation of logs, with a monitor that does as conmon 2.1.6 does: no line is lost, at whichever line an agent dies."""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count, product
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shoal_agent.care import log_rotation
from shoal_agent.care.log_rotation import rotate
from shoal_agent.core.log_rotation import (
    IDLE_LOOK,
    LOOK,
    MOST_FILES,
    QUICK_LOOK,
    Cut,
    Growth,
    Limits,
    LogFile,
    cut,
    next_look,
)
from shoal_agent.runtime import control, log_files
from shoal_agent.runtime.control import Control
from shoal_agent.runtime.log_files import begin, forget, position, removed, segment_path, settle, thin, written_path
from shoal_agent.runtime.log_tail import end_of, tail
from shoal_agent.runtime.logs import read_attempt
from shoal_proto.v1.container_pb2 import LogCursor, LogsResponse

TIME = b"2026-11-24T17:10:15.204216123+00:00"
#: All of these are stopped at any line.
AGENT = {module.__file__ for module in (control, log_files, log_rotation)}


def records(numbers: range) -> bytes:
    return b"".join(b"%s stdout F %d\n" % (TIME, number) for number in numbers)


class Monitor:
    """Writes a log and listens to its FIFO as conmon does."""

    def __init__(self, top: Path) -> None:
        self.logs, self.task = top / "logs", top / "task"
        self.task.mkdir(parents=True)
        os.mkfifo(self.task / "ctl")
        self._ctl = os.open(self.task / "ctl", os.O_RDWR | os.O_NONBLOCK)
        self._path = begin(self.logs, 1)
        self._log = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        self._told = b""
        self.written = 0

    def write(self, count: int) -> None:
        os.write(self._log, records(range(self.written, self.written + count)))
        self.written += count

    def go_on(self, steps: int, lines: int) -> None:
        """Take some steps: read what it is told, do that, write some lines, and so on."""
        for _ in range(steps):
            if not self._told:
                with suppress(BlockingIOError):
                    self._told = os.read(self._ctl, 199)
            else:
                # What the first line says, as often as there are lines.
                for _ in range(self._told.count(b"\n")):
                    if self._told.startswith(b"2 "):
                        os.close(self._log)
                        draft = f"{self._path}.tmp"
                        self._log = os.open(draft, os.O_WRONLY | os.O_TRUNC | os.O_CREAT, 0o600)
                        os.rename(draft, self._path)
                self._told = b""
            if not self._told:
                self.write(lines)

    def close(self) -> None:
        os.close(self._ctl)
        os.close(self._log)


class Killed(BaseException):
    pass


@contextmanager
def killed_at(line: int) -> Iterator[list[str]]:
    """Kill the agent before the line of it that is executed as the `line`th; give where that was."""
    left: int | None = line
    where: list[str] = []

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename not in AGENT:
            return None
        if event == "line" and left is not None:
            if left == 0:
                left = None
                where.append(f"{frame.f_code.co_name}:{frame.f_lineno}")
                raise Killed
            left -= 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield where
    except Killed as killed:
        # The kernel closes the files of a process that is killed. Here one stays open where that is at the end of the
        # `with` that would have closed it.
        with warnings.catch_warnings(action="ignore", category=ResourceWarning):
            traceback.clear_frames(killed.__traceback__)
    finally:
        sys.settrace(before)


@contextmanager
def listening(monitor: Monitor, turns: list[int], lines: int) -> Iterator[None]:
    """While the agent waits, the monitor takes so many steps; then two each time."""
    left = list(turns)

    async def sleep(seconds: float) -> None:
        monitor.go_on(left.pop() if left else 2, lines)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "sleep", sleep)
        yield


async def read_all(logs: Path, cursor: LogCursor | None = None) -> list[LogsResponse]:
    ended = asyncio.Event()
    return [
        batch async for batch in read_attempt(logs, generation=1, attempt=1, cursor=cursor, follow=False, ended=ended)
    ]


def told(batches: list[LogsResponse]) -> list[int]:
    return [int(entry.data) for batch in batches for entry in batch.entries]


#: Steps that the monitor takes each time an agent waits, between its death and the next one, and when that one waits.
_SPEEDS = list(product((0, 1, 4), (0, 1, 2), (0, 1, 5)))


@pytest.mark.parametrize("speeds", _SPEEDS, ids=str)
async def test_no_line_is_lost_or_doubled_wherever_an_agent_is_killed(
    speeds: tuple[int, int, int], tmp_path: Path
) -> None:
    """An agent is killed before each of its lines in turn, and the next one goes on."""
    first, between, second = speeds
    for line in count():
        monitor = Monitor(tmp_path / str(line))
        try:
            monitor.write(2)
            with listening(monitor, [first] * 30, 1), killed_at(line) as killed:
                await rotate(monitor.logs, 1, Control(monitor.task), 1)
            monitor.go_on(between, 1)
            for _ in range(2):
                with listening(monitor, [second] * 30, 1):
                    await rotate(monitor.logs, 1, Control(monitor.task), 1)
            monitor.go_on(4, 1)
            assert told(await read_all(monitor.logs)) == list(range(monitor.written)), f"killed at {killed}"
        finally:
            monitor.close()
        if not killed:
            return


async def test_a_full_file_is_followed_by_another_and_an_order_left_behind_is_not_given_again(tmp_path: Path) -> None:
    monitor = Monitor(tmp_path)
    try:
        monitor.write(5)
        with listening(monitor, [], 1):
            assert await rotate(monitor.logs, 1, Control(monitor.task), 100)
            assert segment_path(monitor.logs, 1, 1).exists()
        fifo = os.open(monitor.task / "ctl", os.O_WRONLY | os.O_NONBLOCK)
        os.write(fifo, b"2 0 0\n")
        os.close(fifo)
        monitor.write(5)
        with listening(monitor, [], 1):
            assert await rotate(monitor.logs, 1, Control(monitor.task), 100)
        assert [file for file in log_files.log_files(monitor.logs) if file[1] > 2] == []
        assert told(await read_all(monitor.logs)) == list(range(monitor.written))
    finally:
        monitor.close()


async def test_a_monitor_that_does_not_listen_is_asked_again_later(tmp_path: Path) -> None:
    monitor = Monitor(tmp_path)
    try:
        monitor.write(5)
        with listening(monitor, [0] * 1000, 0):
            assert not await rotate(monitor.logs, 1, Control(monitor.task), 100)
        monitor.write(5)
        assert told(await read_all(monitor.logs)) == list(range(10))
    finally:
        monitor.close()
    # It has ended, and nobody listens any more.
    assert not await rotate(monitor.logs, 1, Control(monitor.task), 100)


def test_the_last_of_a_former_attempt_keeps_its_name_and_loses_its_second(tmp_path: Path) -> None:
    begin(tmp_path, 1)
    written_path(tmp_path, 1).write_bytes(b"first")
    begin(tmp_path, 2)
    thin(tmp_path, Limits(), written=True)
    assert sorted(os.listdir(tmp_path)) == ["1.0.log", "2.0.log", "2.current"]
    assert not settle(tmp_path, 1)
    assert segment_path(tmp_path, 1, 0).stat().st_nlink == 1


sizes = st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=5), min_size=1, max_size=5)
limits = st.builds(Limits, size=st.integers(1, 20), files=st.integers(1, 5))


def fill(directory: Path, attempts: list[list[int]]) -> list[LogFile]:
    found = []
    for attempt, files in enumerate(attempts, 1):
        for segment, size in enumerate(files):
            segment_path(directory, attempt, segment).write_bytes((b"ab\n" * size)[:size])
            found.append(LogFile(attempt, segment, size))
    return found


@given(attempts=sizes, limits=limits, written=st.booleans())
def test_what_is_kept_is_the_last_and_all_that_there_is_room_for(
    attempts: list[list[int]], limits: Limits, written: bool
) -> None:
    files = [
        LogFile(attempt, segment, size) for attempt, each in enumerate(attempts, 1) for segment, size in enumerate(each)
    ]
    found = cut(files, limits, written=written)
    last = len(files) - written
    assert 0 <= found.files <= last
    assert found.offset == 0 or (found.files < last and 0 < found.offset < files[found.files].size)
    kept = sum(file.size for file in files[found.files : last]) - found.offset
    room = limits.size * (max(2, limits.files) - written)
    assert kept <= room
    if sum(file.size for file in files[: found.files]) + found.offset:
        assert kept == room


def test_files_of_many_starts_are_bounded_in_number() -> None:
    files = [LogFile(attempt, 0, 1) for attempt in range(1000)]
    assert len(files) - cut(files, Limits(), written=True).files == MOST_FILES
    assert cut([], Limits(), written=False) == Cut(0, 0)


@given(attempts=sizes, limits=limits, lines=st.lists(st.integers(0, 120), max_size=3))
@example(attempts=[[40, 30, 20, 10]], limits=Limits(size=7, files=2), lines=[*range(120)])
def test_what_is_gone_is_told_of_wherever_an_agent_is_killed(
    attempts: list[list[int]], limits: Limits, lines: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("thin")
    files = fill(directory, attempts)
    whole = sum(file.size for file in files)

    def left() -> int:
        gone = removed(directory)
        names = log_files.log_files(directory)
        return sum(segment_path(directory, *name).stat().st_size for name in names) - gone.offset

    for line in lines:
        with killed_at(line):
            thin(directory, limits, written=True)
        # At no time is less known to be gone than is gone.
        assert removed(directory).size + left() == whole
    thin(directory, limits, written=True)
    assert removed(directory).size + left() == whole
    names = log_files.log_files(directory)
    assert len(list(directory.glob("*.log"))) == len(names)
    last = segment_path(directory, *names[-1]).stat().st_size
    assert left() - last <= limits.size * max(1, limits.files - 1)
    # What is left begins with a record.
    gone = removed(directory)
    assert gone.offset % 3 == 0 or gone.offset == segment_path(directory, *names[0]).stat().st_size
    for attempt, segment in names:
        before = [file.size for file in files if (file.attempt, file.segment) < (attempt, segment)]
        assert position(directory, attempt, segment) == sum(before)


async def test_former_attempts_can_go_as_a_whole(tmp_path: Path) -> None:
    for attempt in (1, 2, 3):
        begin(tmp_path, attempt)
        written_path(tmp_path, attempt).write_bytes(records(range(attempt * 10, attempt * 10 + 10)))
    before = LogCursor(
        generation=1, attempt=1, offset=len(records(range(10, 15))), position=len(records(range(10, 15)))
    )
    forget(tmp_path, 2)
    assert sorted(os.listdir(tmp_path)) == ["3.0.log", "3.current", "removed"]
    batches = read_attempt(tmp_path, generation=1, attempt=3, cursor=before, follow=False, ended=asyncio.Event())
    rest = [batch async for batch in batches]
    assert rest[0].lost_bytes == len(records(range(15, 30)))
    assert told(rest) == list(range(30, 40))
    assert forget(tmp_path, 2) == 0


async def test_of_a_file_that_is_too_large_the_end_stays(tmp_path: Path) -> None:
    """What was written between two looks is more than there is room for."""
    data = records(range(100_000))
    segment_path(tmp_path, 1, 0).write_bytes(data)
    segment_path(tmp_path, 1, 1).write_bytes(records(range(100_000, 100_010)))
    whole = await read_all(tmp_path)
    thin(tmp_path, Limits(size=1 << 20, files=1), written=True)
    assert segment_path(tmp_path, 1, 0).stat().st_blocks * 512 <= (1 << 20) + 8192
    kept = told(await read_all(tmp_path))
    assert kept == list(range(kept[0], 100_010))
    assert len(records(range(kept[0], 100_000))) <= 1 << 20 < len(records(range(kept[0] - 2, 100_000)))
    for batch in (whole[0], whole[-1]):
        rest = await read_all(tmp_path, batch.cursor)
        seen = told([batch])[-1] + 1
        assert sum(each.lost_bytes for each in rest) == len(records(range(seen, kept[0])))
        assert told(rest) == list(range(max(seen, kept[0]), 100_010))
    end = end_of(tmp_path, generation=1, attempt=1)
    last = tail(tmp_path, attempts=[1], end=end, lines=len(kept) + 5)
    assert told(await read_all(tmp_path, last)) == kept


async def test_a_reader_hears_how_much_was_rotated_away_before_it_came(tmp_path: Path) -> None:
    for segment in range(6):
        segment_path(tmp_path, 1, segment).write_bytes(records(range(segment * 10, segment * 10 + 10)))
    whole = await read_all(tmp_path)
    each = len(records(range(10, 20)))
    thin(tmp_path, Limits(size=each, files=3), written=True)
    assert told(await read_all(tmp_path)) == list(range(30, 60))
    assert not any(batch.lost_bytes for batch in await read_all(tmp_path))
    for batch in whole:
        rest = await read_all(tmp_path, batch.cursor)
        seen = max(told([batch])) + 1
        missing = range(seen, 30)
        assert told(rest) == list(range(max(seen, 30), 60))
        assert sum(each.lost_bytes for each in rest) == len(records(missing))
        # It is told once: whoever goes on after that has nothing missing.
        if rest and rest[0].lost_bytes:
            assert not any(each.lost_bytes for each in await read_all(tmp_path, rest[0].cursor))


async def test_a_slow_reader_hears_what_was_rotated_away_before_it_had_read_it(tmp_path: Path) -> None:
    for segment in range(6):
        segment_path(tmp_path, 1, segment).write_bytes(records(range(segment * 10, segment * 10 + 10)))
    ended = asyncio.Event()
    batches = read_attempt(tmp_path, generation=1, attempt=1, cursor=None, follow=False, ended=ended)
    first = await anext(aiter(batches))
    thin(tmp_path, Limits(size=len(records(range(10, 20))), files=3), written=True)
    rest = [batch async for batch in batches]
    assert told([first]) == list(range(10))
    assert rest[0].lost_bytes == len(records(range(10, 30)))
    assert told(rest) == list(range(30, 60))


def test_looks_are_seldom_until_a_file_is_about_to_be_full() -> None:
    assert next_look([]) == IDLE_LOOK
    assert next_look([Growth(10, 0.0, 5), Growth(0, 1.0, 100)]) == LOOK
    assert next_look([Growth(50, 1000.0, 100)]) == pytest.approx(0.05)
    assert next_look([Growth(200, 500.0, 100)]) == QUICK_LOOK
