"""Entering a container: its user namespace, its mounts, its root, and no more rights than its own root has on files.

For a process with one thread that has imported all it runs. Nothing of the container is ever executed or loaded, and
nobody in there sees this process: it stays out of the container's process namespace.
"""

from __future__ import annotations

import os
import resource
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shoal_agent.images.confinement import Capability, bound, die_with_parent, drop_capabilities, last_capability
from shoal_agent.kernel import syscalls
from shoal_agent.kernel.syscalls import CloneFlag, MountAttr, MountFlag, Resolve

#: Address space: Python, its pieces, and the names of a few million hard links.
_MEMORY: Final = 2 << 30
_OPEN_FILES: Final = 2048
#: To read everything, and attributes that begin with "trusted." (capabilities(7), xattr(7)).
_DAC_READ_SEARCH: Final = 2
_SYS_ADMIN: Final = 21


@dataclass(frozen=True, slots=True)
class Mounted:
    """What a container mounts beside its root, ready on its node.

    Attributes:
        source: where on the node, with the container's ids.
        target: where in the container.
    """

    source: str
    target: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class Place:
    """What to enter; descriptors of this process.

    Attributes:
        process: a process of the container (a pidfd), whose mounts are seen; -1 if it does not run.
        user_ns: the user namespace to enter; -1 if that is this process's own.
        root: the root directory, where `process` is -1.
        mounts: what is mounted in there, likewise.
        uid_base: the host's id of the container's root.
    """

    process: int
    user_ns: int
    root: int
    mounts: Sequence[Mounted] = ()
    uid_base: int = 0


def enter(place: Place, parent: int) -> int:
    """Become root of the container, in its tree; return the list of this process's own descriptors, open.

    Args:
        parent: process id of the agent, with which this process dies; 0 if it ends by itself.

    Raises:
        OSError: a step failed; the process must end, since it may be half inside.
    """
    descriptors = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    capabilities = last_capability()
    if place.process >= 0:
        own = CloneFlag.NEWUSER if place.user_ns >= 0 else CloneFlag(0)
        syscalls.setns(place.process, CloneFlag.NEWNS | own)
    else:
        _mount(place)
        if place.user_ns >= 0:
            syscalls.setns(place.user_ns, CloneFlag.NEWUSER)
        os.chroot(".")
    os.chdir("/")
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    for fd in (place.process, place.user_ns, place.root):
        if fd >= 0:
            os.close(fd)
    _settle({*Capability} - {Capability.MKNOD}, last=capabilities, parent=parent)
    return descriptors


def _mount(place: Place) -> None:
    """Make a mount namespace in which the container's files look as if it ran, with its root as working directory."""
    trees = [(syscalls.open_tree_clone(each.source), each) for each in place.mounts]
    # The working directory goes along into the new namespace, as the mount that it is there.
    os.fchdir(place.root)
    syscalls.unshare(CloneFlag.NEWNS)
    syscalls.mount("none", "/", None, MountFlag.REC | MountFlag.PRIVATE)
    root = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    for tree, each in trees:
        if each.read_only:
            syscalls.mount_setattr(tree, MountAttr.RDONLY)
        target = _target(root, each.target, place.uid_base, directory=stat.S_ISDIR(os.fstat(tree).st_mode))
        syscalls.move_mount_onto(tree, target)
        os.close(target)
        os.close(tree)
    os.close(root)


def _target(root: int, path: str, uid_base: int, *, directory: bool) -> int:
    """Open where something is to be mounted; what is missing of it is made, as its runtime would at the first start."""
    walk = Resolve.IN_ROOT | Resolve.NO_MAGICLINKS
    parts = [part for part in path.split("/") if part]
    at = os.dup(root)
    for number in range(1, len(parts) + 1):
        so_far, last = "/".join(parts[:number]), number == len(parts)
        try:
            below = syscalls.openat2(root, so_far, os.O_PATH, resolve=walk)
        except FileNotFoundError:
            _make(at, parts[number - 1], uid_base, directory=directory or not last)
            below = syscalls.openat2(root, so_far, os.O_PATH, resolve=walk)
        os.close(at)
        at = below
    return at


def _make(parent: int, name: str, uid_base: int, *, directory: bool) -> None:
    # The host's root has no id in there, and can make nothing.
    syscalls.keep_capabilities_on_setuid()
    syscalls.set_filesystem_ids(uid_base, uid_base)
    try:
        if directory:
            os.mkdir(name, 0o755, dir_fd=parent)
        else:
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644, dir_fd=parent))
    finally:
        syscalls.set_filesystem_ids(0, 0)


def read_only(root: int, parent: int) -> None:
    """Give up all but reading, with the directory open at `root` as this process's own; from then on that is read-only.

    The writable layer of a container is read with the ids that are on disk, and with the marks that overlayfs leaves
    there: only the host's root sees these. Devices of the image are there as well, once the container has moved them:
    none of them can be opened, even where one takes the place of a file.
    """
    capabilities = last_capability()
    os.fchdir(root)
    # Only a mount of this process's own namespace can be copied; afterwards it is of none.
    tree = syscalls.open_tree_clone(".")
    syscalls.mount_setattr(tree, MountAttr.RDONLY | MountAttr.NOSUID | MountAttr.NODEV | MountAttr.NOEXEC)
    # Itself it only names a place; what is opened there can be read, and outlives it.
    opened = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=tree)
    os.dup2(opened, root, inheritable=False)
    os.close(opened)
    os.close(tree)
    syscalls.unshare(CloneFlag.NEWNS | CloneFlag.NEWNET | CloneFlag.NEWIPC | CloneFlag.NEWUTS)
    os.fchdir(root)
    os.chroot(".")
    _settle({_DAC_READ_SEARCH, _SYS_ADMIN}, last=capabilities, parent=parent)


def _settle(capabilities: set[int], *, last: int, parent: int) -> None:
    bound({resource.RLIMIT_AS: _MEMORY, resource.RLIMIT_NOFILE: _OPEN_FILES, resource.RLIMIT_CORE: 0})
    drop_capabilities(capabilities, last=last)
    if parent:
        # Not before: a change of ids takes it back.
        die_with_parent(parent)
    # Whatever would still be imported would be the container's.
    sys.path.clear()
    sys.meta_path.clear()
