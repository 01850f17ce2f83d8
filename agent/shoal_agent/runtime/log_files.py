"""The files that hold what a placement's containers wrote.

A container's output is recorded in `<attempt>.<segment>.log`, segments from 0: whole records, in order. conmon writes
to `<attempt>.current`, which is a second name of the last of them; asked to open its log anew, it puts a new file
there, and the one before stays under its own name for good. So there is no moment at which an agent that dies would
lose any: what conmon writes has either its name as a segment or gets it from the next who looks (`settle`).

The oldest files go when there are too many. A symbolic link, `removed`, says which, and how much was in them: it finds
room on a full disk, and is there before they are gone.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shoal_agent.core.log_rotation import Limits, LogFile, surplus

_NAME: Final = re.compile(r"(\d+)\.(\d+)\.log")
_WRITTEN: Final = re.compile(r"(\d+)\.current")
_REMOVED: Final = "removed"


@dataclass(frozen=True, slots=True)
class Removed:
    """What is gone: all before a file, and the bytes that were in it."""

    attempt: int = 0
    segment: int = 0
    size: int = 0

    def covers(self, attempt: int, segment: int) -> bool:
        """Say whether a file is gone."""
        return (attempt, segment) < (self.attempt, self.segment)


def segment_path(directory: Path, attempt: int, segment: int) -> Path:
    """Return the path of one log file."""
    return directory / f"{attempt}.{segment}.log"


def written_path(directory: Path, attempt: int) -> Path:
    """Return the path that conmon is told."""
    return directory / f"{attempt}.current"


def spare_path(directory: Path, attempt: int) -> Path:
    """Return the path of the file that conmon opens, and renames, when it is asked to open its log anew."""
    return directory / f"{attempt}.current.tmp"


def begin(directory: Path, attempt: int) -> Path:
    """Make the file of an attempt that is about to be started, and return the path that conmon is told."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = written_path(directory, attempt)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    settle(directory, attempt)
    return path


def settle(directory: Path, attempt: int) -> bool:
    """Give what conmon writes to its name as a segment, if it has none yet; say whether that was so.

    Whoever calls this at any time, it gets one: looked at in this order, a name that another has given meanwhile is
    there already.
    """
    last = max((segment for number, segment in _names(directory) if number == attempt), default=-1)
    written = written_path(directory, attempt)
    try:
        if last >= 0 and written.samefile(segment_path(directory, attempt, last)):
            return False
        os.link(written, segment_path(directory, attempt, last + 1))
    except FileNotFoundError:
        # An agent of an older version started it, or all of it is gone.
        return False
    except FileExistsError:
        pass
    return True


def removed(directory: Path) -> Removed:
    """Return what is gone of a placement's log."""
    try:
        words = os.readlink(directory / _REMOVED).split()
    except OSError:
        return Removed()
    return Removed(*map(int, words))


def log_files(directory: Path) -> list[tuple[int, int]]:
    """Return attempt and segment of all files of a placement, in the order in which they were written."""
    gone = removed(directory)
    return [name for name in _names(directory) if not gone.covers(*name)]


def position(directory: Path, attempt: int, segment: int) -> int:
    """Return how many bytes were recorded before a file, those that are gone included."""
    before = (
        file.size
        for file in _sizes(directory, log_files(directory))
        if (file.attempt, file.segment) < (attempt, segment)
    )
    return removed(directory).size + sum(before)


def thin(directory: Path, limits: Limits) -> int:
    """Remove what is too much, the oldest first; return the bytes. Broken off, it is done by the next call."""
    gone = removed(directory)
    names = _names(directory)
    kept = _sizes(directory, [name for name in names if not gone.covers(*name)])
    too_many = kept[: surplus(kept, limits)]
    freed = sum(file.size for file in too_many)
    if too_many:
        first = kept[len(too_many)]
        gone = Removed(first.attempt, first.segment, gone.size + freed)
        draft = directory / f"{_REMOVED}.new"
        draft.unlink(missing_ok=True)
        os.symlink(f"{gone.attempt} {gone.segment} {gone.size}", draft)
        os.rename(draft, directory / _REMOVED)
    _forget_written(directory, newest=max((attempt for attempt, _ in names), default=0))
    for name in names:
        if gone.covers(*name):
            segment_path(directory, *name).unlink(missing_ok=True)
    return freed


def _forget_written(directory: Path, *, newest: int) -> None:
    """Remove the second name of what former attempts wrote, by which a file that is removed would stay."""
    for name in _listed(directory):
        match = _WRITTEN.match(name)
        if match is not None and (attempt := int(match[1])) < newest:
            settle(directory, attempt)
            (directory / name).unlink(missing_ok=True)


def _sizes(directory: Path, names: list[tuple[int, int]]) -> list[LogFile]:
    found = []
    for attempt, segment in names:
        with contextlib.suppress(FileNotFoundError):
            found.append(LogFile(attempt, segment, segment_path(directory, attempt, segment).stat().st_size))
    return found


def _names(directory: Path) -> list[tuple[int, int]]:
    found = (match for match in map(_NAME.fullmatch, _listed(directory)) if match is not None)
    return sorted((int(match[1]), int(match[2])) for match in found)


def _listed(directory: Path) -> list[str]:
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []
