"""Times on the command line: how long ago, or when."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_time(text: str, now: datetime) -> datetime:
    """Return the time that `text` means.

    Args:
        text: "10m" or "1h30m" (ago), seconds since 1970, or a date with or without a time and a zone (else the local
            one), such as "2030-01-31T12:00:00Z".
        now: with a zone.

    Raises:
        ValueError: it means none.
    """
    try:
        parts = list(_PART.finditer(text))
        if parts and "".join(part[0] for part in parts) == text:
            return now - timedelta(seconds=sum(float(part[1]) * _SECONDS[part[2]] for part in parts))
        if re.fullmatch(r"\d+(\.\d+)?", text):
            return datetime.fromtimestamp(float(text), UTC)
        return datetime.fromisoformat(_six_digits(text)).astimezone(UTC)
    except (OverflowError, OSError) as error:
        raise ValueError("too far away") from error


def _six_digits(text: str) -> str:
    """Return `text` with at most six digits of a second's fraction: Docker writes nine."""
    return re.sub(r"(\.\d{6})\d+", r"\1", text)
