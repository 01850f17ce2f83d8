"""Idmapped mounts: a directory as it looks when uid 0 on disk is the first uid of a sandbox's range.

Only the standard library is imported: the kernel helper runs this module without site-packages.
"""

from __future__ import annotations

import os

from shoal_agent.kernel import syscalls
from shoal_agent.kernel.syscalls import MountAttr


def open_idmapped(path: str, userns_fd: int, *, read_only: bool) -> int:
    """Return a descriptor of a detached, idmapped copy of the mount at `path`; the caller closes it.

    Args:
        path: a directory on a file system that can be idmapped (ext4, xfs, btrfs, tmpfs, erofs).
        userns_fd: the user namespace whose mapping is applied.
        read_only: whether nobody may write through this mount.
    """
    fd = syscalls.open_tree_clone(path)
    try:
        # Whoever reaches this mount finds nothing to execute with another's rights and no device to open.
        attributes = MountAttr.IDMAP | MountAttr.NOSUID | MountAttr.NODEV
        syscalls.mount_setattr(fd, attributes | MountAttr.RDONLY if read_only else attributes, userns_fd=userns_fd)
    except BaseException:
        os.close(fd)
        raise
    return fd
