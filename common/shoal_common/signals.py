"""Signals by name and by number, as people write them."""

from __future__ import annotations

import re
import signal
from typing import Final

from shoal_common.errors import InvalidSpec

_MAX: Final = 64
#: More than numbers of signals have.
_DIGITS: Final = 4
_REAL_TIME: Final = re.compile(r"RT(?:MIN(?:\+(\d{1,2}))?|MAX(?:-(\d{1,2}))?)")
#: What a C library leaves to applications (glibc takes 32 and 33); the numbers that images mean by SIGRTMIN+N.
_RT_MIN: Final = 34


def signal_number(text: str) -> int:
    """Return the number of the signal that "SIGTERM", "term", "RTMIN+3" or "15" mean on Linux.

    Raises:
        InvalidSpec: there is no such signal.
    """
    bad = InvalidSpec(f'signal "{text[:40]}" is not known (write a name such as SIGTERM, or a number from 1 to {_MAX})')
    word = text.strip().upper()
    if word.isascii() and word.isdigit():
        number = int(word[:_DIGITS])
        if len(word) > _DIGITS or not 1 <= number <= _MAX:
            raise bad
        return number
    name = word.removeprefix("SIG")
    match = _REAL_TIME.fullmatch(name)
    if match is not None:
        number = _MAX - int(match[2] or 0) if name.startswith("RTMAX") else _RT_MIN + int(match[1] or 0)
        if not _RT_MIN <= number <= _MAX:
            raise bad
        return number
    try:
        return signal.Signals[f"SIG{name}"].value
    except KeyError:
        raise bad from None
