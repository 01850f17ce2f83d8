"""The files that hold what a placement's containers wrote.

A container's output is recorded in `<attempt>.<segment>.log`, segments from 0: whole records, in order. conmon writes
to `<attempt>.current`, which is a second name of the last of them; asked to open its log anew, it puts a new file
there, and the one before stays under its own name for good. So there is no moment at which an agent that dies would
lose any: what conmon writes has either its name as a segment or gets it from the next who looks (`settle`).

The oldest files go when there are too many, and the beginning of the oldest that stays if it is too large. A symbolic
link, `removed`, says what, and how much was in it: it finds room on a full disk, and is there before anything is gone.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from shoal_agent.core.log_rotation import Limits, LogFile, cut
from shoal_agent.kernel import syscalls

_NAME: Final = re.compile(r"(\d+)\.(\d+)\.log")
_WRITTEN: Final = re.compile(r"(\d+)\.current")
_REMOVED: Final = "removed"
#: Bytes that are looked through at a time.
_PIECE: Final = 64 << 10
#: Of st_blocks (stat(2)).
_BLOCK: Final = 512


@dataclass(frozen=True, slots=True)
class Removed:
    """What is gone: all before a place in a file, and the bytes that were in it."""

    attempt: int = 0
    segment: int = 0
    offset: int = 0
    size: int = 0

    def has(self, attempt: int, segment: int, offset: int) -> bool:
        """Say whether what is after a place is gone."""
        return (attempt, segment, offset) < (self.attempt, self.segment, self.offset)

    def has_all(self, attempt: int, segment: int) -> bool:
        """Say whether a file is gone."""
        return (attempt, segment) < (self.attempt, self.segment)

    def begin(self, attempt: int, segment: int) -> int:
        """Return the place in a file from which on it is there."""
        return self.offset if (attempt, segment) == (self.attempt, self.segment) else 0


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
    return [name for name in _names(directory) if not gone.has_all(*name)]


def position(directory: Path, attempt: int, segment: int) -> int:
    """Return how many bytes were recorded before a file, those that are gone included."""
    gone = removed(directory)
    before = [name for name in log_files(directory) if name < (attempt, segment)]
    return gone.size - gone.offset + sum(file.size for file in _sizes(directory, before))


def thin(directory: Path, limits: Limits, *, written: bool) -> int:
    """Remove what is too much, the oldest first; return the bytes. Broken off, it is done by the next call.

    Args:
        directory: of the placement's logs.
        limits: what they are held to.
        written: the newest attempt has not ended.
    """
    gone = removed(directory)
    left = _left(directory, gone)
    place = cut(left, limits, written=written and bool(left))
    if place.files or place.offset:
        first = left[place.files]
        begin = offset = gone.begin(first.attempt, first.segment)
        if place.offset:
            offset = _record_from(segment_path(directory, first.attempt, first.segment), begin + place.offset)
        size = sum(file.size for file in left[: place.files]) + offset - begin
        gone = Removed(first.attempt, first.segment, offset, gone.size + size)
        _note(directory, gone)
    return _clear(directory, gone)


def forget(directory: Path, attempt: int) -> int:
    """Remove what an attempt, which another has followed, and those before it have written; return the bytes."""
    gone = removed(directory)
    size = sum(file.size for file in _left(directory, gone) if file.attempt <= attempt)
    if size:
        gone = Removed(attempt + 1, 0, 0, gone.size + size)
        _note(directory, gone)
    return _clear(directory, gone)


def _left(directory: Path, gone: Removed) -> list[LogFile]:
    """Return the files that are not gone, the first without what is gone of it."""
    names = [name for name in _names(directory) if not gone.has_all(*name)]
    return [replace(file, size=file.size - gone.begin(file.attempt, file.segment)) for file in _sizes(directory, names)]


def _note(directory: Path, gone: Removed) -> None:
    draft = directory / f"{_REMOVED}.new"
    draft.unlink(missing_ok=True)
    os.symlink(f"{gone.attempt} {gone.segment} {gone.offset} {gone.size}", draft)
    os.rename(draft, directory / _REMOVED)


def _clear(directory: Path, gone: Removed) -> int:
    """Free what is gone, and return the bytes that it had on the disk."""
    names = _names(directory)
    _forget_written(directory, newest=max((attempt for attempt, _ in names), default=0))
    freed = 0
    for name in names:
        if gone.has_all(*name):
            with contextlib.suppress(FileNotFoundError):
                path = segment_path(directory, *name)
                blocks = path.stat().st_blocks
                path.unlink()
                freed += blocks * _BLOCK
    if gone.offset:
        freed += _give_back(segment_path(directory, gone.attempt, gone.segment), gone.offset)
    return freed


def _record_from(path: Path, offset: int) -> int:
    """Return where the first record begins that does so at a place or after it; the end of the file if none does."""
    with path.open("rb") as file:
        file.seek(offset - 1)
        while piece := file.read(_PIECE):
            if (end := piece.find(b"\n")) >= 0:
                return file.tell() - len(piece) + end + 1
        return file.tell()


def _give_back(path: Path, size: int) -> int:
    """Free what the beginning of a file takes on the disk, where its file system can do that; return the bytes."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        before = os.fstat(fd).st_blocks
        syscalls.punch_hole(fd, 0, size)
        return (before - os.fstat(fd).st_blocks) * _BLOCK
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        return 0
    finally:
        os.close(fd)


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
