"""What several kinds of object have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.message import Message
    from google.protobuf.timestamp_pb2 import Timestamp

    from shoal_proto.v1.container_pb2 import HealthCheck

#: What Docker writes for a time that never was.
NEVER: Final = "0001-01-01T00:00:00Z"
_NS_PER_MS: Final = 1_000_000


def time(of: Message, field: str) -> str:
    """Return a time as RFC 3339 has it."""
    if not of.HasField(field):
        return NEVER
    found: Timestamp = getattr(of, field)
    return found.ToJsonString()


def keys(names: Iterable[str]) -> dict[str, object]:
    """Return names as Docker has sets of them: an object with nothing in it for each."""
    return {name: {} for name in names}


def health_check(check: HealthCheck) -> dict[str, object]:
    """Return a health check; times are in nanoseconds, as Docker's."""
    return {
        "Test": list(check.test),
        "Interval": check.interval_ms * _NS_PER_MS,
        "Timeout": check.timeout_ms * _NS_PER_MS,
        "StartPeriod": check.start_period_ms * _NS_PER_MS,
        "StartInterval": check.start_interval_ms * _NS_PER_MS,
        "Retries": check.retries,
    }
