"""Walking a writable layer beside the image's: for the process that tells, or packs, what a container has changed.

The layer belongs to a container that may run: everything is reached from an open directory by its last name, and no
link is followed. Layers of images never change.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from shoal_agent.core.changes import Facts, Kind, change
from shoal_agent.kernel.syscalls import Resolve, openat2
from shoal_common.archives.packing import MAX_DEPTH, CannotPack, shown

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_BELOW: Final = Resolve.BENEATH | Resolve.NO_SYMLINKS
_OPAQUE: Final = "trusted.overlay.opaque"


@dataclass(frozen=True, slots=True)
class Change:
    """One change.

    Attributes:
        path: relative to the root.
        parent: the directory that it is in, open while the next change was not asked for; -1 for what was deleted.
    """

    kind: Kind
    path: bytes
    parent: int = -1

    @property
    def name(self) -> str:
        """Its last name."""
        return os.fsdecode(self.path.rpartition(b"/")[2])


@dataclass(slots=True)
class _Level:
    """A directory of the writable layer that is being walked.

    Attributes:
        image: layers that show something of the image's directory, the topmost first.
        told: it was yielded, or need not be.
        left: names of the image's directory that this one hides and has nothing in the place of.
    """

    opened: int
    path: bytes
    image: tuple[int, ...]
    parent: int
    told: bool
    names: Iterator[str] = field(default_factory=lambda: iter(()))
    left: frozenset[str] = frozenset()


class Image:
    """What the layers of an image show, without them being mounted.

    Args:
        layers: descriptors of unpacked layers, lowest first.
    """

    def __init__(self, layers: Sequence[int]) -> None:
        self._layers = tuple(reversed(layers))

    @property
    def top(self) -> tuple[int, ...]:
        """All layers: those that show something of the root."""
        return self._layers

    def look(self, layers: tuple[int, ...], path: bytes) -> tuple[Facts | None, tuple[int, ...]]:
        """Return what is at `path`, and the layers that show something of it if it is a directory.

        Args:
            layers: those that show something of the directory that it is in.
        """
        facts: Facts | None = None
        showing = []
        for layer in layers:
            opened = _open(layer, path, os.O_PATH | os.O_NOFOLLOW)
            if opened < 0:
                continue
            try:
                found = os.fstat(opened)
            finally:
                os.close(opened)
            if is_whiteout(found):
                break
            if not stat.S_ISDIR(found.st_mode):
                facts = facts or facts_of(found, empty=False)
                break
            facts = facts or facts_of(found, empty=False)
            showing.append(layer)
            opened = _open(layer, path, _DIRECTORY)
            try:
                if is_opaque(opened):
                    break
            finally:
                os.close(opened)
        return facts, tuple(showing)

    def names(self, layers: tuple[int, ...], path: bytes) -> Iterator[str]:
        """Yield the names that a directory of the image shows."""
        seen: dict[str, bool] = {}
        for layer in layers:
            opened = _open(layer, path, _DIRECTORY)
            try:
                for name in os.listdir(opened):
                    shows = not is_whiteout(os.stat(name, dir_fd=opened, follow_symlinks=False))
                    seen.setdefault(name, shows)
            finally:
                os.close(opened)
        return (name for name, shows in seen.items() if shows)


def changes(writable: int, image: Image) -> Iterator[Change]:
    """Yield what a writable layer changes of an image, each directory before what is in it.

    Args:
        writable: descriptor of the layer's `upper`; it stays the caller's.

    Raises:
        CannotPack: it is too deep.
        OSError: it can't be read.
    """
    top = _Level(os.dup(writable), b"", image.top, -1, told=True)
    _list(top, image)
    stack = [top]
    try:
        while stack:
            level = stack[-1]
            name = next(level.names, None)
            if name is None:
                stack.pop()
                os.close(level.opened)
                continue
            path = level.path + b"/" + os.fsencode(name) if level.path else os.fsencode(name)
            if name in level.left:
                yield from _above(stack)
                yield Change(Kind.DELETED, path)
                continue
            below, kind = _one(level, name, path, image)
            if kind is not None:
                yield from _above(stack)
                yield Change(kind, path, -1 if kind is Kind.DELETED else level.opened)
            if below is not None:
                below.told = kind is not None
                stack.append(below)
                if len(stack) > MAX_DEPTH:
                    raise CannotPack(f"{shown(path)} is more than {MAX_DEPTH} directories deep")
    finally:
        for level in stack:
            os.close(level.opened)


def _above(stack: list[_Level]) -> Iterator[Change]:
    """Yield the directories on the way that were not told yet: something below them has changed."""
    for level in stack:
        if not level.told:
            level.told = True
            yield Change(Kind.MODIFIED, level.path, level.parent)


def _one(level: _Level, name: str, path: bytes, image: Image) -> tuple[_Level | None, Kind | None]:
    """Return the directory to go on in, if it is one, and how the entry differs."""
    try:
        found = os.stat(name, dir_fd=level.opened, follow_symlinks=False)
        there, showing = image.look(level.image, path)
        if not stat.S_ISDIR(found.st_mode):
            return None, change(path, facts_of(found, empty=found.st_size == 0), there)
        opened = os.open(name, _DIRECTORY, dir_fd=level.opened)
    except OSError as error:
        # It went, or became something else, since the directory was listed.
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None, None
        raise
    below = _Level(opened, path, showing, level.opened, told=False)
    try:
        empty = _list(below, image)
        return below, change(path, facts_of(os.fstat(opened), empty=empty), there)
    except BaseException:
        os.close(opened)
        raise


def _list(level: _Level, image: Image) -> bool:
    """Read a directory's names, and those that it hides of the image's; say whether it has none of its own."""
    own = os.listdir(level.opened)
    if level.image and is_opaque(level.opened):
        level.left = frozenset(image.names(level.image, level.path)) - frozenset(own)
    level.names = iter(sorted([*own, *level.left]))
    return not own


def is_whiteout(found: os.stat_result) -> bool:
    """Say whether an entry only says that there is nothing."""
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


def is_opaque(directory: int) -> bool:
    """Say whether an open directory hides what lower layers have in it."""
    try:
        return os.getxattr(directory, _OPAQUE) == b"y"
    except OSError:
        return False


def facts_of(found: os.stat_result, *, empty: bool) -> Facts:
    """Return what decisions need of an entry."""
    return Facts(
        directory=stat.S_ISDIR(found.st_mode),
        whiteout=is_whiteout(found),
        mode=stat.S_IMODE(found.st_mode),
        uid=found.st_uid,
        gid=found.st_gid,
        empty=empty,
    )


def _open(layer: int, path: bytes, flags: int) -> int:
    """Open what a layer has at a path; -1 if that is nothing."""
    try:
        return openat2(layer, os.fsdecode(path) or ".", flags, resolve=_BELOW)
    except (FileNotFoundError, NotADirectoryError):
        return -1
    except OSError as error:
        if error.errno == errno.ELOOP:
            return -1
        raise
