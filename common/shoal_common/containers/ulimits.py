"""Limits of processes as people write them: "nofile=1024", "nofile=1024:2048", "core=-1". Source: getrlimit(2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shoal_common.errors import InvalidSpec

#: As `docker run --ulimit` has them.
NAMES: Final = (
    "core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split()  # noqa: SIM905
)
UNLIMITED: Final = -1
#: The kernel's own word for unlimited begins there.
_MOST: Final = (1 << 63) - 1
#: That of the kernel's table of files (sysctl fs.nr_open) is lower everywhere, but it is a number.
_NO_UNLIMITED: Final = frozenset({"nofile"})


@dataclass(frozen=True, slots=True)
class Ulimit:
    """One limit; -1 is unlimited."""

    name: str
    soft: int
    hard: int


def parse_ulimit(text: str) -> Ulimit:
    """Return the limit that NAME=SOFT[:HARD] stands for.

    Raises:
        InvalidSpec: it is none.
    """
    name, equals, values = text.partition("=")
    soft, colon, hard = values.partition(":")
    try:
        if not equals:
            raise ValueError
        first = int(soft)
        limit = Ulimit(name, first, int(hard) if colon else first)
    except ValueError:
        raise InvalidSpec(f"ulimit {text[:40]!a} is not valid (write NAME=SOFT or NAME=SOFT:HARD)") from None
    check_ulimit(limit)
    return limit


def check_ulimit(limit: Ulimit) -> None:
    """Check a limit.

    Raises:
        InvalidSpec: it has no known name, or values that the kernel refuses.
    """
    if limit.name not in NAMES:
        raise InvalidSpec(f"ulimit {limit.name[:40]!a} is not known (there are: {', '.join(NAMES)})")
    for value in (limit.soft, limit.hard):
        if not UNLIMITED <= value <= _MOST:
            raise InvalidSpec(f"ulimit {limit.name} of {value} is not possible (use 0 or more, or -1 for unlimited)")
        if value == UNLIMITED and limit.name in _NO_UNLIMITED:
            raise InvalidSpec(f"ulimit {limit.name} can't be unlimited (name a number)")
    if limit.hard != UNLIMITED and (limit.soft == UNLIMITED or limit.soft > limit.hard):
        raise InvalidSpec(
            f"ulimit {limit.name} has a soft limit above the hard one of {limit.hard} (write {limit.name}=SOFT:HARD)"
        )
