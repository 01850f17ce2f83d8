"""Finds where to begin to read of what a container wrote, without reading what is before that."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from shoal_agent.runtime.log_files import log_files, removed, segment_path
from shoal_agent.runtime.log_format import parse_line
from shoal_common.log_period import Period
from shoal_proto.v1.container_pb2 import LogCursor

#: Bytes of a file that are read at a time.
_BATCH: Final = 64 << 10
_NEWLINE: Final = b"\n"
_ALWAYS: Final = Period()


def end_of(directory: Path, *, generation: int, attempt: int) -> LogCursor:
    """Return the place after all whole records of an attempt."""
    gone = removed(directory)
    segment = max((segment for number, segment in log_files(directory) if number == attempt), default=0)
    begin = gone.begin(attempt, segment)
    records = _backwards(segment_path(directory, attempt, segment), begin)
    offset = next((offset + len(record) + 1 for offset, record in records), begin)
    return LogCursor(generation=generation, attempt=attempt, segment=segment, offset=offset)


def tail(
    directory: Path, *, attempts: Sequence[int], end: LogCursor, lines: int, period: Period = _ALWAYS
) -> LogCursor:
    """Return the place from which the last `lines` lines of some attempts are read.

    A line of the process's is counted once, however many pieces it was recorded in; one without its end counts too.

    Args:
        directory: of the placement's logs.
        attempts: which, in order; the place is in one of them.
        end: where the last of them ends; what is written after that is not looked at.
        lines: how many.
        period: lines that were written after it are not counted, those before it end the search.
    """
    place = end
    counted = 0
    found, gone = log_files(directory), removed(directory)
    for attempt in reversed(attempts):
        #: Streams of which the record before is known to belong to the line that was counted last.
        whole: set[bytes] = set()
        for number in reversed([segment for other, segment in found if other == attempt]):
            stop = end.offset if (attempt, number) == (end.attempt, end.segment) else None
            if (attempt, number) > (end.attempt, end.segment):
                continue
            path = segment_path(directory, attempt, number)
            for offset, record in _backwards(path, gone.begin(attempt, number), stop):
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
                place = LogCursor(generation=end.generation, attempt=attempt, segment=number, offset=offset)
    return place


def first_since(directory: Path, *, generation: int, attempts: Sequence[int], period: Period) -> LogCursor | None:
    """Return a place after which all is that was written in the period, by the times at which files begin.

    None is the beginning.
    """
    gone = removed(directory)
    for attempt, segment in reversed(log_files(directory)):
        if attempt in attempts:
            first = _first_record(segment_path(directory, attempt, segment), gone.begin(attempt, segment))
            if first is not None and (entry := parse_line(first)) is not None and period.before(entry.time):
                return LogCursor(generation=generation, attempt=attempt, segment=segment)
    return None


def _first_record(path: Path, begin: int) -> bytes | None:
    try:
        with path.open("rb") as file:
            file.seek(begin)
            line = file.readline(_BATCH)
    except FileNotFoundError:
        return None
    return line[:-1] if line.endswith(_NEWLINE) else None


def _backwards(path: Path, begin: int, end: int | None = None) -> Iterator[tuple[int, bytes]]:
    """Give the whole records of a file from its end to `begin`, each with its offset and without its newline."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        position = os.fstat(fd).st_size if end is None else end
        # From `position` on: the end of a record whose beginning hasn't been read; None until a newline was seen, since
        # what follows the last one is still being written.
        rest: bytes | None = None
        while position > begin:
            size = min(_BATCH, position - begin)
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
            yield begin, rest
    finally:
        os.close(fd)
