"""What a request may say of a container's confinement."""

from __future__ import annotations

import re
from typing import Final

from shoal_common.containers.capabilities import parse_capability
from shoal_common.containers.devices import Device, checked_device
from shoal_common.containers.seccomp_profile import check_profile
from shoal_common.containers.sysctls import check_sysctl
from shoal_common.containers.ulimits import NAMES, Ulimit, check_ulimit
from shoal_common.errors import InvalidSpec
from shoal_proto.v1.container_pb2 import ContainerConfig, Security

MAX_GROUPS: Final = 64
MAX_SYSCTLS: Final = 128
MAX_DEVICES: Final = 256
_GROUP: Final = re.compile(r"[^:\s\x00-\x1f]{1,64}")


def confinement(config: ContainerConfig) -> None:
    """Check a configuration's confinement, and put names of capabilities into one form.

    Raises:
        InvalidSpec: something of it can never be right.
    """
    if config.HasField("security"):
        _security(config.security)
    _devices(config)
    if len(config.groups) > MAX_GROUPS:
        raise InvalidSpec(f"a container can't be in {len(config.groups)} further groups (use {MAX_GROUPS} at most)")
    for group in config.groups:
        if _GROUP.fullmatch(group) is None:
            raise InvalidSpec(f"group {group[:80]!a} is not valid (write a name or a number)")
    _ulimits(config)
    if len(config.sysctls) > MAX_SYSCTLS:
        raise InvalidSpec(f"a container can't have {len(config.sysctls)} sysctls (use {MAX_SYSCTLS} at most)")
    for name, value in sorted(config.sysctls.items()):
        check_sysctl(name, value)


def _security(security: Security) -> None:
    for names in (security.cap_add, security.cap_drop):
        # One each: it is a set, written as a list.
        names[:] = sorted({parse_capability(name) for name in names})
    if security.seccomp_unconfined and security.seccomp_profile:
        raise InvalidSpec("a seccomp profile and none at all exclude each other (leave one out)")
    if security.seccomp_profile:
        check_profile(security.seccomp_profile)


def _devices(config: ContainerConfig) -> None:
    if len(config.devices) > MAX_DEVICES:
        raise InvalidSpec(f"a container can't have {len(config.devices)} devices (use {MAX_DEVICES} at most)")
    targets: set[str] = set()
    for each in config.devices:
        found = checked_device(Device(each.source, each.target, each.permissions))
        each.source, each.target, each.permissions = found.source, found.target, found.permissions
        if found.target in targets:
            raise InvalidSpec(f"two devices are at {found.target} (leave one out)")
        targets.add(found.target)


def _ulimits(config: ContainerConfig) -> None:
    seen: set[str] = set()
    for each in config.ulimits:
        check_ulimit(Ulimit(each.name, each.soft, each.hard))
        if each.name in seen:
            raise InvalidSpec(f"ulimit {each.name} is given twice (leave one out; there are: {', '.join(NAMES)})")
        seen.add(each.name)
