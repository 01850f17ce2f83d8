"""The time of which somebody wants to read what a container wrote. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from google.protobuf.timestamp_pb2 import Timestamp

from shoal_common.timestamps import checked
from shoal_proto.v1.agent_pb2 import AgentLogsRequest
from shoal_proto.v1.container_pb2 import LogEntry, LogsRequest, LogsResponse


@dataclass(frozen=True, slots=True)
class Period:
    """From `since` on and before `until`, in nanoseconds since 1970; None: no bound."""

    since: int | None = None
    until: int | None = None

    @classmethod
    def of(cls, request: LogsRequest | AgentLogsRequest) -> Period:
        """Return what a request asks for.

        Raises:
            InvalidSpec: a time is none.
        """
        return cls(
            since=checked("since", request.since).ToNanoseconds() if request.HasField("since") else None,
            until=checked("until", request.until).ToNanoseconds() if request.HasField("until") else None,
        )

    @property
    def open(self) -> bool:
        """Whether all times are in it."""
        return self.since is None and self.until is None

    def before(self, time: Timestamp) -> bool:
        """Say whether a time is before it."""
        return self.since is not None and _nanoseconds(time) < self.since

    def after(self, time: Timestamp) -> bool:
        """Say whether a time is after it."""
        return self.until is not None and _nanoseconds(time) >= self.until

    def chosen(self, entries: Iterable[LogEntry]) -> list[LogEntry]:
        """Return the entries that were written in it."""
        return [entry for entry in entries if not self.before(entry.time) and not self.after(entry.time)]

    def restrict(self, response: LogsResponse) -> None:
        """Leave in a response only what was written in it."""
        if not self.open:
            chosen = self.chosen(response.entries)
            if len(chosen) != len(response.entries):
                del response.entries[:]
                response.entries.extend(chosen)


def _nanoseconds(time: Timestamp) -> int:
    return time.seconds * 1_000_000_000 + time.nanos
