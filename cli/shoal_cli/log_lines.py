"""What `shoal logs` puts before each line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

if TYPE_CHECKING:
    from shoal_proto.v1.container_pb2 import Container, LogEntry, LogsResponse


class LinePrefix:
    """Puts time and details before lines, as Docker does.

    Args:
        timestamps: the time comes first, with nanoseconds.
        details: then these; None: nothing of the kind.
    """

    def __init__(self, *, timestamps: bool, details: str | None) -> None:
        self._timestamps = timestamps
        self._details = b"" if details is None else details.encode() + b" "
        #: By stream: whether what comes next begins a line. A long one comes in several entries.
        self._fresh: dict[int, bool] = {}

    def apply(self, batch: LogsResponse) -> None:
        """Put it before the lines that begin in a batch."""
        if not self._timestamps and not self._details:
            return
        for entry in batch.entries:
            fresh = self._fresh.get(entry.stream, True)
            self._fresh[entry.stream] = entry.data.endswith(b"\n")
            before = self._before(entry)
            # Several lines of one time may be one entry.
            whole, end = (entry.data[:-1], b"\n") if entry.data.endswith(b"\n") else (entry.data, b"")
            entry.data = (before if fresh else b"") + whole.replace(b"\n", b"\n" + before) + end

    def _before(self, entry: LogEntry) -> bytes:
        return (_time(entry) + b" " if self._timestamps else b"") + self._details


def _time(entry: LogEntry) -> bytes:
    """Return a time as Docker writes it: UTC, nine digits after the point."""
    from datetime import UTC, datetime

    seconds = datetime.fromtimestamp(entry.time.seconds, UTC)
    return f"{seconds:%Y-%m-%dT%H:%M:%S}.{entry.time.nanos:09d}Z".encode()


def details_of(container: Container) -> str:
    """Return the labels and variables that `--log-opt labels=` and `env=` name, as Docker shows them."""
    config = container.spec.config
    variables = dict(entry.partition("=")[::2] for entry in config.env)
    return as_details(
        {
            **{name: config.labels[name] for name in config.log.labels if name in config.labels},
            **{name: variables[name] for name in config.log.env if name in variables},
        }
    )


def as_details(attributes: Mapping[str, str]) -> str:
    """Return "name=value,name=value", sorted, with what would be mistaken in them escaped."""
    return ",".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in sorted(attributes.items()))
