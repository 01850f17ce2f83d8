"""Entering a container: its user namespace, its mounts, its root, and no more rights than its own root has on files.

For a process with one thread that has imported all it runs. Nothing of the container is ever executed or loaded, and
nobody in there sees this process: it stays out of the container's process namespace.
"""

from __future__ import annotations

import os
import resource
import sys
from dataclasses import dataclass
from typing import Final

from shoal_agent.images.confinement import Capability, die_with_parent, drop_capabilities, last_capability
from shoal_agent.kernel import syscalls
from shoal_agent.kernel.syscalls import CloneFlag

#: Address space: Python, its pieces, and the names of a few million hard links.
_MEMORY: Final = 2 << 30
_OPEN_FILES: Final = 2048
#: To read everything, and attributes that begin with "trusted." (capabilities(7), xattr(7)).
_DAC_READ_SEARCH: Final = 2
_SYS_ADMIN: Final = 21


@dataclass(frozen=True, slots=True)
class Place:
    """What to enter; descriptors of this process.

    Attributes:
        process: a process of the container (a pidfd), whose mounts are seen; -1 if it does not run.
        user_ns: the user namespace to enter; -1 if that is this process's own.
        root: the root directory, where `process` is -1.
    """

    process: int
    user_ns: int
    root: int


def enter(place: Place, parent: int) -> int:
    """Become root of the container, in its tree; return the list of this process's own descriptors, open.

    Args:
        parent: process id of the agent, with which this process dies; 0 if it ends by itself.

    Raises:
        OSError: a step failed; the process must end, since it may be half inside.
    """
    descriptors = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    capabilities = last_capability()
    if place.process < 0:
        # The working directory goes along into the new mount namespace, as the mount that it is there.
        os.fchdir(place.root)
    if place.process >= 0:
        own = CloneFlag.NEWUSER if place.user_ns >= 0 else CloneFlag(0)
        syscalls.setns(place.process, CloneFlag.NEWNS | own)
    else:
        if place.user_ns >= 0:
            syscalls.setns(place.user_ns, CloneFlag.NEWUSER)
        syscalls.unshare(CloneFlag.NEWNS)
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


def read_only(root: int, parent: int) -> None:
    """Give up all but reading, with the directory open at `root` as this process's own.

    The writable layer of a container is read with the ids that are on disk, and with the marks that overlayfs leaves
    there: only the host's root sees these.
    """
    capabilities = last_capability()
    syscalls.unshare(CloneFlag.NEWNS | CloneFlag.NEWNET | CloneFlag.NEWIPC | CloneFlag.NEWUTS)
    os.fchdir(root)
    os.chroot(".")
    _settle({_DAC_READ_SEARCH, _SYS_ADMIN}, last=capabilities, parent=parent)


def _settle(capabilities: set[int], *, last: int, parent: int) -> None:
    for kind, most in ((resource.RLIMIT_AS, _MEMORY), (resource.RLIMIT_NOFILE, _OPEN_FILES), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(kind)
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (value, value))
    drop_capabilities(capabilities, last=last)
    if parent:
        # Not before: a change of ids takes it back.
        die_with_parent(parent)
    # Whatever would still be imported would be the container's.
    sys.path.clear()
    sys.meta_path.clear()
