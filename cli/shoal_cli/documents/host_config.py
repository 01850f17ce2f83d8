"""What a container was asked for beside what it runs: `HostConfig`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shoal_cli.templates import Struct
from shoal_common.containers.restart_policy import Restart
from shoal_proto.v1.container_pb2 import (
    ContainerConfig,
    Mount,
    MountKind,
    NamespaceSharing,
    NetworkMode,
    PortMapping,
    RestartMode,
    SharingMode,
)

_RESTARTS: Final[Mapping[int, str]] = {
    RestartMode.RESTART_MODE_UNSPECIFIED: Restart.NO,
    RestartMode.RESTART_MODE_NO: Restart.NO,
    RestartMode.RESTART_MODE_ON_FAILURE: Restart.ON_FAILURE,
    RestartMode.RESTART_MODE_ALWAYS: Restart.ALWAYS,
    RestartMode.RESTART_MODE_UNLESS_STOPPED: Restart.UNLESS_STOPPED,
}
_SHARINGS: Final[Mapping[int, str]] = {
    SharingMode.SHARING_MODE_HOST: "host",
    SharingMode.SHARING_MODE_SHAREABLE: "shareable",
    SharingMode.SHARING_MODE_NONE: "none",
}
_NETWORKS: Final[Mapping[int, str]] = {
    NetworkMode.NETWORK_MODE_UNSPECIFIED: "default",
    NetworkMode.NETWORK_MODE_DEFAULT: "default",
    NetworkMode.NETWORK_MODE_NONE: "none",
    NetworkMode.NETWORK_MODE_HOST: "host",
}
_NANO_PER_MILLI: Final = 1_000_000
#: What a container has of /dev/shm, and of processes, if nothing was said.
_SHM: Final = 64 << 20
_PIDS: Final = 4096


def host_config(config: ContainerConfig) -> Struct:
    """Return what was asked for as Docker has it."""
    limits, security = config.resources, config.security
    return Struct(
        {
            "Binds": [text for mount in config.mounts if (text := _bind(mount))],
            "LogConfig": Struct(
                {
                    "Type": "json-file",
                    "Config": {
                        key: str(value)
                        for key, value in (("max-size", config.log.max_size_bytes), ("max-file", config.log.max_files))
                        if value
                    },
                }
            ),
            "NetworkMode": _NETWORKS.get(config.network, f"container:{config.network_container}"),
            "PortBindings": _port_bindings(config),
            "RestartPolicy": Struct(
                {
                    "Name": str(_RESTARTS.get(config.restart.mode, "unknown")),
                    "MaximumRetryCount": config.restart.maximum_retries,
                }
            ),
            "AutoRemove": config.auto_remove,
            "CapAdd": list(security.cap_add),
            "CapDrop": list(security.cap_drop),
            "Dns": list(config.dns.servers),
            "DnsOptions": list(config.dns.options),
            "DnsSearch": list(config.dns.search),
            "ExtraHosts": list(config.extra_hosts),
            "GroupAdd": list(config.groups),
            "IpcMode": _sharing(config.ipc, "private"),
            "PidMode": _sharing(config.pid, ""),
            "UTSMode": _sharing(config.uts, ""),
            "UsernsMode": "host" if security.host_users else "",
            "Privileged": security.privileged,
            "PublishAllPorts": config.publish_all,
            "ReadonlyRootfs": config.read_only,
            "SecurityOpt": _security_options(config),
            "Sysctls": dict(config.sysctls),
            "Tmpfs": {each.target: "" for each in config.mounts if each.kind == MountKind.MOUNT_KIND_TMPFS},
            "ShmSize": config.shm_size_bytes or _SHM,
            "Runtime": config.runtime,
            "Init": config.init,
            "Memory": limits.memory_bytes,
            "MemoryReservation": limits.memory_reservation_bytes,
            # As in Docker: memory and swap together.
            "MemorySwap": limits.memory_swap_bytes or limits.memory_bytes,
            "NanoCpus": limits.cpu_millis * _NANO_PER_MILLI,
            "CpuShares": limits.cpu_shares,
            "CpusetCpus": limits.cpuset_cpus,
            "CpusetMems": limits.cpuset_mems,
            "BlkioWeight": limits.blkio_weight,
            "OomScoreAdj": limits.oom_score_adjust,
            "PidsLimit": limits.pids or _PIDS,
            "Ulimits": [Struct({"Name": each.name, "Soft": each.soft, "Hard": each.hard}) for each in config.ulimits],
            "Devices": [
                Struct(
                    {
                        "PathOnHost": each.source,
                        "PathInContainer": each.target or each.source,
                        "CgroupPermissions": each.permissions or "rwm",
                    }
                )
                for each in config.devices
            ],
            "Constraints": list(config.constraints),
        }
    )


def _bind(mount: Mount) -> str:
    """Return a mount as -v has it; nothing for memory, and for volumes that have no name."""
    if mount.kind not in (MountKind.MOUNT_KIND_BIND, MountKind.MOUNT_KIND_VOLUME) or not mount.source:
        return ""
    return f"{mount.source}:{mount.target}{':ro' if mount.read_only else ''}"


def _sharing(of: NamespaceSharing, own: str) -> str:
    if of.mode == SharingMode.SHARING_MODE_CONTAINER:
        return f"container:{of.container}"
    return _SHARINGS.get(of.mode, own)


def _security_options(config: ContainerConfig) -> list[str]:
    security = config.security
    found = ["no-new-privileges=false"] if security.new_privileges else []
    if security.seccomp_unconfined:
        found.append("seccomp=unconfined")
    elif security.seccomp_profile:
        found.append(f"seccomp={security.seccomp_profile}")
    return found


def _port_bindings(config: ContainerConfig) -> dict[str, object]:
    """Return what was asked to be published, by port of the container."""
    found: dict[str, list[object]] = {}
    for each in config.ports:
        for number, port in enumerate(range(each.container_first, each.container_last + 1)):
            found.setdefault(f"{port}/{each.protocol or 'tcp'}", []).append(
                Struct({"HostIp": each.host_ip, "HostPort": _host_port(each, number)})
            )
    return dict(found)


def _host_port(mapping: PortMapping, number: int) -> str:
    if not mapping.host_first:
        return ""
    alike = mapping.host_last - mapping.host_first == mapping.container_last - mapping.container_first
    return str(mapping.host_first + number) if alike else f"{mapping.host_first}-{mapping.host_last}"
