"""Unpacked layers on disk.

`Snapshotter` is the interface; `DirectorySnapshotter` keeps one directory per layer, named by the digest of the
uncompressed archive, in the form that overlayfs takes as a lower directory. Ids in it are the image's own.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from shoal_agent.durable import make_directory, sync_directory
from shoal_agent.kernel.syscalls import Resolve, openat2
from shoal_agent.trees import remove_tree

_libc = ctypes.CDLL(None, use_errno=True)

_OPAQUE: Final = "trusted.overlay.opaque"
_FS_IOC_GETFLAGS: Final = 0x80086601
_FS_IOC_SETFLAGS: Final = 0x40086602
#: Tells ext4 that what is below is unrelated (chattr +T), so that it spreads the layers over the disk.
_FS_TOPDIR_FL: Final = 0x00020000


class Snapshotter(Protocol):
    """Keeps unpacked layers. All methods block.

    A layer is prepared, filled by somebody, then committed or discarded. Committed layers never change.
    """

    def open(self) -> None:
        """Make what is needed; remove what was prepared when a process died."""

    def prepare(self) -> Path:
        """Return a new empty directory to unpack a layer into."""

    def sync(self) -> None:
        """Make all that was unpacked so far durable."""

    def commit(self, prepared: Path, diff_id: str, *, opaque: Sequence[str]) -> None:
        """Make a prepared layer, whole and synced but for the marks of its opaque directories, known by its digest.

        One that is there already stays, and `prepared` goes.
        """

    def discard(self, prepared: Path) -> None:
        """Remove a prepared layer; one that isn't there (committed, say) is no error."""

    def path(self, diff_id: str) -> Path:
        """Return where a committed layer is."""

    def committed(self) -> set[str]:
        """Return the digests of all committed layers."""

    def remove(self, diff_id: str) -> None:
        """Remove a committed layer; one that isn't there is no error."""

    def bury(self, diff_id: str) -> Path | None:
        """Take a committed layer out of sight in one step; None if it isn't there. What is left is to be discarded.

        Should the process die before that, `open` does it.
        """


class DirectorySnapshotter:
    """One directory per layer: see `Snapshotter`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._layers = root / "layers"
        self._staging = root / "staging"

    def open(self) -> None:
        for directory in (self._root, self._layers, self._staging):
            make_directory(directory)
        _spread(self._staging)
        for left in self._staging.iterdir():
            remove_tree(left)

    def prepare(self) -> Path:
        path = self._staging / os.urandom(16).hex()
        path.mkdir(mode=0o755)
        # Whatever the umask: the root of the topmost layer is the root of the container.
        path.chmod(0o755)
        return path

    def sync(self) -> None:
        # One call for all files of all layers; an fsync for each of thousands would take a minute.
        descriptor = os.open(self._staging, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if _libc.syncfs(descriptor) != 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(self._staging))
        finally:
            os.close(descriptor)

    def commit(self, prepared: Path, diff_id: str, *, opaque: Sequence[str]) -> None:
        target = self.path(diff_id)
        if target.exists():
            self.discard(prepared)
            return
        root = os.open(prepared, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            for path in opaque:
                _mark_opaque(root, path)
            os.fsync(root)
        finally:
            os.close(root)
        prepared.rename(target)
        sync_directory(self._layers)

    def discard(self, prepared: Path) -> None:
        remove_tree(prepared)

    def path(self, diff_id: str) -> Path:
        return self._layers / diff_id.removeprefix("sha256:")

    def committed(self) -> set[str]:
        return {f"sha256:{entry.name}" for entry in self._layers.iterdir()}

    def remove(self, diff_id: str) -> None:
        if (grave := self.bury(diff_id)) is not None:
            remove_tree(grave)

    def bury(self, diff_id: str) -> Path | None:
        path = self.path(diff_id)
        if not path.exists():
            return None
        # A layer is never there in part.
        grave = self._staging / os.urandom(16).hex()
        path.rename(grave)
        sync_directory(self._layers)
        return grave


def _mark_opaque(root: int, path: str) -> None:
    """Mark a directory below `root` (untrusted) so that it hides what lower layers have in it."""
    try:
        directory = openat2(
            root, path, os.O_RDONLY | os.O_DIRECTORY, resolve=Resolve.IN_ROOT | Resolve.NO_MAGICLINKS | Resolve.NO_XDEV
        )
    except OSError as error:
        # A later entry of the archive took the directory away.
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return
        raise
    try:
        os.setxattr(directory, _OPAQUE, b"y")
        os.fsync(directory)
    finally:
        os.close(directory)


def _spread(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        (flags,) = struct.unpack("l", fcntl.ioctl(descriptor, _FS_IOC_GETFLAGS, struct.pack("l", 0)))
        fcntl.ioctl(descriptor, _FS_IOC_SETFLAGS, struct.pack("l", flags | _FS_TOPDIR_FL))
    except OSError:
        # Only ext file systems know it; it is a hint.
        return
    finally:
        os.close(descriptor)
