"""Types of what is said of a container."""

from __future__ import annotations

from typing import Final

from shoal_cli.params import Checked
from shoal_common import units
from shoal_common.containers import (
    capabilities,
    cpusets,
    devices,
    log_options,
    mounts,
    naming,
    ports,
    restart_policy,
    security_options,
    sharing,
    sysctls,
    ulimits,
)
from shoal_common.errors import InvalidSpec


def _memory(text: str) -> None:
    size = units.parse_bytes(text)
    if size < units.MIN_MEMORY:
        raise InvalidSpec(f'"{text}" is too little to start in (give at least {units.MIN_MEMORY >> 20}m)')


def _swap(text: str) -> None:
    if text != "-1":
        _memory(text)


def _cpuset(text: str) -> None:
    if not cpusets.parse_set(text):
        raise InvalidSpec("an empty set is not valid (write numbers and ranges from 0, such as 0-2,4)")


def _shm_size(text: str) -> None:
    if not units.parse_bytes(text):
        raise InvalidSpec(f'"{text}" is no size (give more than 0, or leave it out for 64m)')


MEMORY: Final = Checked("memory", _memory)
SWAP: Final = Checked("memory", _swap)
CPUSET: Final = Checked("list", _cpuset)
CPUS: Final = Checked("cpus", units.parse_cpus)
EXPOSED: Final = Checked("port", ports.parse_exposed)
SERVER: Final = Checked("address", naming.check_server)
SEARCH: Final = Checked("domain", naming.check_search)
RESOLVER_OPTION: Final = Checked("option", naming.check_option)
HOST: Final = Checked("host", naming.parse_host)
NETWORK: Final = Checked("network", sharing.parse_network)
PID: Final = Checked("namespace", sharing.parse_pid)
IPC: Final = Checked("namespace", sharing.parse_ipc)
UTS: Final = Checked("namespace", sharing.parse_uts)
USERS: Final = Checked("namespace", sharing.parse_users)
PUBLISH: Final = Checked("port", ports.parse_publication)
RESTART: Final = Checked("policy", restart_policy.parse_restart)
VOLUME: Final = Checked("volume", mounts.parse_volume)
MOUNT: Final = Checked("mount", mounts.parse_mount)
TARGET: Final = Checked("path", mounts.check_target)
TMPFS: Final = Checked("tmpfs", mounts.parse_tmpfs)
SHM_SIZE: Final = Checked("size", _shm_size)
CAPABILITY: Final = Checked("capability", capabilities.parse_capability)
SECURITY_OPTION: Final = Checked("option", lambda text: security_options.parse_security_options((text,)))
DEVICE: Final = Checked("device", devices.parse_device)
ULIMIT: Final = Checked("ulimit", ulimits.parse_ulimit)
SYSCTL: Final = Checked("sysctl", sysctls.parse_sysctl)
DURATION: Final = Checked("duration", units.parse_duration)
LOG_OPTION: Final = Checked("option", log_options.parse_log_option)
