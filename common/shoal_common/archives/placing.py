"""Placing what a tar has into a directory: each file whole or not at all, and never outside.

The archive and the directory may both be somebody else's. No name leads upwards; the last component of a path is never
followed; how those before it are is said by whoever calls. A file is written under a name of its own and then takes the
place of what was there, so that nobody reads half of it, and what dies in between changes nothing.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from shoal_common.archives import tarstream
from shoal_common.archives.directories import OpenDirectories
from shoal_common.archives.packing import MAX_DEPTH, shown
from shoal_common.archives.tarstream import BLOCK, ByteStream, Entry, MalformedArchive

MAX_NAME: Final = 255
MAX_PATH: Final = 4096
#: Stands for "as it is" (chown(2)).
_NO_ID: Final = (1 << 32) - 1
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: Nobody is waited for, neither where it is a pipe nor where something else has taken its place.
_FIFO: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_OVERLAY: Final = b"user.overlay."
_CAPABILITY: Final = b"security.capability"

#: Opens what a component of a path is, in the directory open at the first argument.
Step = Callable[[int, str], int]


class CannotPlace(Exception):
    """What is there, or what the archive has, does not allow it."""


def step_inside(directory: int, name: str) -> int:
    """Open a directory by its name; a link is none."""
    return os.open(name, _DIRECTORY, dir_fd=directory)


@dataclass(slots=True)
class _Attributes:
    mode: int
    uid: int
    gid: int
    mtime: int


class Placer:
    """Places one archive below the directory open at `root`.

    Args:
        root: descriptor of the directory; the caller's to close.
        keep_ids: give each entry the owner and group that the archive says.
        keep_privileges: keep what gives whoever executes a file more than they have: setuid, setgid, capabilities.
        rename: where an entry goes, by its path; None leaves it out.
        step: opens the next directory on the way to an entry.
        unique: names the files under way.
    """

    def __init__(
        self,
        root: int,
        *,
        keep_ids: bool,
        keep_privileges: bool = True,
        unique: str,
        rename: Callable[[bytes], bytes | None] = lambda path: path,
        step: Step = step_inside,
    ) -> None:
        self._root = root
        self._keep_ids = keep_ids
        self._modes = 0o7777 if keep_privileges else 0o1777
        self._keep_capabilities = keep_privileges
        self._rename = rename
        self._step = step
        self._draft = f".shoal-copy-{unique}"
        self._parents = OpenDirectories()
        self._directories: dict[bytes, _Attributes] = {}
        self._placed: set[bytes] = set()
        #: Devices that the archive has, which are not made.
        self.devices = 0

    def place(self, pull: Callable[[], bytes]) -> None:
        """Place the archive whose pieces `pull` returns (b"" at its end), and read it to its end.

        Raises:
            MalformedArchive: it is damaged or cut off, or a name leads out of the directory.
            CannotPlace: what is there is in the way.
            OSError: of the file system, such as ENOSPC.
        """
        stream = ByteStream(pull)
        mask = os.umask(0o077)
        try:
            for entry in tarstream.entries(stream):
                self._entry(entry, stream)
            if not stream.complete:
                raise MalformedArchive("the archive is cut off")
            stream.drain()
            self._finish_directories()
        finally:
            os.umask(mask)
            self._parents.close()

    def _entry(self, entry: Entry, stream: ByteStream) -> None:
        renamed = self._rename(_normal(entry.name))
        if renamed is None:
            stream.skip(entry.stored + (-entry.stored % BLOCK))
            return
        path = _normal(renamed)
        if path == b".":
            if entry.kind != tarstream.DIRECTORY:
                raise CannotPlace("what is to take the place of the directory is none")
            return
        _check(path, entry, ids=self._keep_ids)
        directory, _, last = path.rpartition(b"/")
        name = os.fsdecode(last)
        try:
            self._place(self._parent(directory), path, name, entry, stream)
        except OSError as error:
            if error.errno in _ROOM:
                raise
            raise CannotPlace(f"{shown(path)} can't be written: {_reason(error)}") from error
        except OverflowError as error:
            raise MalformedArchive(f"{shown(path)} has a time or an owner that is out of range") from error

    def _place(self, parent: int, path: bytes, name: str, entry: Entry, stream: ByteStream) -> None:
        there = _lstat(parent, name)
        if entry.kind == tarstream.DIRECTORY:
            self._directory(parent, path, name, entry, there)
            return
        if there is not None and stat.S_ISDIR(there.st_mode):
            raise CannotPlace(f"{shown(path)} is a directory, and a file does not take its place")
        if entry.kind == 0x30:
            self._file(parent, name, entry, stream, there)
        elif entry.kind == tarstream.SYMLINK:
            self._new(parent, name, entry, lambda draft: os.symlink(os.fsdecode(entry.link), draft, dir_fd=parent))
        elif entry.kind == tarstream.HARD_LINK:
            self._hard_link(parent, path, name, entry)
        elif entry.kind == tarstream.FIFO:
            self._new(parent, name, entry, lambda draft: os.mkfifo(draft, 0o600, dir_fd=parent))
        elif entry.kind in (tarstream.CHARACTER_DEVICE, tarstream.BLOCK_DEVICE):
            self.devices += 1
            return
        else:
            raise MalformedArchive(f"{shown(path)} is of a kind that is not supported ({entry.kind:#x})")
        self._placed.add(path)

    def _directory(self, parent: int, path: bytes, name: str, entry: Entry, there: os.stat_result | None) -> None:
        if there is None:
            os.mkdir(name, 0o700, dir_fd=parent)
            self._directories[path] = _Attributes(entry.mode & self._modes, entry.uid, entry.gid, entry.mtime)
            return
        if not stat.S_ISDIR(there.st_mode):
            try:
                os.close(self._step(parent, name))
            except OSError:
                raise CannotPlace(f"{shown(path)} is no directory, and a directory does not take its place") from None
        # A directory that was there stays as it is.

    def _file(self, parent: int, name: str, entry: Entry, stream: ByteStream, there: os.stat_result | None) -> None:
        if there is not None and stat.S_ISREG(there.st_mode) and there.st_dev != os.fstat(parent).st_dev:
            # Mounted there, as /etc/hosts is: nothing can take its place.
            opened = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
            with os.fdopen(opened, "wb", buffering=0):
                os.ftruncate(opened, 0)
                _content(opened, entry, stream)
            return

        def write(draft: str) -> None:
            opened = os.open(draft, _NEW, 0o600, dir_fd=parent)
            with os.fdopen(opened, "wb", buffering=0):
                _content(opened, entry, stream)
                self._own(opened, entry)
                os.fchmod(opened, entry.mode & self._modes)
                for key, value in entry.xattrs:
                    if key != _CAPABILITY or self._keep_capabilities:
                        _set_attribute(opened, key, value)
                os.utime(opened, ns=(entry.mtime, entry.mtime))

        self._draft_then_rename(parent, name, write)

    def _new(self, parent: int, name: str, entry: Entry, make: Callable[[str], None]) -> None:
        def write(draft: str) -> None:
            make(draft)
            if self._keep_ids:
                os.chown(draft, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False)
            if entry.kind == tarstream.FIFO:
                _set_mode(os.open(draft, _FIFO, dir_fd=parent), entry.mode & self._modes)
            os.utime(draft, ns=(entry.mtime, entry.mtime), dir_fd=parent, follow_symlinks=False)

        self._draft_then_rename(parent, name, write)

    def _draft_then_rename(self, parent: int, name: str, write: Callable[[str], None]) -> None:
        try:
            write(self._draft)
            os.rename(self._draft, name, src_dir_fd=parent, dst_dir_fd=parent)
        except BaseException:
            _unlink(parent, self._draft)
            raise

    def _hard_link(self, parent: int, path: bytes, name: str, entry: Entry) -> None:
        renamed = self._rename(_normal(entry.link))
        target = None if renamed is None else _normal(renamed)
        if target == path:
            return
        # Another name for a file that was there before would let the next entry change that one.
        if target is None or target not in self._placed:
            raise MalformedArchive(f"{shown(path)} is a hard link to what the archive has not placed")
        directory, _, last = target.rpartition(b"/")
        # The cache may close one of the two for the other.
        held = os.dup(parent)
        try:
            source = self._parent(directory)

            def write(draft: str) -> None:
                os.link(os.fsdecode(last), draft, src_dir_fd=source, dst_dir_fd=held, follow_symlinks=False)

            self._draft_then_rename(held, name, write)
            # A rename onto another name of the same file does nothing, and leaves the draft.
            _unlink(held, self._draft)
        finally:
            os.close(held)

    def _own(self, opened: int, entry: Entry) -> None:
        if self._keep_ids:
            os.fchown(opened, entry.uid, entry.gid)

    def _parent(self, directory: bytes) -> int:
        """Return a descriptor of the directory that an entry goes into, made if it is missing."""
        if not directory:
            return self._root
        found = self._parents.get(directory)
        if found is not None:
            return found
        above, _, last = directory.rpartition(b"/")
        name = os.fsdecode(last)
        parent = self._parent(above)
        try:
            opened = self._step(parent, name)
        except FileNotFoundError:
            os.mkdir(name, 0o755, dir_fd=parent)
            # By what is open: by its name it may be a link a moment later.
            _set_mode(step_inside(parent, name), 0o755)
            opened = self._step(parent, name)
        return self._parents.add(directory, opened)

    def _finish_directories(self) -> None:
        # From the bottom up: what is made in a directory changes its time, and its mode may forbid it.
        for path, wanted in reversed(self._directories.items()):
            directory, _, last = path.rpartition(b"/")
            try:
                opened = step_inside(self._parent(directory), os.fsdecode(last))
            except (FileNotFoundError, NotADirectoryError):
                # Somebody else took it away meanwhile.
                continue
            try:
                if self._keep_ids:
                    os.fchown(opened, wanted.uid, wanted.gid)
                os.fchmod(opened, wanted.mode)
                os.utime(opened, ns=(wanted.mtime, wanted.mtime))
            except OSError as error:
                raise CannotPlace(f"{shown(path)} can't be made as it was: {_reason(error)}") from error
            except OverflowError as error:
                raise MalformedArchive(f"{shown(path)} has a time or an owner that is out of range") from error
            finally:
                os.close(opened)


_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)
_REASONS: Final = {
    errno.EINVAL: "its owner is none that there can be",
    errno.ELOOP: "a link is in its way",
    errno.ENOTDIR: "what is in its way is no directory",
}


def _reason(error: OSError) -> str:
    return _REASONS.get(error.errno or 0) or error.strerror or str(error)


def _content(opened: int, entry: Entry, stream: ByteStream) -> None:
    if entry.pieces is None:
        _write(opened, stream.parts(entry.stored))
    else:
        os.ftruncate(opened, entry.size)
        for offset, length in entry.pieces:
            os.lseek(opened, offset, os.SEEK_SET)
            _write(opened, stream.parts(length))
    if padding := -entry.stored % BLOCK:
        stream.skip(padding)


def _write(opened: int, parts: Iterable[memoryview]) -> None:
    for part in parts:
        while part:
            part = part[os.write(opened, part) :]


def _set_mode(opened: int, mode: int) -> None:
    try:
        os.fchmod(opened, mode)
    finally:
        os.close(opened)


def _set_attribute(opened: int, key: bytes, value: bytes) -> None:
    if key != _CAPABILITY and (not key.startswith(b"user.") or key.startswith(_OVERLAY)):
        return
    try:
        os.setxattr(opened, key, value)
    except OSError as error:
        # Not every file system has them, and not everybody may set them.
        if error.errno not in (errno.ENOTSUP, errno.EPERM):
            raise


def _check(path: bytes, entry: Entry, *, ids: bool) -> None:
    """Refuse what the archive can say and no file have.

    Raises:
        MalformedArchive: it says so.
    """
    if ids and _NO_ID in (entry.uid, entry.gid):
        raise MalformedArchive(f"{shown(path)} has an owner that is out of range")
    if any(b"\0" in key for key, _ in entry.xattrs):
        raise MalformedArchive(f"{shown(path)} has an extended attribute with a NUL in its name")


def _lstat(parent: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _unlink(parent: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        return


def _normal(name: bytes) -> bytes:
    """Return a path as components joined by "/", or b"." for the directory itself.

    Raises:
        MalformedArchive: it has "..", or is longer than Linux's paths.
    """
    if len(name) >= MAX_PATH or b"\0" in name:
        raise MalformedArchive("a path that is too long, or has a NUL in it")
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    if len(parts) > MAX_DEPTH or any(len(part) > MAX_NAME for part in parts):
        raise MalformedArchive("a path that is too long")
    if b".." in parts:
        raise MalformedArchive(f'{shown(name)} has ".." in its path')
    return b"/".join(parts) or b"."
