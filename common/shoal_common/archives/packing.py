"""Packing files into a tar: no link is followed, nothing but regular files is opened, and what vanishes is left out.

Whoever owns the files may change them at any time, a directory into a link among others: everything is reached from an
open directory by its last name alone.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Final

from shoal_common.archives import tarstream
from shoal_common.archives.headers import END, header
from shoal_common.archives.tarstream import BLOCK, Entry

#: Directories below each other; each is open while what is in it is packed.
MAX_DEPTH: Final = 512
PIECE: Final = 256 << 10
_OPEN: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SPECIAL: Final = {
    stat.S_IFCHR: tarstream.CHARACTER_DEVICE,
    stat.S_IFBLK: tarstream.BLOCK_DEVICE,
    stat.S_IFIFO: tarstream.FIFO,
}
#: What overlayfs keeps for itself where it is mounted with `userxattr`.
_OVERLAY: Final = "user.overlay."
_CAPABILITY: Final = "security.capability"
_GONE: Final = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)


class CannotPack(Exception):
    """Something that a tar can't tell of, or that changed in the middle."""


@dataclass(frozen=True, slots=True)
class _Level:
    """A directory whose entries are being packed."""

    opened: int
    device: int
    prefix: bytes
    children: Iterator[str]


class Packer:
    """Packs entries, one after the other, into one archive.

    Args:
        xattrs: whether extended attributes (the user's, and capabilities) are packed too.
        enter: says whether what is below a directory is packed; told the directory, open, and whether it is of
            another file system than the one above it.
    """

    def __init__(
        self,
        *,
        xattrs: bool,
        enter: Callable[[int, bool], bool] = lambda directory, foreign: True,
    ) -> None:
        self._xattrs = xattrs
        self._enter = enter
        self._seen: dict[tuple[int, int], bytes] = {}

    def archive(self, parent: int, name: str, packed: bytes) -> Generator[bytes, None, None]:
        """Yield the archive of what `name` is in the directory open at `parent`, and of all that is below it.

        Args:
            packed: what it is called in there.

        Raises:
            CannotPack: it can't be.
            OSError: it can't be read.
        """
        yield from self.joined(self._walk(parent, name, packed))

    def entry(self, parent: int, name: str, packed: bytes) -> Iterator[bytes]:
        """Yield the one entry that `name` is in the directory open at `parent`, nothing if it has gone.

        Raises:
            CannotPack: it can't be packed.
        """
        below = yield from self._child(_Level(parent, -1, b"", iter(())), name, packed)
        if below is not None:
            os.close(below.opened)

    def joined(self, entries: Iterator[bytes]) -> Generator[bytes, None, None]:
        """Yield the archive of what `entry` yielded, in pieces of a good size."""
        buffer = bytearray()
        for part in entries:
            buffer += part
            if len(buffer) >= PIECE:
                yield bytes(buffer)
                buffer.clear()
        yield bytes(buffer) + END

    def _walk(self, parent: int, name: str, packed: bytes) -> Iterator[bytes]:
        stack: list[_Level] = []
        try:
            if (top := (yield from self._one(parent, name, packed, None))) is not None:
                stack.append(top)
            while stack:
                level = stack[-1]
                child = next(level.children, None)
                if child is None:
                    os.close(stack.pop().opened)
                elif (below := (yield from self._child(level, child, level.prefix + os.fsencode(child)))) is not None:
                    stack.append(below)
                    if len(stack) > MAX_DEPTH:
                        raise CannotPack(f"{shown(below.prefix)} is more than {MAX_DEPTH} directories deep")
        finally:
            for level in stack:
                os.close(level.opened)

    def _child(self, level: _Level, name: str, packed: bytes) -> Generator[bytes, None, _Level | None]:
        try:
            return (yield from self._one(level.opened, name, packed, level.device))
        except OSError as error:
            # It went, or became something else, since the directory was listed.
            if error.errno in _GONE:
                return None
            raise CannotPack(f"{shown(packed)} can't be read: {error.strerror}") from error

    def _one(self, parent: int, name: str, packed: bytes, device: int | None) -> Generator[bytes, None, _Level | None]:
        """Pack one entry; return the directory to go on in, if it is one."""
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        kind = stat.S_IFMT(found.st_mode)
        if kind == stat.S_IFDIR:
            opened = os.open(name, _DIRECTORY, dir_fd=parent)
            try:
                found = os.fstat(opened)
                entered = self._enter(opened, device is not None and found.st_dev != device)
                prefix = b"" if packed == b"." else packed + b"/"
                children = iter(sorted(os.listdir(opened)) if entered else ())
                attributes = self._attributes(opened)
            except BaseException:
                os.close(opened)
                raise
            # Nothing can fail between here and the stack that closes it, but the reader's going away.
            level = _Level(opened, found.st_dev, prefix, children)
            try:
                yield header(_entry(found, packed + b"/", tarstream.DIRECTORY, xattrs=attributes))
            except GeneratorExit:
                os.close(opened)
                raise
            return level
        if kind == stat.S_IFSOCK:
            # A tar has no sockets, and one that is copied has nobody behind it.
            return None
        first = self._seen.get((found.st_dev, found.st_ino)) if found.st_nlink > 1 else None
        if first is not None:
            yield header(_entry(found, packed, tarstream.HARD_LINK, link=first))
            return None
        if kind == stat.S_IFREG:
            yield from self._file(parent, name, packed)
        elif kind == stat.S_IFLNK:
            link = os.fsencode(os.readlink(name, dir_fd=parent))
            yield header(_entry(found, packed, tarstream.SYMLINK, link=link))
        else:
            yield header(_entry(found, packed, _SPECIAL[kind]))
        if found.st_nlink > 1:
            self._seen[found.st_dev, found.st_ino] = packed
        return None

    def _file(self, parent: int, name: str, packed: bytes) -> Iterator[bytes]:
        opened = os.open(name, _OPEN, dir_fd=parent)
        try:
            found = os.fstat(opened)
            if not stat.S_ISREG(found.st_mode):
                raise FileNotFoundError(errno.ENOENT, "it is no file any more")
            attributes = self._attributes(opened)
            yield header(_entry(found, packed, 0x30, size=found.st_size, xattrs=attributes))
            left = found.st_size
            while left:
                try:
                    data = os.read(opened, min(left, PIECE))
                except OSError as error:
                    raise CannotPack(f"{shown(packed)} can't be read: {error.strerror}") from error
                if not data:
                    raise CannotPack(
                        f"{shown(packed)} became shorter while it was read (try again, or stop what writes)"
                    )
                yield data
                left -= len(data)
            if padding := -found.st_size % BLOCK:
                yield bytes(padding)
        finally:
            os.close(opened)

    def _attributes(self, opened: int) -> list[tuple[bytes, bytes]]:
        if not self._xattrs:
            return []
        try:
            kept = [
                name
                for name in os.listxattr(opened)
                if name == _CAPABILITY or (name.startswith("user.") and not name.startswith(_OVERLAY))
            ]
            return [(os.fsencode(name), os.getxattr(opened, name)) for name in kept]
        except OSError:
            # The file system has none, or one went meanwhile.
            return []


def shown(name: bytes) -> str:
    """Return a name for an error: short, and without anything that a terminal would obey."""
    text = ascii(os.fsdecode(name[-160:]))
    return f'"{text[1:-1]}"'


def _entry(
    found: os.stat_result,
    packed: bytes,
    kind: int,
    *,
    link: bytes = b"",
    size: int = 0,
    xattrs: list[tuple[bytes, bytes]] | None = None,
) -> Entry:
    return Entry(
        name=packed,
        link=link,
        kind=kind,
        mode=stat.S_IMODE(found.st_mode),
        uid=found.st_uid,
        gid=found.st_gid,
        mtime=found.st_mtime_ns,
        stored=size,
        size=size,
        device=(os.major(found.st_rdev), os.minor(found.st_rdev)),
        xattrs=xattrs or [],
    )
