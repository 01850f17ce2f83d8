"""Times on the command line: how long ago, or when."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)")
_NANOSECONDS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: What a protobuf Timestamp can hold: up to the year 9999.
_MOST: Final = 253_402_300_800 * 1_000_000_000


def parse_time(text: str, now: datetime) -> datetime:
    """Return the time that `text` means, as `parse_nanoseconds`.

    Args:
        text: what was written.
        now: with a zone.

    Raises:
        ValueError: it means none.
    """
    time = parse_nanoseconds(text, (now - _EPOCH) // timedelta(microseconds=1) * 1000)
    return _EPOCH + timedelta(microseconds=time // 1000)


def parse_nanoseconds(text: str, now: int) -> int:
    """Return the time that `text` means, in nanoseconds since 1970.

    Args:
        text: "10m" or "1h30m" (ago), seconds since 1970, or a date with or without a time and a zone (else the local
            one), such as "2030-01-31T12:00:00.123456789Z".
        now: in nanoseconds since 1970.

    Raises:
        ValueError: it means none.
    """
    parts = list(_PART.finditer(text))
    if parts and "".join(part[0] for part in parts) == text:
        time = now - sum(int(Decimal(part[1]) * _NANOSECONDS[part[2]]) for part in parts)
    elif re.fullmatch(r"\d+(\.\d+)?", text):
        time = int(Decimal(text) * 1_000_000_000)
    else:
        # A datetime has microseconds; Docker writes nanoseconds.
        rest = re.search(r"(?<=\.\d{6})\d{1,3}", text)
        try:
            when = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)).astimezone(UTC)
        except (OverflowError, OSError) as error:
            raise ValueError("too far away") from error
        time = (when - _EPOCH) // timedelta(microseconds=1) * 1000
        time += int(rest[0].ljust(3, "0")) if rest is not None else 0
    if not 0 <= time < _MOST:
        raise ValueError("too far away")
    return time
