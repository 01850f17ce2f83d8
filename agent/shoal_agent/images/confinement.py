"""Locking a process up before it reads what strangers wrote: namespaces, chroot, capabilities, limits.

For a process with one thread that has opened what it needs and imported what it runs.
"""

from __future__ import annotations

import ctypes
import os
import resource
from collections.abc import Collection, Mapping
from enum import IntEnum
from pathlib import Path
from typing import Final

from shoal_agent.kernel.syscalls import (
    CloneFlag,
    MountAttr,
    MountFlag,
    mount,
    mount_setattr,
    move_mount,
    open_tree_clone,
    unshare,
)

_libc = ctypes.CDLL(None, use_errno=True)

_PR_SET_PDEATHSIG: Final = 1
_PR_CAPBSET_DROP: Final = 24
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
_SIGKILL: Final = 9
_CAPABILITY_VERSION_3: Final = 0x20080522
_LAST_CAPABILITY: Final = Path("/proc/sys/kernel/cap_last_cap")


class Capability(IntEnum):
    """What writing a root file system takes (capabilities(7)). Device nodes take MKNOD, file capabilities SETFCAP."""

    CHOWN = 0
    DAC_OVERRIDE = 1
    FOWNER = 3
    FSETID = 4
    MKNOD = 27
    SETFCAP = 31


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Data(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent dies.

    Args:
        parent: process id of the parent, as it told it; another one by now means that it died before this call.
    """
    _prctl(_PR_SET_PDEATHSIG, _SIGKILL)
    if os.getppid() != parent:
        raise SystemExit("the agent is gone")


def confine(root: Path, *, capabilities: Collection[Capability], limits: Mapping[int, int]) -> None:
    """Leave this process nothing but the directory `root`, its open descriptors and `capabilities`.

    Args:
        limits: most of each resource (`resource.RLIMIT_*`).

    Raises:
        OSError: a step failed; the process must end, since it may be half confined.
    """
    last = last_capability()
    unshare(CloneFlag.NEWNS | CloneFlag.NEWNET | CloneFlag.NEWIPC | CloneFlag.NEWUTS)
    mount("none", "/", None, MountFlag.REC | MountFlag.PRIVATE)
    tree = open_tree_clone(root)
    # Setting the bits of a setuid file and making devices still works there; using them doesn't.
    mount_setattr(tree, MountAttr.NOSUID | MountAttr.NODEV | MountAttr.NOEXEC)
    move_mount(tree, root)
    os.close(tree)
    os.chdir(root)
    os.chroot(".")
    bound(limits)
    drop_capabilities(capabilities, last=last)


def bound(limits: Mapping[int, int]) -> None:
    """Have this process take no more than so much of each resource, or less where it may have less already."""
    for kind, most in limits.items():
        _, hard = resource.getrlimit(kind)
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (value, value))


def last_capability() -> int:
    """Return the highest capability that the kernel knows."""
    return int(_LAST_CAPABILITY.read_text())


def drop_capabilities(capabilities: Collection[int], *, last: int) -> None:
    """Leave this process, and whatever it executes, no capability but these.

    Args:
        last: see `last_capability`, which takes a /proc.
    """
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    kept = {int(capability) for capability in capabilities}
    for capability in range(last + 1):
        if capability not in kept:
            _prctl(_PR_CAPBSET_DROP, capability)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _set_capabilities(kept)


def _set_capabilities(kept: Collection[int]) -> None:
    header = _Header(_CAPABILITY_VERSION_3, 0)
    data = (_Data * 2)()
    for capability in kept:
        word = data[capability // 32]
        word.effective |= 1 << capability % 32
        word.permitted |= 1 << capability % 32
    if _libc.capset(ctypes.byref(header), data) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def _prctl(option: int, argument: int) -> None:
    numbers = [ctypes.c_ulong(number) for number in (argument, 0, 0, 0)]
    if _libc.prctl(option, *numbers) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}, {argument})")
