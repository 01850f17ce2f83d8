"""The lines in which conmon records output ("k8s-file"): time, stream, tag, content. Pure.

    2026-11-24T17:10:15.204216123+00:00 stdout F a whole line
    2026-11-24T17:10:15.204216123+00:00 stderr P the beginning of a line, or one without its end

Content is whatever the process wrote, byte for byte: it may hold anything but a newline. A line that did not end with a
newline when conmon read it has the tag P, and goes on in the next line of the same stream.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from shoal_proto.v1.container_pb2 import LogEntry, LogStream

_STREAMS: Final = {b"stdout": LogStream.LOG_STREAM_STDOUT, b"stderr": LogStream.LOG_STREAM_STDERR}
_TIME: Final = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")


def parse_line(line: bytes) -> LogEntry | None:
    """Return the entry that one line (without its newline) records, or None if it is not such a line.

    None is what is left of a line that was cut by a crash of the host; there is nothing of it to show.
    """
    fields = line.split(b" ", 3)
    if len(fields) != 4 or fields[1] not in _STREAMS or fields[2] not in {b"F", b"P"}:
        return None
    time = _parse_time(fields[0])
    if time is None:
        return None
    end = b"\n" if fields[2] == b"F" else b""
    return LogEntry(stream=_STREAMS[fields[1]], data=fields[3] + end, time=time)


def parse_records(data: bytes, *, joined: bool) -> list[LogEntry]:
    """Return the entries that whole lines record.

    Args:
        data: the lines, each with its newline.
        joined: what conmon read together, which has one time, may be one entry, however many lines it is.
    """
    lines = data.split(b"\n")
    # What follows the last newline.
    lines.pop()
    if not joined:
        return [entry for entry in map(parse_line, lines) if entry is not None]
    entries = []
    number = 0
    while number < len(lines):
        entry = parse_line(lines[number])
        begin, number = number, number + 1
        if entry is None:
            continue
        whole = entry.data.endswith(b"\n")
        size = len(lines[begin]) - len(entry.data) + whole
        before = lines[begin][:size]
        while number < len(lines) and lines[number].startswith(before):
            number += 1
        if number > begin + 1:
            end = b"\n" if whole else b""
            entry.data = end.join([line[size:] for line in lines[begin:number]]) + end
        entries.append(entry)
    return entries


def _parse_time(text: bytes) -> Timestamp | None:
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    seconds = _seconds(match[1] + (b"+00:00" if match[3] == b"Z" else match[3]))
    return None if seconds is None else Timestamp(seconds=seconds, nanos=int((match[2] or b"0").ljust(9, b"0")))


# The same second comes in many lines.
@lru_cache(maxsize=64)
def _seconds(text: bytes) -> int | None:
    try:
        return int(datetime.fromisoformat(text.decode()).timestamp())
    except ValueError:
        return None
