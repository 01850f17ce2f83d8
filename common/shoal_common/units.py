"""Amounts as people write them, and back."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Final

from shoal_common.errors import InvalidSpec

_BYTES: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_FACTORS: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(h|ms|m|us|s)")
_MILLISECONDS: Final = {
    "h": Decimal(3_600_000),
    "m": Decimal(60_000),
    "s": Decimal(1_000),
    "ms": Decimal(1),
    "us": Decimal("0.001"),
}
#: Least memory limit that a container can start under.
MIN_MEMORY: Final = 6 << 20


def parse_bytes(text: str) -> int:
    """Return the bytes that "512m", "1.5g", "64MiB" or "1048576" mean; units are powers of 1024, as in Docker.

    Raises:
        InvalidSpec: it is not an amount.
    """
    match = _BYTES.fullmatch(text.strip())
    if match is None:
        raise InvalidSpec(f'size "{text[:40]}" is not valid (write a number with b, k, m, g or t, such as 512m)')
    value = Decimal(match[1]) * _FACTORS[match[2].lower()]
    if value >= 1 << 63:
        raise InvalidSpec(f'size "{text[:40]}" is too large')
    return int(value)


def parse_cpus(text: str) -> int:
    """Return the thousandths of a core that "0.5" or "2" mean.

    Raises:
        InvalidSpec: it is not a positive number of cores, or finer than a thousandth.
    """
    try:
        millis = Decimal(text.strip()) * 1000
    except InvalidOperation:
        millis = Decimal("NaN")
    if not millis.is_finite() or millis <= 0 or millis != millis.to_integral_value() or millis > 10**9:
        raise InvalidSpec(f'cpus "{text[:40]}" is not valid (write a number of cores above 0, such as 0.5 or 2)')
    return int(millis)


def parse_duration(text: str) -> int:
    """Return the milliseconds that "30s", "1m30s", "1.5h" or "500ms" mean, as Docker writes them.

    Raises:
        InvalidSpec: it is no length of time, or less than a millisecond and not 0.
    """
    parts = list(_DURATION.finditer(text))
    if (not parts or "".join(part[0] for part in parts) != text) and text != "0":
        raise InvalidSpec(f'duration "{text[:40]}" is not valid (write numbers with h, m, s or ms, such as 1m30s)')
    value = sum((Decimal(part[1]) * _MILLISECONDS[part[2]] for part in parts), Decimal(0))
    if 0 < value < 1:
        raise InvalidSpec(f'duration "{text[:40]}" is too short (give at least 1ms)')
    if value >= 1 << 31:
        raise InvalidSpec(f'duration "{text[:40]}" is too long (give at most 24h)')
    return int(value)


def format_bytes(value: int) -> str:
    """Return `value` in the largest unit of 1024 that leaves it at 1 or above, such as "5.1 GiB"."""
    amount, unit = float(value), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if abs(amount) < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.4g} {unit}"


def format_cpus(millis: int) -> str:
    """Return thousandths of a core as a number of cores, such as "0.5"."""
    return f"{millis / 1000:g}"
