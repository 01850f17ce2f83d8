"""What a container's processes are held to: capabilities, limits, groups, system calls, kernel parameters.

Pure but for `own_limits`. What is executed beside the first process is held to the same, also by a later agent: it is
written into the attempt's directory.
"""

from __future__ import annotations

import platform
import resource
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from shoal_agent.runtime.devices import DeviceNode
from shoal_agent.runtime.oom_scores import CAPABLE, OwnScore, adjustment
from shoal_agent.runtime.seccomp import compile_profile
from shoal_common.containers import capabilities
from shoal_common.containers.seccomp_profile import translate
from shoal_common.containers.ulimits import UNLIMITED
from shoal_common.errors import InvalidSpec
from shoal_proto.v1.container_pb2 import ContainerConfig, Ulimit

Json: TypeAlias = dict[str, Any]
#: Soft and hard limit.
Limits: TypeAlias = tuple[int, int]

#: Numbers of limits by Docker's names (include/uapi/asm-generic/resource.h).
_NUMBERS: Final = {
    "cpu": 0,
    "fsize": 1,
    "data": 2,
    "stack": 3,
    "core": 4,
    "rss": 5,
    "nproc": 6,
    "nofile": 7,
    "memlock": 8,
    "locks": 10,
    "sigpending": 11,
    "msgqueue": 12,
    "nice": 13,
    "rtprio": 14,
    "rttime": 15,
}
#: How an OCI configuration writes "unlimited".
_INFINITY: Final = (1 << 64) - 1
#: What Docker's daemon allows its containers.
_OPEN_FILES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Confinement:
    """What is the same for the first process and for every command executed beside it.

    Attributes:
        capabilities: of root in the container.
        no_new_privileges: no setuid program gives more.
        rlimits: soft and hard limit by name ("RLIMIT_NOFILE").
        groups: names or numbers of further groups.
        sysctls: kernel parameters of the container's namespaces.
        seccomp: the section of an OCI configuration; None: every system call may be made.
        devices: of the node, that it is given.
        privileged: nothing in /proc is hidden, and it may write to what there is of its own in /proc and /sys.
        oom_score: what is added to the score by which the kernel kills for want of memory; None: what the agent has.
    """

    capabilities: frozenset[str]
    no_new_privileges: bool
    rlimits: Mapping[str, Limits]
    groups: tuple[str, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    seccomp: Mapping[str, Any] | None = None
    devices: tuple[DeviceNode, ...] = ()
    privileged: bool = False
    oom_score: int | None = None

    @property
    def standard_calls(self) -> bool:
        """Whether the system calls are those that a container may make that asked for nothing."""
        return self.seccomp == compile_profile(capabilities.DEFAULT)

    def encode(self) -> Json:
        """Return what commands that are executed later need of it."""
        return {
            "capabilities": capabilities.ordered(self.capabilities),
            "no_new_privileges": self.no_new_privileges,
            "rlimits": {name: list(limits) for name, limits in self.rlimits.items()},
            "groups": list(self.groups),
            "oom_score": self.oom_score,
        }

    @classmethod
    def decode(cls, value: Json) -> Confinement:
        """Return what `encode` wrote."""
        return cls(
            capabilities=frozenset(value["capabilities"]),
            no_new_privileges=bool(value["no_new_privileges"]),
            rlimits={name: (int(soft), int(hard)) for name, (soft, hard) in value["rlimits"].items()},
            groups=tuple(value["groups"]),
            oom_score=value.get("oom_score"),
        )


def own_limits() -> dict[str, int]:
    """Return the agent's own hard limits by Docker's names; -1 is unlimited. No container can have more."""
    return {name: resource.getrlimit(number)[1] for name, number in _NUMBERS.items()}


def own_capabilities() -> frozenset[str]:
    """Return the capabilities that the agent has. In its user namespace no container can have more."""
    status = Path("/proc/self/status").read_text()
    (permitted,) = [line.split()[1] for line in status.splitlines() if line.startswith("CapPrm:")]
    return frozenset(name for number, name in enumerate(capabilities.NAMES) if int(permitted, 16) >> number & 1)


def confinement_of(
    config: ContainerConfig,
    own: Mapping[str, int],
    *,
    capable: frozenset[str] = frozenset(capabilities.NAMES),
    score: OwnScore = CAPABLE,
    devices: tuple[DeviceNode, ...] = (),
    machine: str = "",
    release: str = "",
) -> Confinement:
    """Return what a container is held to.

    Args:
        config: what was asked for, allowed by the policy.
        own: hard limits of this node, by Docker's names; -1 is unlimited.
        capable: capabilities of this node's agent, which bound those of a container with the node's users.
        score: the agent's own.
        devices: those that it asks for, found on this node.
        machine: as uname says it; empty means this one.
        release: of the kernel, as uname says it; empty means this one.

    Raises:
        InvalidSpec: this node can't give what was asked for.
    """
    security = config.security
    added = [capabilities.ALL] if security.privileged else security.cap_add
    granted = capabilities.combined(added, security.cap_drop)
    if security.host_users and not granted <= capable:
        if capabilities.ALL not in added:
            lacking = ", ".join(name.removeprefix("CAP_") for name in capabilities.ordered(granted - capable))
            raise InvalidSpec(
                f"capabilities {lacking} are not this node's agent's own, which gives no more with its node's users "
                "(leave them out, or run the agent with them)"
            )
        # All is all that there is.
        granted &= capable
    return Confinement(
        capabilities=granted,
        no_new_privileges=not (security.new_privileges or security.privileged),
        rlimits=_rlimits(config.ulimits, own),
        groups=tuple(config.groups),
        sysctls=dict(config.sysctls),
        seccomp=_seccomp(config, granted, machine or platform.machine(), release or platform.release()),
        devices=devices,
        privileged=security.privileged,
        oom_score=adjustment(config.resources.oom_score_adjust, score),
    )


def _seccomp(config: ContainerConfig, granted: frozenset[str], machine: str, release: str) -> Mapping[str, Any] | None:
    security = config.security
    if security.seccomp_unconfined or (security.privileged and not security.seccomp_profile):
        return None
    if security.seccomp_profile:
        numbers = [int(part) for part in release.split("-")[0].split(".")[:2] if part.isdecimal()]
        kernel = (numbers[0], numbers[1]) if len(numbers) > 1 else (0, 0)
        return translate(security.seccomp_profile, capabilities=granted, machine=machine, kernel=kernel)
    return compile_profile(granted, machine)


def _rlimits(asked: Iterable[Ulimit], own: Mapping[str, int]) -> dict[str, Limits]:
    files = own["nofile"]
    files = _OPEN_FILES if files == UNLIMITED else min(_OPEN_FILES, files)
    limits = {"RLIMIT_NOFILE": (files, files)}
    for each in asked:
        highest = own[each.name]
        if highest != UNLIMITED and (each.hard == UNLIMITED or each.hard > highest):
            value = "unlimited" if each.hard == UNLIMITED else f"of {each.hard}"
            raise InvalidSpec(
                f"ulimit {each.name} {value} is more than this node's own of {highest} (ask for less, or give its "
                "agent more)"
            )
        limits[f"RLIMIT_{each.name.upper()}"] = (_oci(each.soft), _oci(each.hard))
    return limits


def _oci(value: int) -> int:
    return _INFINITY if value == UNLIMITED else value
