"""Makes sure that what a container sees at /sys is a sysfs of its own sandbox.

crun binds the host's /sys, writable, where the kernel refuses a new sysfs, which it does if the network namespace is
not owned by the container's user namespace. Nothing must run then. Source: ioctl_ns(2), proc(5).
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

_NS_GET_USERNS: Final = 0xB701


def check_owned(network: Path, user: Path) -> str:
    """Return why a network namespace is not fit for a user namespace; empty if it is."""
    try:
        fd = os.open(network, os.O_RDONLY | os.O_CLOEXEC)
        try:
            owner = fcntl.ioctl(fd, _NS_GET_USERNS)
        finally:
            os.close(fd)
        try:
            mine = os.fstat(owner)
            wanted = os.stat(user)
        finally:
            os.close(owner)
    except OSError as error:
        return f"namespace {network} can't be read: {error.strerror}"
    if (mine.st_dev, mine.st_ino) != (wanted.st_dev, wanted.st_ino):
        return f"network namespace {network} is not owned by user namespace {user}"
    return ""


def check_mounted(mountinfo: str, *, writable: bool = False, of_host: bool = False) -> str:
    """Return what is wrong with /sys as a process sees it; empty if it is a sysfs of its own, read-only unless said.

    Args:
        mountinfo: the process's (proc(5)).
        writable: it is to be written to.
        of_host: its network is the host's, and so is what a sysfs shows.
    """
    found = ""
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split()
        if fields[4] == "/sys":
            found = f"{right.split()[0]} {fields[2]} {fields[3]} {'ro' if 'ro' in fields[5].split(',') else 'rw'}"
    host = os.stat("/sys").st_dev
    kind, device, root, access = found.split() if found else ("nothing", "0:0", "/", "rw")
    if (
        kind != "sysfs"
        or root != "/"
        or access != ("rw" if writable else "ro")
        or (device == f"{os.major(host)}:{os.minor(host)}" and not of_host)
    ):
        kind = "sysfs" if writable else "read-only sysfs"
        return f"/sys of the container is not a {kind} of its own ({found or 'nothing is mounted'})"
    return ""
