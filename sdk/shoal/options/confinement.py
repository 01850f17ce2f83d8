"""What a container may do beyond, or short of, what every container may."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypedDict

from shoal_common.containers import capabilities
from shoal_common.containers.devices import Device, checked_device, parse_device
from shoal_common.containers.seccomp_profile import check_profile
from shoal_common.containers.sysctls import check_sysctl, parse_sysctl
from shoal_common.containers.ulimits import Ulimit, check_ulimit, parse_ulimit
from shoal_proto.v1 import container_pb2
from shoal_proto.v1.container_pb2 import ContainerConfig


class ConfinementOptions(TypedDict, total=False):
    """Of its confinement. What loosens it has to be allowed by the cluster's policy (`Cluster.update_policy`)."""

    #: Capabilities beyond the default fourteen, such as "NET_ADMIN"; "ALL" for all of its own user namespace.
    cap_add: Iterable[str]
    #: Capabilities that it does without; "ALL" for all but those in cap_add.
    cap_drop: Iterable[str]
    #: Names or numbers of further groups of the first process, and of what is executed.
    groups: Iterable[str]
    #: `Ulimit`s, or "nofile=1024:2048".
    ulimits: Iterable[Ulimit | str]
    #: Kernel parameters of its own namespaces: a mapping, or "net.core.somaxconn=512".
    sysctls: Mapping[str, str] | Iterable[str]
    #: A seccomp profile (JSON, in Docker's form) instead of Shoal's; "unconfined" for none.
    seccomp: str
    #: `Device`s of the node, or "/dev/fuse[:/dev/own][:rwm]".
    devices: Iterable[Device | str]
    #: All capabilities of its own user namespace, every system call, nothing hidden in /proc, /sys writable.
    privileged: bool
    #: Setuid programs and file capabilities give more than the process has.
    new_privileges: bool
    #: As userns="host".
    host_users: bool


def apply(config: ContainerConfig, options: ConfinementOptions) -> None:
    """Put the options into a configuration.

    Raises:
        InvalidSpec: one of them can never be right.
    """
    security = container_pb2.Security(
        privileged=options.get("privileged", False),
        new_privileges=options.get("new_privileges", False),
        host_users=options.get("host_users", False),
    )
    security.cap_add.extend(capabilities.parse_capability(text) for text in options.get("cap_add", ()))
    security.cap_drop.extend(capabilities.parse_capability(text) for text in options.get("cap_drop", ()))
    seccomp = options.get("seccomp", "")
    if seccomp == "unconfined":
        security.seccomp_unconfined = True
    elif seccomp:
        check_profile(seccomp)
        security.seccomp_profile = seccomp
    if security.ByteSize():
        config.security.CopyFrom(security)
    for asked_device in options.get("devices", ()):
        device = parse_device(asked_device) if isinstance(asked_device, str) else checked_device(asked_device)
        config.devices.add(source=device.source, target=device.target, permissions=device.permissions)
    config.groups.extend(options.get("groups", ()))
    # Of several with one name the last counts, as with Docker.
    config.ulimits.extend({each.name: each for each in map(_ulimit, options.get("ulimits", ()))}.values())
    asked = options.get("sysctls", {})
    pairs = asked.items() if isinstance(asked, Mapping) else (parse_sysctl(text) for text in asked)
    for name, value in pairs:
        check_sysctl(name, value)
        config.sysctls[name] = value


def _ulimit(asked: Ulimit | str) -> container_pb2.Ulimit:
    limit = parse_ulimit(asked) if isinstance(asked, str) else asked
    check_ulimit(limit)
    return container_pb2.Ulimit(name=limit.name, soft=limit.soft, hard=limit.hard)
