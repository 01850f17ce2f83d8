"""Finds where to begin to read of what a container wrote, without reading what is before that."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from shoal_agent.runtime.log_files import log_files, segment_path
from shoal_agent.runtime.log_format import parse_line
from shoal_common.log_period import Period
from shoal_proto.v1.container_pb2 import LogCursor

#: Bytes of a file that are read at a time.
_BATCH: Final = 64 << 10
_NEWLINE: Final = b"\n"
_ALWAYS: Final = Period()


def tail(
    directory: Path, *, generation: int, attempts: Sequence[int], lines: int, period: Period = _ALWAYS
) -> LogCursor | None:
    """Return the place from which the last `lines` lines of some attempts are read.

    A line of the process's is counted once, however many pieces it was recorded in; one without its end counts too.

    Args:
        directory: of the placement's logs.
        generation: of the placement.
        attempts: which, in order; the place is in one of them.
        lines: how many.
        period: lines that were written after it are not counted, those before it end the search.

    Returns:
        None if there are no attempts.
    """
    place = None
    counted = 0
    found = log_files(directory)
    for attempt in reversed(attempts):
        numbers = [segment for number, segment in found if number == attempt] or [0]
        if place is None:
            end = _end_of_records(segment_path(directory, attempt, numbers[-1]))
            place = LogCursor(generation=generation, attempt=attempt, segment=numbers[-1], offset=end)
        #: Streams of which the record before is known to belong to the line that was counted last.
        whole: set[bytes] = set()
        for number in reversed(numbers):
            for offset, record in _backwards(segment_path(directory, attempt, number)):
                entry = None if period.open else parse_line(record)
                if entry is None or not period.after(entry.time):
                    if entry is not None and period.before(entry.time):
                        return place
                    _, stream, tag, *_ = (*record.split(b" ", 3), b"", b"", b"")
                    if tag == b"F" or stream not in whole:
                        if counted == lines:
                            return place
                        counted += 1
                        whole.add(stream)
                place = LogCursor(generation=generation, attempt=attempt, segment=number, offset=offset)
    return place


def first_since(directory: Path, *, generation: int, attempts: Sequence[int], period: Period) -> LogCursor | None:
    """Return a place after which all is that was written in the period, by the times at which files begin.

    None is the beginning.
    """
    for attempt, segment in reversed(log_files(directory)):
        if attempt in attempts:
            first = _first_record(segment_path(directory, attempt, segment))
            if first is not None and (entry := parse_line(first)) is not None and period.before(entry.time):
                return LogCursor(generation=generation, attempt=attempt, segment=segment)
    return None


def _first_record(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            line = file.readline(_BATCH)
    except FileNotFoundError:
        return None
    return line[:-1] if line.endswith(_NEWLINE) else None


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
