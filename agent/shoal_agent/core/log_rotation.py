"""When a log is rotated, and which of its files go. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

#: What a container may fill with its output unless somebody says otherwise: five files of 16 MiB.
DEFAULT_SIZE: Final = 16 << 20
DEFAULT_FILES: Final = 5
#: Files of one placement at most, however small: one that crashes again and again leaves one with each start.
MOST_FILES: Final = 128
#: Seconds between two looks at how large logs are: where none grows, where one does, and where one is about to be full.
IDLE_LOOK: Final = 0.25
LOOK: Final = 0.1
QUICK_LOOK: Final = 0.02


@dataclass(frozen=True, slots=True)
class Limits:
    """Of a placement's log.

    Attributes:
        size: bytes after which a file is rotated.
        files: so many times that many are kept. At least two: with one, the last lines would go with each rotation.
    """

    size: int = DEFAULT_SIZE
    files: int = DEFAULT_FILES


@dataclass(frozen=True, slots=True, order=True)
class LogFile:
    """One file; the larger, the later."""

    attempt: int
    segment: int
    size: int


@dataclass(frozen=True, slots=True)
class Growth:
    """A file that is being written: its size, by how many bytes a second it grew, the size at which it is rotated."""

    size: int
    rate: float
    limit: int


@dataclass(frozen=True, slots=True)
class Cut:
    """What goes of a placement's files, in order: so many of the first, and so many bytes of the one after them."""

    files: int
    offset: int


def cut(files: Sequence[LogFile], limits: Limits, *, written: bool) -> Cut:
    """Return what has to go, so that no more is left than there is room for.

    Args:
        files: all that there are, in order.
        limits: what they are held to.
        written: the last of them is still written to. It stays whole, and has its own part of the room.
    """
    room = limits.size * (max(2, limits.files) - written)
    first = last = len(files) - written
    for number in range(last - 1, max(-1, len(files) - 1 - MOST_FILES), -1):
        if files[number].size > room:
            # What came too fast is larger than a file should be: of its end there may be room.
            return Cut(number, files[number].size - room) if room else Cut(first, 0)
        room -= files[number].size
        first = number
    return Cut(first, 0)


def next_look(growing: Iterable[Growth]) -> float:
    """Return the seconds until the next look is due: before a file that goes on growing as it did is too large."""
    due = [max(0, each.limit - each.size) / each.rate for each in growing if each.rate > 0]
    return max(QUICK_LOOK, min(LOOK, *due)) if due else IDLE_LOOK
