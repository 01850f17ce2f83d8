"""What a container asks for that loosens its confinement, and by what name the cluster's policy allows it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from shoal_common.containers.capabilities import is_default
from shoal_common.containers.namespaces import shares_host
from shoal_common.containers.policy import Permission
from shoal_proto.v1.container_pb2 import ContainerConfig, MountKind

#: Namespaces of the node's, as /proc calls them, and for people.
_OF_NODE: Final = (
    ("user", Permission.HOST_USERS, "user namespace"),
    ("net", Permission.HOST_NETWORK, "network"),
    ("pid", Permission.HOST_PID, "processes"),
    ("ipc", Permission.HOST_IPC, "shared memory"),
    ("uts", Permission.HOST_UTS, "host name"),
)


@dataclass(frozen=True, slots=True)
class Need:
    """One thing asked for.

    Attributes:
        permission: has to be allowed.
        what: is asked for, for people.
    """

    permission: Permission
    what: str


def needs(config: ContainerConfig) -> list[Need]:
    """Return everything in a configuration that the policy has to allow."""
    return list(_needs(config))


def named(config: ContainerConfig) -> list[str]:
    """Return the names of all permissions that a configuration needs, each once."""
    return sorted({need.permission.value for need in _needs(config)})


def unchecked(config: ContainerConfig, permissions: Collection[str]) -> str:
    """Return why a stored configuration is not run: nobody has held something in it against the policy; "" if all was.

    Args:
        permissions: that were allowed when it was stored, by who stored it.
    """
    need = missing(config, permissions)
    if need is None:
        return ""
    return f"it asks for {need.what}, which no controller has checked against the policy (remove it, and make it anew)"


def missing(config: ContainerConfig, allowed: Collection[str]) -> Need | None:
    """Return the first thing in a configuration that is not allowed, or None."""
    return next((need for need in _needs(config) if need.permission not in allowed), None)


def _needs(config: ContainerConfig) -> Iterator[Need]:
    security = config.security
    if security.privileged:
        yield Need(Permission.PRIVILEGED, "all privileges")
    if further := [name for name in security.cap_add if not is_default(name)]:
        plural = "capability" if len(further) == 1 else "capabilities"
        yield Need(Permission.CAPABILITIES, f"{plural} {', '.join(further)}")
    if security.new_privileges:
        yield Need(Permission.NEW_PRIVILEGES, "new privileges")
    if security.seccomp_unconfined or security.seccomp_profile:
        yield Need(Permission.SECCOMP, "other system calls than the default")
    for device in config.devices:
        yield Need(Permission.DEVICES, f"device {device.source}")
    for mount in config.mounts:
        if mount.kind == MountKind.MOUNT_KIND_BIND:
            yield Need(Permission.BIND_MOUNTS, f"{mount.source} of its node")
    if (score := config.resources.oom_score_adjust) < 0:
        yield Need(Permission.OOM_SCORE, f"oom score adjustment {score}")
    shared = shares_host(config)
    yield from (Need(permission, f"its node's {what}") for kind, permission, what in _OF_NODE if kind in shared)
