"""Namespaces of another task, or of the node, that a task shares. Those of a task are found by its first process.

A process may end, and its id be given to another, between the look at it and the runtime's: what the new container has
come into is compared before anything of it runs. Source: namespaces(7), proc(5), ioctl_ns(2).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from shoal_agent.kernel import processes
from shoal_agent.runtime import own_sys
from shoal_common.errors import Conflict

PID: Final = "pid"
IPC: Final = "ipc"
NETWORK: Final = "net"
UTS: Final = "uts"
#: What of the node's is at /dev/shm of a task that has its ipc.
HOST_SHM: Final = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class Namespace:
    """One namespace: where it is found, and which it is."""

    path: Path
    identity: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Shared:
    """What a task shares.

    Attributes:
        joined: namespaces of another task, by kind.
        shm: the directory that is /dev/shm of that one as well.
        lends: others may join its own ipc: its /dev/shm lies where they find it.
        host: kinds of namespaces that are the node's.
    """

    joined: Mapping[str, Namespace] = field(default_factory=dict)
    shm: Path | None = None
    lends: bool = False
    host: frozenset[str] = frozenset()


#: Nothing.
ALONE: Final = Shared()


def namespaces_of(pid: int, pid_start: int, kinds: tuple[str, ...]) -> dict[str, Namespace]:
    """Return namespaces of a process.

    Args:
        pid_start: its start time, by which it is known from another one of the same id.
        kinds: as /proc calls them.

    Raises:
        Conflict: it has ended.
    """
    found = {}
    try:
        for kind in kinds:
            path = Path(f"/proc/{pid}/ns/{kind}")
            status = path.stat()
            found[kind] = Namespace(path, (status.st_dev, status.st_ino))
    except (FileNotFoundError, ProcessLookupError):
        raise _ended() from None
    if processes.start_time(pid) != pid_start:
        raise _ended()
    return found


def check_owned(shared: Shared, user: Path) -> str:
    """Return why a namespace that is joined is not fit for a user namespace; empty if all are."""
    wrong = (own_sys.check_owned(each.path, user) for each in shared.joined.values())
    return next(filter(None, wrong), "")


def check_joined(pid: int, shared: Shared) -> str:
    """Return which namespace a new container has not come into; empty if it is in all that it was to join."""
    for kind, wanted in shared.joined.items():
        status = os.stat(f"/proc/{pid}/ns/{kind}")
        if (status.st_dev, status.st_ino) != wanted.identity:
            return f"its {kind} namespace is not that of the container that it joins, which has ended meanwhile"
    return ""


def _ended() -> Conflict:
    return Conflict("the container that it joins has just ended")
