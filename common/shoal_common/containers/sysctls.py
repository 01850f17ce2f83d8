"""Kernel parameters that belong to a container's namespaces, as people write them: "net.ipv4.ip_forward=1".

Those of the node itself can't be set: they would hold for everybody on it. Source: namespaces(7), ipc_namespaces(7),
Documentation/admin-guide/sysctl.
"""

from __future__ import annotations

import re
from typing import Final

from shoal_common.errors import InvalidSpec

#: Of the namespace of System V and POSIX message queues, semaphores and shared memory.
_IPC: Final = frozenset(
    {
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
    }
)
_QUEUES: Final = "fs.mqueue."
_NETWORK: Final = "net."
#: A name with dots. One with slashes in it (net.ipv4.conf.eth0/1) is that of an interface with a dot in its name.
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]*(?:\.[A-Za-z0-9_/-]+)+")
_MOST: Final = 255


def parse_sysctl(text: str) -> tuple[str, str]:
    """Return name and value of NAME=VALUE.

    Raises:
        InvalidSpec: it is none, or one of the node's own.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise InvalidSpec(f"sysctl {text[:60]!a} is not valid (write NAME=VALUE)")
    check_sysctl(name, value)
    return name, value


def is_of_network(name: str) -> bool:
    """Say whether a parameter is one of a network namespace."""
    return name.startswith(_NETWORK)


def is_of_ipc(name: str) -> bool:
    """Say whether a parameter is one of an IPC namespace."""
    return name.startswith(_QUEUES) or name in _IPC


def check_sysctl(name: str, value: str) -> None:
    """Check that a parameter can be set for a container alone.

    Raises:
        InvalidSpec: it can't.
    """
    if _NAME.fullmatch(name) is None or ".." in name or "//" in name or len(name) > _MOST:
        raise InvalidSpec(f"sysctl {name[:60]!a} is not valid (write a name such as net.core.somaxconn)")
    if not (is_of_network(name) or is_of_ipc(name)):
        raise InvalidSpec(
            f"sysctl {name[:60]} is not one of a container's own, but the node's (there are: net.*, fs.mqueue.*, "
            f"{', '.join(sorted(_IPC))})"
        )
    if not value or len(value) > _MOST or not value.isprintable():
        raise InvalidSpec(f"value {value[:60]!a} of sysctl {name[:60]} is not valid (write a number, or several)")
