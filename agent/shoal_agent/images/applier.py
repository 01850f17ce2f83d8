"""Applying a layer's archive to a directory, in the form that overlayfs takes as a lower directory.

Runs in the confined process. Even so, no path leads out of the root: parents are opened with openat2(RESOLVE_IN_ROOT),
so that links of the archive's own are followed as the container would, and last components are never followed.
Whiteouts become character devices 0/0. Opaque directories are only listed: marking them takes CAP_SYS_ADMIN, which
this process has not.

Sources: OCI image specification, layer.md; Linux, Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from shoal_agent.kernel.syscalls import Resolve, openat2
from shoal_common.archives import tarstream
from shoal_common.archives.directories import OpenDirectories
from shoal_common.archives.tarstream import ByteStream, Entry, MalformedArchive

_WHITEOUT: Final = b".wh."
_OPAQUE: Final = b".wh..wh..opq"
#: Names by which aufs kept its own things; they mean nothing here.
_AUFS: Final = b".wh..wh."
_CAPABILITY: Final = b"security.capability"
#: `user.overlay.*` is overlayfs's own where it is mounted with `userxattr`.
_OVERLAY_XATTR: Final = b"user.overlay."
MAX_NAME: Final = 255
MAX_PATH: Final = 4096
MAX_DEPTH: Final = 512
MAX_ID: Final = (1 << 32) - 2
_PARENT_FLAGS: Final = os.O_PATH | os.O_DIRECTORY
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DEVICES: Final = {
    tarstream.CHARACTER_DEVICE: stat.S_IFCHR,
    tarstream.BLOCK_DEVICE: stat.S_IFBLK,
    tarstream.FIFO: stat.S_IFIFO,
}


class LimitExceeded(Exception):
    """The archive wants more than it may have."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one layer may use.

    Attributes:
        bytes: of the uncompressed archive, and so of all files.
        inodes: files, directories, links and devices.
    """

    bytes: int
    inodes: int


@dataclass(slots=True)
class Applied:
    """What came of it.

    Attributes:
        opaque: directories that hide what lower layers have in them; relative to the root, b"." for itself.
        implied: directories that the archive has things in but no entry for; made with mode 0755, root's.
    """

    inodes: int = 0
    opaque: set[bytes] = field(default_factory=set)
    implied: set[bytes] = field(default_factory=set)


@dataclass(slots=True)
class _Directory:
    """What is set on a directory when nothing more is made in it."""

    mode: int | None
    uid: int
    gid: int
    mtime: int
    xattrs: list[tuple[bytes, bytes]]


class Applier:
    """Applies one archive to the (empty) directory open at `root`.

    Args:
        root: descriptor of the directory.
    """

    def __init__(self, root: int, limits: Limits) -> None:
        self._root = root
        self._limits = limits
        self._parents = OpenDirectories()
        self._directories: dict[bytes, _Directory] = {}
        self._whiteouts: set[bytes] = set()
        self._applied = Applied()

    def apply(self, pull: Callable[[], bytes]) -> Applied:
        """Apply the archive whose pieces `pull` returns (b"" at its end), and read it to its end.

        Raises:
            MalformedArchive: it is damaged, or has an entry that no image may have.
            LimitExceeded: it is too large.
            OSError: of the file system, such as ENOSPC.
        """
        stream = ByteStream(pull)
        old_mask = os.umask(0)
        try:
            for entry in tarstream.entries(stream):
                self._apply(entry, stream)
            stream.drain()
            self._finish_directories()
        finally:
            os.umask(old_mask)
            self._parents.close()
        return self._applied

    def _apply(self, entry: Entry, stream: ByteStream) -> None:
        path = _normal(entry.name)
        if entry.uid > MAX_ID or entry.gid > MAX_ID:
            raise MalformedArchive(f"{_shown(path)} has an owner that is no user id")
        if path == b".":
            if entry.kind != tarstream.DIRECTORY:
                raise MalformedArchive("its root is not a directory")
            self._remember(path, entry, mode=entry.mode)
            return
        directory, _, name = path.rpartition(b"/")
        if name.startswith(_WHITEOUT):
            self._hide(directory, name)
            stream.skip(entry.stored + (-entry.stored % tarstream.BLOCK))
            return
        parent = self._parent(directory)
        if entry.kind == 0x30:
            self._file(parent, path, name, entry, stream)
        elif entry.kind == tarstream.DIRECTORY:
            self._directory(parent, path, name, entry)
        elif entry.kind == tarstream.SYMLINK:
            self._symlink(parent, path, name, entry)
        elif entry.kind == tarstream.HARD_LINK:
            self._hard_link(parent, path, name, entry)
        elif entry.kind in _DEVICES:
            self._device(parent, path, name, entry)
        else:
            raise MalformedArchive(f"{_shown(path)} is of a kind that is not supported ({entry.kind:#x})")

    def _file(self, parent: int, path: bytes, name: bytes, entry: Entry, stream: ByteStream) -> None:
        self._count()
        mode = entry.mode & 0o1777
        try:
            file = os.open(name, _CREATE, mode, dir_fd=parent)
        except FileExistsError:
            self._remove(parent, path, name)
            file = os.open(name, _CREATE, mode, dir_fd=parent)
        try:
            if entry.pieces is None:
                for part in stream.parts(entry.stored):
                    _write(file, part)
            else:
                os.ftruncate(file, entry.size)
                for offset, length in entry.pieces:
                    os.lseek(file, offset, os.SEEK_SET)
                    for part in stream.parts(length):
                        _write(file, part)
            padding = -entry.stored % tarstream.BLOCK
            if padding:
                stream.take(padding)
            if entry.uid or entry.gid:
                os.fchown(file, entry.uid, entry.gid)
            if entry.mode & 0o6000:
                # After the owner: chown clears these bits.
                os.fchmod(file, entry.mode)
            for key, value in _kept(entry.xattrs, file=True):
                _set_xattr(file, key, value)
            _set_time(file, entry.mtime)
        finally:
            os.close(file)

    def _directory(self, parent: int, path: bytes, name: bytes, entry: Entry) -> None:
        self._count()
        try:
            os.mkdir(name, entry.mode & 0o1777, dir_fd=parent)
        except FileExistsError:
            if not stat.S_ISDIR(os.lstat(name, dir_fd=parent).st_mode):
                self._replace_by_directory(parent, path, name, entry.mode & 0o1777)
            self._applied.implied.discard(path)
            self._remember(path, entry, mode=entry.mode)
            return
        if entry.uid or entry.gid:
            os.chown(name, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False)
        # A set-group-id directory would give its group to all that is made in it: that bit is set last.
        self._remember(path, entry, mode=entry.mode if entry.mode & 0o6000 else None)

    def _symlink(self, parent: int, path: bytes, name: bytes, entry: Entry) -> None:
        if not entry.link or len(entry.link) >= MAX_PATH:
            raise MalformedArchive(f"{_shown(path)} is a symbolic link to nothing, or to too long a name")
        self._count()
        try:
            os.symlink(entry.link, name, dir_fd=parent)
        except FileExistsError:
            self._remove(parent, path, name)
            os.symlink(entry.link, name, dir_fd=parent)
        if entry.uid or entry.gid:
            os.chown(name, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False)
        _set_time_at(parent, name, entry.mtime)

    def _hard_link(self, parent: int, path: bytes, name: bytes, entry: Entry) -> None:
        target = _normal(entry.link)
        directory, _, last = target.rpartition(b"/")
        if target == path:
            return
        self._count()
        # The cache may close the parent's descriptor for the target's, and both when the old file goes.
        held = os.dup(parent)
        source = -1
        try:
            source = os.dup(self._parent(directory, make=False))
            kind = os.lstat(last, dir_fd=source).st_mode
            if stat.S_ISDIR(kind) or self._is_whiteout(source, last):
                raise MalformedArchive(f"{_shown(path)} is a hard link to {_shown(target)}, which is no file")
            if self._same(source, last, held, name):
                return
            self._remove(held, path, name, missing_ok=True)
            os.link(last, name, src_dir_fd=source, dst_dir_fd=held, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise MalformedArchive(
                f"{_shown(path)} is a hard link to {_shown(target)}, which this layer does not have"
            ) from error
        finally:
            os.close(held)
            if source >= 0:
                os.close(source)

    def _device(self, parent: int, path: bytes, name: bytes, entry: Entry) -> None:
        major, minor = entry.device
        if entry.kind == tarstream.CHARACTER_DEVICE and entry.device == (0, 0):
            raise MalformedArchive(
                f"{_shown(path)} is the character device 0/0, which would hide a file of other layers"
            )
        if major >= 1 << 12 or minor >= 1 << 20:
            raise MalformedArchive(f"{_shown(path)} is a device with numbers out of range")
        self._count()
        device = 0 if entry.kind == tarstream.FIFO else os.makedev(major, minor)
        mode = _DEVICES[entry.kind] | (entry.mode & 0o1777)
        try:
            os.mknod(name, mode, device, dir_fd=parent)
        except FileExistsError:
            self._remove(parent, path, name)
            os.mknod(name, mode, device, dir_fd=parent)
        if entry.uid or entry.gid:
            os.chown(name, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False)
        if entry.mode & 0o6000:
            # There is no chmod that doesn't follow; a device made a moment ago is no link.
            os.chmod(name, entry.mode, dir_fd=parent)
        _set_time_at(parent, name, entry.mtime)

    def _hide(self, directory: bytes, name: bytes) -> None:
        """Apply a whiteout: `.wh.NAME` hides NAME of lower layers, `.wh..wh..opq` all that they have in a directory."""
        if name == _OPAQUE:
            self._parent(directory)
            self._applied.opaque.add(directory or b".")
            return
        if name.startswith(_AUFS):
            return
        hidden = name[len(_WHITEOUT) :]
        if hidden in (b"", b".", b".."):
            raise MalformedArchive(f"{_shown(name)} is a whiteout of nothing")
        parent = self._parent(directory)
        path = directory + b"/" + hidden if directory else hidden
        self._count()
        try:
            os.mknod(hidden, stat.S_IFCHR, 0, dir_fd=parent)
        except FileExistsError:
            # A whiteout only speaks of lower layers. What this layer has itself stays; a directory hides theirs.
            if stat.S_ISDIR(os.lstat(hidden, dir_fd=parent).st_mode):
                self._applied.opaque.add(path)
            return
        self._whiteouts.add(path)

    def _parent(self, directory: bytes, *, make: bool = True) -> int:
        """Return a descriptor of a directory in the root; it stays open until others have pushed it out."""
        if not directory:
            return self._root
        found = self._parents.get(directory)
        if found is not None:
            return found
        try:
            opened = self._open_directory(directory)
        except (FileNotFoundError, NotADirectoryError):
            if not make:
                raise
            opened = self._make_directories(directory)
        return self._parents.add(directory, opened)

    def _open_directory(self, path: bytes) -> int:
        try:
            return openat2(
                self._root, os.fsdecode(path), _PARENT_FLAGS, resolve=Resolve.IN_ROOT | Resolve.NO_MAGICLINKS
            )
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise MalformedArchive(f"{_shown(path)} leads through symbolic links without end") from error
            raise

    def _make_directories(self, directory: bytes) -> int:
        """Make what is missing of a path, component by component, each in the root; return the last, open."""
        at = b""
        for component in directory.split(b"/"):
            parent = self._parent(at)
            at = at + b"/" + component if at else component
            try:
                os.mkdir(component, 0o755, dir_fd=parent)
            except FileExistsError:
                if not self._is_whiteout(parent, component):
                    continue
                self._replace_by_directory(parent, at, component, 0o755)
            self._count()
            self._applied.implied.add(at)
            self._directories[at] = _Directory(None, 0, 0, 0, [])
        try:
            return self._open_directory(directory)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise MalformedArchive(f"{_shown(directory)} has entries in it but is no directory") from error

    def _replace_by_directory(self, parent: int, path: bytes, name: bytes, mode: int) -> None:
        hid = path in self._whiteouts
        self._remove(parent, path, name)
        os.mkdir(name, mode, dir_fd=parent)
        if hid:
            # The whiteout hid a directory of a lower layer, and still must.
            self._applied.opaque.add(path)

    def _is_whiteout(self, parent: int, name: bytes) -> bool:
        found = os.lstat(name, dir_fd=parent)
        return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0

    def _same(self, one: int, name: bytes, other: int, other_name: bytes) -> bool:
        try:
            return os.path.samestat(os.lstat(name, dir_fd=one), os.lstat(other_name, dir_fd=other))
        except FileNotFoundError:
            return False

    def _remove(self, parent: int, path: bytes, name: bytes, *, missing_ok: bool = False) -> None:
        """Remove what a later entry of the archive replaces, with all that is below it."""
        self._whiteouts.discard(path)
        try:
            os.unlink(name, dir_fd=parent)
        except FileNotFoundError:
            if not missing_ok:
                raise
        except IsADirectoryError:
            self._remove_tree(parent, name)
            below = path + b"/"
            for known in (self._directories, self._applied.opaque, self._applied.implied, self._whiteouts):
                for key in [key for key in known if key == path or key.startswith(below)]:
                    known.pop(key) if isinstance(known, dict) else known.discard(key)
        # A directory that was open may be the one that went, or be reached by a link that did.
        self._parents.close(keep=parent)

    def _remove_tree(self, parent: int, name: bytes) -> None:
        """Remove a directory without recursion; descriptors bound its depth (RLIMIT_NOFILE)."""
        stack = [(parent, name, os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent))]
        try:
            while stack:
                above, last, here = stack[-1]
                for child in map(os.fsencode, os.listdir(here)):
                    try:
                        os.unlink(child, dir_fd=here)
                    except IsADirectoryError:
                        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
                        stack.append((here, child, os.open(child, flags, dir_fd=here)))
                        break
                else:
                    os.rmdir(last, dir_fd=above)
                    os.close(stack.pop()[2])
        finally:
            for _, _, left in stack:
                os.close(left)

    def _remember(self, path: bytes, entry: Entry, *, mode: int | None) -> None:
        # The last entry of a directory wins, also over one that reached it by another name: keep their order.
        self._directories.pop(path, None)
        self._directories[path] = _Directory(mode, entry.uid, entry.gid, entry.mtime, _kept(entry.xattrs, file=False))

    def _finish_directories(self) -> None:
        for path, wanted in self._directories.items():
            try:
                self._finish_directory(path, wanted)
            except (FileNotFoundError, NotADirectoryError):
                # It was reached through a link that a later entry replaced.
                continue

    def _finish_directory(self, path: bytes, wanted: _Directory) -> None:
        directory, _, name = path.rpartition(b"/")
        parent = self._parent(directory, make=False)
        if wanted.mode is None and not wanted.xattrs:
            _set_time_at(parent, name, wanted.mtime)
            return
        opened = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            if wanted.mode is not None:
                os.fchown(opened, wanted.uid, wanted.gid)
                os.fchmod(opened, wanted.mode)
            for key, value in wanted.xattrs:
                _set_xattr(opened, key, value)
            _set_time(opened, wanted.mtime)
        finally:
            os.close(opened)

    def _count(self) -> None:
        self._applied.inodes += 1
        if self._applied.inodes > self._limits.inodes:
            raise LimitExceeded(f"it has more than {self._limits.inodes} files")


def _normal(name: bytes) -> bytes:
    """Return a path as components joined by "/", or b"." for the root.

    Raises:
        MalformedArchive: it has "..", or is longer than Linux's paths.
    """
    if len(name) >= MAX_PATH:
        raise MalformedArchive(f"a path of {len(name)} bytes")
    if b"\0" in name:
        raise MalformedArchive(f"{_shown(name)} has a NUL in its name")
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    if len(parts) > MAX_DEPTH:
        raise MalformedArchive(f"a path of {len(parts)} directories")
    for part in parts:
        if part == b"..":
            raise MalformedArchive(f'{_shown(name)} has ".." in its path')
        if len(part) > MAX_NAME:
            raise MalformedArchive(f"a name of {len(part)} bytes")
    return b"/".join(parts) or b"."


def _shown(name: bytes) -> str:
    """Return a name for an error: short, and without anything that a terminal would obey."""
    text = ascii(os.fsdecode(name[:120]))
    return f'"{text[1:-1]}"'


def _kept(xattrs: list[tuple[bytes, bytes]], *, file: bool) -> list[tuple[bytes, bytes]]:
    """Return the extended attributes that survive: the user's, and capabilities of files."""
    return [
        (key, value)
        for key, value in xattrs
        if (key.startswith(b"user.") and not key.startswith(_OVERLAY_XATTR) and b"\0" not in key)
        or (file and key == _CAPABILITY)
    ]


def _write(file: int, part: memoryview) -> None:
    while True:
        written = os.write(file, part)
        if written == len(part):
            return
        part = part[written:]


def _set_xattr(file: int, key: bytes, value: bytes) -> None:
    try:
        os.setxattr(file, key, value)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ERANGE, errno.E2BIG, errno.EPERM):
            raise MalformedArchive(f"the extended attribute {_shown(key)} has a value that Linux refuses") from error
        raise


def _set_time(file: int, mtime: int) -> None:
    try:
        os.utime(file, ns=(mtime, mtime))
    except OverflowError as error:
        raise MalformedArchive("a time that is out of range") from error


def _set_time_at(parent: int, name: bytes, mtime: int) -> None:
    try:
        os.utime(name, ns=(mtime, mtime), dir_fd=parent, follow_symlinks=False)
    except OverflowError as error:
        raise MalformedArchive("a time that is out of range") from error
