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
#: Seconds between two looks at how large logs are, and between two where one is about to be full.
LOOK: Final = 0.25
QUICK_LOOK: Final = 0.025


@dataclass(frozen=True, slots=True)
class Limits:
    """Of a placement's log.

    Attributes:
        size: bytes after which a file is rotated.
        files: so many of that size are kept. At least two: with one, the last lines would go with each rotation.
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


def surplus(files: Sequence[LogFile], limits: Limits) -> int:
    """Return how many of the first of a placement's files, in order, have to go.

    The last one, which is written, stays. A file counts as no more than the size at which it is rotated, so that what
    came too fast costs itself and not its neighbours.
    """
    room = limits.size * max(1, limits.files - 1)
    kept = 1
    for file in reversed(files[:-1]):
        room -= min(file.size, limits.size)
        if room < 0 or kept == MOST_FILES:
            break
        kept += 1
    return max(0, len(files) - kept)


def next_look(growing: Iterable[Growth]) -> float:
    """Return the seconds until the next look is due: before a file that goes on growing as it did is too large."""
    due = (max(0, each.limit - each.size) / each.rate for each in growing if each.rate > 0)
    return max(QUICK_LOOK, min((LOOK, *due)))
