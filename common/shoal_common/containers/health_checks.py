"""What a health check may say: the same for those of users and of images."""

from __future__ import annotations

from typing import Final

from shoal_common.errors import InvalidSpec
from shoal_proto.v1.container_pb2 import HealthCheck

#: Longest time of a health check, in milliseconds, and most failures in a row.
MAX_TIME_MS: Final = 24 * 3_600_000
MAX_RETRIES: Final = 1_000_000
_LONGEST: Final = 64 << 10
_TIMES: Final = ("interval", "timeout", "start_period", "start_interval")


def check_health(check: HealthCheck) -> None:
    """Check that a health check can be made.

    Raises:
        InvalidSpec: it can't; the message says what can.
    """
    match list(check.test):
        case [] | ["NONE"] | ["CMD", _, *_]:
            pass
        case ["CMD-SHELL", line] if line.strip():
            pass
        case _:
            raise InvalidSpec(
                "health check is not valid (write NONE, CMD with a command and its arguments, or CMD-SHELL with a line)"
            )
    if any("\0" in word for word in check.test) or sum(map(len, check.test)) > _LONGEST:
        raise InvalidSpec(f"health check holds a NUL character, or is longer than {_LONGEST >> 10} KiB")
    if list(check.test[:1]) == ["CMD"] and not check.test[1]:
        raise InvalidSpec("health check names no command (write one after CMD)")
    for name in _TIMES:
        value: int = getattr(check, f"{name}_ms")
        if value > MAX_TIME_MS:
            words = name.replace("_", " ")
            raise InvalidSpec(f"{words} of a health check is {value / 1000:g} s (use at most 24h)")
    if check.retries > MAX_RETRIES:
        raise InvalidSpec(f"health check has {check.retries} retries (use at most {MAX_RETRIES})")
