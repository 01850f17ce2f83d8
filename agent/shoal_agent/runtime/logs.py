"""Reads what containers wrote, from conmon's log files, by cursor.

An attempt writes to `<attempt>.<segment>.log`, segments from 0. A cursor is a place in one of these files, always at
the start of a record; files are never reused, so it means the same place for ever, also to the next agent.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from shoal_agent.kernel.inotify import Bell, Event
from shoal_agent.runtime.log_format import parse_line
from shoal_proto.v1.container_pb2 import LogCursor, LogsResponse

#: Bytes of a file that are read at a time, and about what one response carries.
_BATCH: Final = 64 << 10
#: conmon reads its pipes 8 KiB at a time, so that no line of its own is longer than that and some 50 bytes. A "line"
#: beyond this is damage, and is passed over.
_MAX_LINE: Final = 1 << 20
_NEWLINE: Final = b"\n"


def segment_path(directory: Path, attempt: int, segment: int) -> Path:
    """Return the path of one log file."""
    return directory / f"{attempt}.{segment}.log"


async def read_attempt(
    directory: Path,
    *,
    generation: int,
    attempt: int,
    cursor: LogCursor | None,
    follow: bool,
    ended: asyncio.Event,
) -> AsyncIterator[LogsResponse]:
    """Give an attempt's output in batches of about 64 KiB.

    Args:
        directory: of the placement's logs. It is never made here: what is being removed would come back.
        generation: of the placement, for cursors.
        attempt: whose output.
        cursor: where to go on; None, or one of another attempt, for the beginning.
        follow: wait for more until `ended` is set, then read to the end.
        ended: set once the attempt writes no more.
    """
    reader = _Reader(directory, generation, attempt, cursor)
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


def tail(directory: Path, *, generation: int, attempt: int, lines: int) -> LogCursor:
    """Return the place from which the last `lines` lines of an attempt are read, without reading what is before it.

    A line of the process's is counted once, however many pieces it was recorded in; one without its end counts too.
    """
    segment = 0
    while segment_path(directory, attempt, segment + 1).exists():
        segment += 1
    counted = 0
    #: Streams of which the record before is known to belong to the line that was counted last.
    whole: set[bytes] = set()
    place = (segment, _end_of_records(segment_path(directory, attempt, segment)))
    for number in range(segment, -1, -1):
        for offset, record in _backwards(segment_path(directory, attempt, number)):
            _, stream, tag, *_ = (*record.split(b" ", 3), b"", b"", b"")
            if tag == b"F" or stream not in whole:
                if counted == lines:
                    return LogCursor(generation=generation, attempt=attempt, segment=place[0], offset=place[1])
                counted += 1
                whole.add(stream)
            place = (number, offset)
    return LogCursor(generation=generation, attempt=attempt, segment=place[0], offset=place[1])


def _end_of_records(path: Path) -> int:
    """Return the offset after the last whole record of a file."""
    for offset, record in _backwards(path):
        return offset + len(record) + 1
    return 0


def _backwards(path: Path) -> Iterator[tuple[int, bytes]]:
    """Give the whole records of a file from its end, each with its offset and without its newline."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        position = os.fstat(fd).st_size
        # From `position` on: the end of a record whose beginning hasn't been read; None until a newline was seen, since
        # what follows the last one is still being written.
        rest: bytes | None = None
        while position > 0:
            size = min(_BATCH, position)
            position -= size
            pieces = os.pread(fd, size, position).split(_NEWLINE)
            if rest is not None:
                pieces[-1] += rest
            elif len(pieces) > 1:
                pieces.pop()
            else:
                continue
            end = position + sum(len(piece) + 1 for piece in pieces)
            while len(pieces) > 1:
                piece = pieces.pop()
                end -= len(piece) + 1
                yield end, piece
            rest = pieces[0]
        if rest is not None:
            yield 0, rest
    finally:
        os.close(fd)


class _Reader:
    """Reads whole records of one attempt, one file after the other."""

    def __init__(self, directory: Path, generation: int, attempt: int, cursor: LogCursor | None) -> None:
        self._directory = directory
        self._generation = generation
        self._attempt = attempt
        self._segment, self._offset, self._fd = 0, 0, -1
        if cursor is not None and (cursor.generation, cursor.attempt) == (generation, attempt):
            self._segment, self._offset = cursor.segment, cursor.offset

    def read(self) -> LogsResponse | None:
        """Return the next batch; None if there is no more now."""
        while True:
            # Whether there is another file is asked first: then nothing is added to this one after it was read.
            more = segment_path(self._directory, self._attempt, self._segment + 1).exists()
            data = self._read_records()
            if data:
                self._offset += len(data)
                parsed = (parse_line(line) for line in data[:-1].split(_NEWLINE))
                entries = [entry for entry in parsed if entry is not None]
                if entries:
                    return LogsResponse(entries=entries, cursor=self._cursor())
            elif more:
                self.close()
                self._segment, self._offset = self._segment + 1, 0
            else:
                return None

    def close(self) -> None:
        """Close the file. It is opened again where it is needed."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _read_records(self) -> bytes:
        if self._fd < 0:
            try:
                path = segment_path(self._directory, self._attempt, self._segment)
                self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return b""
        size = _BATCH
        while True:
            data = os.pread(self._fd, size, self._offset)
            end = data.rfind(_NEWLINE) + 1
            if end or len(data) < size or size >= _MAX_LINE:
                break
            size = _MAX_LINE
        # Without any newline in so much, it is no record: pass over it, as if it ended here.
        return data[:end] if end or len(data) < _MAX_LINE else data

    def _cursor(self) -> LogCursor:
        return LogCursor(generation=self._generation, attempt=self._attempt, segment=self._segment, offset=self._offset)
