"""What a container wrote, by batches, each line once, whatever restarts meanwhile."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TypeAlias

from google.protobuf.timestamp_pb2 import Timestamp

from shoal.transport import Transport
from shoal_common.log_period import Period
from shoal_common.units import format_bytes
from shoal_proto.v1.container_pb2 import ContainerRef, LogCursor, LogEntry, LogsRequest, LogsResponse
from shoal_proto.v1.container_pb2_grpc import ContainerServiceStub

log = logging.getLogger("shoal")

#: A time; a datetime without a zone is a local one, and a Timestamp has nanoseconds.
Moment: TypeAlias = "datetime | Timestamp"


async def batches(
    transport: Transport,
    container: ContainerRef,
    *,
    follow: bool,
    tail: int | None,
    run: int,
    cursor: LogCursor | None,
    since: Moment | None,
    until: Moment | None,
    joined: bool,
) -> AsyncGenerator[LogsResponse, None]:
    """Yield batches; see `Containers.log_batches`."""
    wanted = LogsRequest(container=container, follow=follow, run=run, joined=joined)
    if since is not None:
        wanted.since.CopyFrom(_timestamp(since))
    if until is not None:
        wanted.until.CopyFrom(_timestamp(until))
    if cursor is not None:
        wanted.cursor.CopyFrom(cursor)
    elif tail is not None:
        wanted.tail = tail
    period = Period.of(wanted)

    stream = transport.stream(lambda channel: ContainerServiceStub(channel).ContainerLogs, lambda: wanted)
    async with aclosing(stream) as responses:
        async for response in responses:
            if response.HasField("cursor"):
                wanted.cursor.CopyFrom(response.cursor)
                wanted.ClearField("tail")
            # A controller or an agent of an older version knows of no times, and gives everything.
            over = any(period.after(entry.time) for entry in response.entries)
            period.restrict(response)
            yield response
            if over:
                return


def lines_of(data: bytes) -> list[bytes]:
    """Return the lines of an entry, each with its newline but for a last one that goes on in another entry."""
    *whole, rest = data.split(b"\n")
    return [line + b"\n" for line in whole] + ([rest] if rest else [])


async def entries(batches: AsyncGenerator[LogsResponse, None], ref: str) -> AsyncGenerator[LogEntry, None]:
    """Yield what is in batches one by one; what is missing is told as a warning."""
    async with aclosing(batches) as found:
        async for batch in found:
            if batch.lost_bytes:
                log.warning(lost_text(ref, batch.lost_bytes))
            for entry in batch.entries:
                for line in lines_of(entry.data):
                    yield LogEntry(stream=entry.stream, data=line, time=entry.time)


def lost_text(ref: str, lost: int) -> str:
    """Return what is said where so many recorded bytes are missing."""
    return (
        f'{format_bytes(lost)} of the log of container "{ref}" are missing here: they were rotated away before they '
        "were read (more is kept with: --log-opt max-size=, max-file=)"
    )


def _timestamp(moment: Moment) -> Timestamp:
    if isinstance(moment, Timestamp):
        return moment
    stamp = Timestamp()
    stamp.FromDatetime(moment.astimezone(UTC))
    return stamp
