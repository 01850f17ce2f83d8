"""The lines in which conmon records output ("k8s-file"): time, stream, tag, content. Pure.

    2026-11-24T17:10:15.204216123+00:00 stdout F a whole line
    2026-11-24T17:10:15.204216123+00:00 stderr P the beginning of a line, or one without its end

Content is whatever the process wrote, byte for byte: it may hold anything but a newline. A line that did not end with a
newline when conmon read it has the tag P, and goes on in the next line of the same stream.
"""

from __future__ import annotations

import re
from datetime import datetime
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


def _parse_time(text: bytes) -> Timestamp | None:
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    zone = b"+00:00" if match[3] == b"Z" else match[3]
    try:
        seconds = int(datetime.fromisoformat((match[1] + zone).decode()).timestamp())
    except ValueError:
        return None
    return Timestamp(seconds=seconds, nanos=int((match[2] or b"0").ljust(9, b"0")))
