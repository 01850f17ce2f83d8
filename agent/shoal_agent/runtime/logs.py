"""Reads what containers wrote, from conmon's log files (see `log_files`), by cursor.

A cursor is a place in one of these files, always at the start of a record; files are never reused, so it means the same
place for ever, also to the next agent. If the file is gone by then, it is told how much is, and the rest follows.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from shoal_agent.kernel.inotify import Bell, Event
from shoal_agent.runtime.log_files import Removed, position, removed, segment_path, settle
from shoal_agent.runtime.log_format import parse_records
from shoal_common.log_period import Period
from shoal_proto.v1.container_pb2 import LogCursor, LogsResponse

#: Bytes of a file that are read at a time, and about what one response carries: as much as is brief to parse.
_BATCH: Final = 64 << 10
_JOINED_BATCH: Final = 256 << 10
#: conmon reads its pipes 8 KiB at a time, so that no line of its own is longer than that and some 50 bytes. A "line"
#: beyond this is damage, and is passed over.
_MAX_LINE: Final = 1 << 20
_NEWLINE: Final = b"\n"
_ALWAYS: Final = Period()


async def read_attempt(
    directory: Path,
    *,
    generation: int,
    attempt: int,
    cursor: LogCursor | None,
    follow: bool,
    ended: asyncio.Event,
    period: Period = _ALWAYS,
    joined: bool = False,
    end: LogCursor | None = None,
) -> AsyncIterator[LogsResponse]:
    """Give an attempt's output in batches.

    Args:
        directory: of the placement's logs. It is never made here: what is being removed would come back.
        generation: of the placement, for cursors.
        attempt: whose output.
        cursor: what was read last, of this attempt or one before it; None: begin with what there is.
        follow: wait for more until `ended` is set, then read to the end.
        ended: set once the attempt writes no more.
        period: only what was written then.
        joined: see `parse_records`.
        end: what is written after this place is not read; None: all is.
    """
    # What conmon was asked to begin just before an agent was killed.
    settle(directory, attempt)
    reader = _Reader(directory, generation, attempt, cursor, period, joined=joined, end=end)
    try:
        if not follow:
            while (batch := reader.read()) is not None:
                yield batch
                # Reading is brief; others get their turn between two batches.
                await asyncio.sleep(0)
            return
        # The directory is watched, which tells of its files as well: also of those that are made later.
        bell = Bell(directory, Event.MODIFY | Event.CREATE | Event.MOVED_TO)
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(bell)
            except FileNotFoundError:
                # It was there before anything was started: all of the placement is gone, or just going.
                await ended.wait()
                return
            waiter = asyncio.create_task(ended.wait(), name=f"log-end-{attempt}")
            waiter.add_done_callback(lambda _: bell.ring())
            try:
                while True:
                    # Looked at before reading: what was written until then is found by the reading after it.
                    over = ended.is_set()
                    if over:
                        settle(directory, attempt)
                    while (batch := reader.read()) is not None:
                        yield batch
                        await asyncio.sleep(0)
                    if over:
                        return
                    await bell.wait()
            finally:
                waiter.cancel()
                await asyncio.wait([waiter])
    finally:
        reader.close()


class _Reader:
    """Reads whole records of one attempt, one file after the other."""

    def __init__(
        self,
        directory: Path,
        generation: int,
        attempt: int,
        cursor: LogCursor | None,
        period: Period,
        *,
        joined: bool,
        end: LogCursor | None,
    ) -> None:
        self._directory = directory
        self._period = period
        self._joined = joined
        self._end = (end.segment, end.offset) if end is not None and end.attempt == attempt else None
        self._batch = _JOINED_BATCH if joined else _BATCH
        self._generation = generation
        self._attempt = attempt
        self._segment, self._offset, self._fd = 0, 0, -1
        self._lost = 0
        if cursor is not None and cursor.generation != generation:
            cursor = None
        gone = removed(directory)
        if cursor is not None and gone.has(cursor.attempt, cursor.segment, cursor.offset):
            if cursor.position:
                self._lost = max(0, gone.size - cursor.position)
        elif cursor is not None and cursor.attempt == attempt:
            self._segment, self._offset = cursor.segment, cursor.offset
        if gone.has(attempt, self._segment, self._offset) and gone.attempt == attempt:
            self._segment, self._offset = gone.segment, gone.offset
        self._position = position(directory, attempt, self._segment) + self._offset

    def read(self) -> LogsResponse | None:
        """Return the next batch; None if there is no more now."""
        while True:
            if self._lost:
                lost, self._lost = self._lost, 0
                return LogsResponse(lost_bytes=lost, cursor=self._cursor())
            # Whether there is another file is asked first: then nothing is added to this one after it was read.
            more = segment_path(self._directory, self._attempt, self._segment + 1).exists()
            data = self._read_records()
            # Asked after it was read: what goes is said to be gone before it goes.
            gone = removed(self._directory)
            if gone.has(self._attempt, self._segment, self._offset):
                if gone.attempt > self._attempt:
                    # How much is missing is told with what is read next, of a later attempt.
                    return None
                self._skip(gone)
                continue
            if data:
                self._offset += len(data)
                self._position += len(data)
                entries = parse_records(data, joined=self._joined)
                if not self._period.open:
                    entries = self._period.chosen(entries)
                if entries:
                    return LogsResponse(entries=entries, cursor=self._cursor())
            elif more and (self._end is None or self._segment < self._end[0]):
                self._go_to(self._segment + 1, 0)
            else:
                return None

    def close(self) -> None:
        """Close the file. It is opened again where it is needed."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _go_to(self, segment: int, offset: int) -> None:
        self.close()
        self._segment, self._offset = segment, offset

    def _skip(self, gone: Removed) -> None:
        self._go_to(gone.segment, gone.offset)
        self._lost = max(0, gone.size - self._position)
        self._position = gone.size

    def _read_records(self) -> bytes:
        if self._fd < 0:
            try:
                path = segment_path(self._directory, self._attempt, self._segment)
                self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return b""
        size = self._batch
        if self._end is not None and self._segment >= self._end[0]:
            size = min(size, self._end[1] - self._offset) if self._segment == self._end[0] else 0
            if size <= 0:
                return b""
        while True:
            data = os.pread(self._fd, size, self._offset)
            end = data.rfind(_NEWLINE) + 1
            if end or len(data) < size or size >= _MAX_LINE:
                break
            size = _MAX_LINE
        # Without any newline in so much, it is no record: pass over it, as if it ended here.
        return data[:end] if end or len(data) < _MAX_LINE else data

    def _cursor(self) -> LogCursor:
        return LogCursor(
            generation=self._generation,
            attempt=self._attempt,
            segment=self._segment,
            offset=self._offset,
            position=self._position,
        )
