"""Idmapped mounts: a directory as it looks when uid 0 on disk is the first uid of a sandbox's range.

Where a container has its node's users there is nothing to map, and the kernel maps nothing to the first user namespace.

Only the standard library is imported: the kernel helper runs this module without site-packages.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from shoal_agent.kernel import syscalls
from shoal_agent.kernel.syscalls import MountAttr, Resolve


def is_own(user_ns: str) -> bool:
    """Say whether a pinned user namespace is that of this process."""
    return os.path.samestat(os.stat(user_ns), os.stat("/proc/self/ns/user"))


@contextlib.contextmanager
def opened_mapping(user_ns: str) -> Iterator[int | None]:
    """Give the descriptor of a pinned user namespace; None for this process's own, which maps nothing."""
    if is_own(user_ns):
        yield None
        return
    fd = os.open(user_ns, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def open_idmapped(path: str, userns_fd: int | None, *, read_only: bool) -> int:
    """Return a descriptor of a detached, idmapped copy of the mount at `path`; the caller closes it.

    Args:
        path: a directory on a file system that can be idmapped (ext4, xfs, btrfs, tmpfs, erofs).
        userns_fd: the user namespace whose mapping is applied; None for no mapping.
        read_only: whether nobody may write through this mount.
    """
    return _idmapped(syscalls.open_tree_clone(path), userns_fd, read_only=read_only)


def open_idmapped_below(top: str, way: str, userns_fd: int | None, *, read_only: bool) -> tuple[int, bool]:
    """Return a descriptor as `open_idmapped` does, and whether it is of a directory.

    What is mounted below it stays behind.

    Args:
        top: an absolute path that is trusted.
        way: from there, walked without ever leaving `top`: not by a link, nor by one that changes meanwhile.
        userns_fd: the user namespace whose mapping is applied; None for no mapping.
        read_only: whether nobody may write through this mount.
    """
    directory = os.open(top, os.O_PATH | os.O_CLOEXEC)
    found = directory
    try:
        if way != ".":
            found = _open_beneath(directory, way)
        is_directory = stat.S_ISDIR(os.fstat(found).st_mode)
        return _idmapped(syscalls.open_tree_clone_of(found), userns_fd, read_only=read_only), is_directory
    finally:
        os.close(directory)
        if found != directory:
            os.close(found)


def _open_beneath(directory: int, way: str) -> int:
    while True:
        try:
            return syscalls.openat2(directory, way, os.O_PATH, resolve=Resolve.BENEATH | Resolve.NO_MAGICLINKS)
        except BlockingIOError:
            # Something was renamed while the kernel walked (openat2(2), EAGAIN): the same again is right.
            continue


def _idmapped(fd: int, userns_fd: int | None, *, read_only: bool) -> int:
    try:
        # Whoever reaches this mount finds nothing to execute with another's rights and no device to open.
        attributes = MountAttr.NOSUID | MountAttr.NODEV | (MountAttr.RDONLY if read_only else MountAttr(0))
        if userns_fd is None:
            syscalls.mount_setattr(fd, attributes)
        else:
            syscalls.mount_setattr(fd, attributes | MountAttr.IDMAP, userns_fd=userns_fd)
    except BaseException:
        os.close(fd)
        raise
    return fd
