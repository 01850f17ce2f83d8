"""What a cluster's policy can allow containers to ask for. Nothing of it is allowed unless an administrator says so."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from shoal_common.errors import InvalidSpec


class Permission(StrEnum):
    """One thing that loosens a container's confinement."""

    PRIVILEGED = "privileged"
    CAPABILITIES = "capabilities"
    NEW_PRIVILEGES = "new-privileges"
    SECCOMP = "seccomp"
    DEVICES = "devices"
    BIND_MOUNTS = "bind-mounts"
    HOST_USERS = "host-users"
    HOST_NETWORK = "host-network"
    HOST_PID = "host-pid"
    HOST_IPC = "host-ipc"
    HOST_UTS = "host-uts"
    OOM_SCORE = "oom-score"


#: What each lets a container do, for people.
MEANING: Final = {
    Permission.PRIVILEGED: "lift all confinement but namespaces (--privileged)",
    Permission.CAPABILITIES: "have more capabilities than the default (--cap-add)",
    Permission.NEW_PRIVILEGES: "gain privileges by setuid programs (--security-opt no-new-privileges=false)",
    Permission.SECCOMP: "choose its own system calls (--security-opt seccomp=...)",
    Permission.DEVICES: "use devices of its node (--device)",
    Permission.BIND_MOUNTS: "mount directories of its node (-v /DIR:..., --mount type=bind)",
    Permission.HOST_USERS: "be root of its node where it is root (--userns host)",
    Permission.HOST_NETWORK: "use its node's network as its node does (--network host)",
    Permission.HOST_PID: "see, and signal, all processes of its node (--pid host)",
    Permission.HOST_IPC: "use its node's shared memory, semaphores and queues (--ipc host)",
    Permission.HOST_UTS: "have its node's host name (--uts host)",
    Permission.OOM_SCORE: "be killed for want of memory after others of its node (--oom-score-adj below 0)",
}


def parse_permission(text: str) -> Permission:
    """Return the permission that `text` names.

    Raises:
        InvalidSpec: there is none of this name.
    """
    try:
        return Permission(text)
    except ValueError:
        raise InvalidSpec(f"policy {text[:40]!a} is not known (there are: {', '.join(Permission)})") from None
