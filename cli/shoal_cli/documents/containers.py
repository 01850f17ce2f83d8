"""`shoal inspect CONTAINER`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from shoal.ports import published
from shoal_cli.documents.host_config import host_config
from shoal_cli.documents.parts import health_check, keys, time
from shoal_cli.formats import api_fields
from shoal_cli.templates import Struct
from shoal_proto.v1.container_pb2 import (
    Container,
    ContainerConfig,
    ContainerPhase,
    HealthState,
    Mount,
    MountKind,
    PortBinding,
)

_P: Final = ContainerPhase
#: Docker's word for each phase; ours is `Phase`.
_STATUS: Final[Mapping[int, str]] = {
    _P.CONTAINER_PHASE_PENDING: "created",
    _P.CONTAINER_PHASE_PREPARING: "created",
    _P.CONTAINER_PHASE_CREATED: "created",
    _P.CONTAINER_PHASE_STARTING: "created",
    _P.CONTAINER_PHASE_RUNNING: "running",
    _P.CONTAINER_PHASE_STOPPING: "running",
    _P.CONTAINER_PHASE_PAUSED: "paused",
    _P.CONTAINER_PHASE_RESTARTING: "restarting",
    _P.CONTAINER_PHASE_EXITED: "exited",
    _P.CONTAINER_PHASE_FAILED: "exited",
    _P.CONTAINER_PHASE_REMOVING: "removing",
    _P.CONTAINER_PHASE_LOST: "dead",
}
#: As in Docker, what is frozen or about to be started again counts as running.
_RUNNING: Final = ("running", "paused", "restarting")
_HEALTH: Final[Mapping[int, str]] = {
    HealthState.HEALTH_STATE_STARTING: "starting",
    HealthState.HEALTH_STATE_HEALTHY: "healthy",
    HealthState.HEALTH_STATE_UNHEALTHY: "unhealthy",
}
_MOUNTS: Final[Mapping[int, str]] = {
    MountKind.MOUNT_KIND_BIND: "bind",
    MountKind.MOUNT_KIND_VOLUME: "volume",
    MountKind.MOUNT_KIND_TMPFS: "tmpfs",
}


def document(container: Container) -> Struct:
    """Return a container as Docker shows one. In templates the API's own fields are there as well."""
    spec, status = container.spec, container.status
    command = list(status.command) or [*spec.config.entrypoint.values, *spec.config.args]
    return Struct(
        {
            "Id": spec.id,
            "Created": time(spec, "created_at"),
            "Path": command[0] if command else "",
            "Args": command[1:],
            "State": _state(container),
            "Image": spec.image_digest,
            "Name": f"/{spec.name}",
            "RestartCount": status.restarts,
            "Driver": "overlay",
            "Platform": "linux",
            "Node": Struct({"ID": container.placement.node, "Name": container.node_name, "IP": container.node_address}),
            "HostConfig": host_config(spec.config),
            "Mounts": [_mount(each) for each in spec.config.mounts],
            "Config": _config(container, command),
            "NetworkSettings": _network_settings(container),
            # Only where it was asked for, and its node has answered.
            **(
                {"SizeRw": container.writable_bytes, "SizeRootFs": container.root_bytes}
                if container.HasField("writable_bytes")
                else {}
            ),
        },
        # What was not counted can be asked for all the same.
        cache(lambda: {**api_fields(container), "SizeRw": None, "SizeRootFs": None}),
    )


def _state(container: Container) -> Struct:
    status = container.status
    word = _STATUS.get(container.phase, "unknown")
    phase = {number: name for name, number in ContainerPhase.items()}.get(container.phase, str(container.phase))
    made = {
        "Status": word,
        "Running": word in _RUNNING,
        "Paused": word == "paused",
        "Restarting": word == "restarting",
        "OOMKilled": status.oom_killed,
        "Dead": word == "dead",
        "Pid": status.pid,
        "ExitCode": status.exit_code,
        # Why it does not run; of one that does, what there is to say is no error.
        "Error": "" if word in _RUNNING else container.detail or status.reason,
        "StartedAt": time(status, "started_at"),
        "FinishedAt": time(status, "finished_at"),
        "Phase": phase.removeprefix("CONTAINER_PHASE_").lower(),
    }
    if (word_of_health := _HEALTH.get(status.health)) is None:
        # As in Docker it is not there; it can be asked for all the same.
        return Struct(made, lambda: {"Health": None})
    said = [{"End": time(status, "health_at"), "Output": status.health_output}] if status.health_output else []
    return Struct({**made, "Health": Struct({"Status": word_of_health, "Log": said})})


def _mount(mount: Mount) -> Struct:
    kind = _MOUNTS.get(mount.kind, "unknown")
    volume = kind == "volume"
    return Struct(
        {
            "Type": kind,
            "Name": (mount.source or mount.volume_id) if volume else "",
            # Where a volume's data is, only its node knows.
            "Source": "" if volume else mount.source,
            "Destination": mount.target,
            "Driver": "local" if volume else "",
            "Mode": "ro" if mount.read_only else "",
            "RW": not mount.read_only,
            "Propagation": "rprivate" if kind == "bind" else "",
        }
    )


def _config(container: Container, command: list[str]) -> Struct:
    spec, config = container.spec, container.spec.config
    return Struct(
        {
            "Hostname": config.hostname or spec.id[:12],
            "User": config.user,
            "ExposedPorts": keys(_exposed(config)),
            "Tty": config.tty,
            "OpenStdin": config.open_stdin,
            "StdinOnce": config.stdin_once,
            "Env": list(config.env),
            "Cmd": list(config.args) or (command if not config.HasField("entrypoint") else []),
            "Healthcheck": Struct(health_check(config.health)) if config.HasField("health") else None,
            "Image": config.image,
            "Volumes": keys(each.target for each in config.mounts if each.kind == MountKind.MOUNT_KIND_VOLUME),
            "WorkingDir": config.working_dir,
            "Entrypoint": list(config.entrypoint.values),
            "Labels": dict(config.labels),
            "StopSignal": config.stop_signal,
            "StopTimeout": config.stop_timeout_seconds if config.HasField("stop_timeout_seconds") else None,
        }
    )


def _exposed(config: ContainerConfig) -> list[str]:
    ports = set(config.exposed_ports)
    for each in config.ports:
        protocol = each.protocol or "tcp"
        ports |= {f"{port}/{protocol}" for port in range(each.container_first, each.container_last + 1)}
    return sorted(ports, key=lambda port: (int(port.partition("/")[0]), port))


def _network_settings(container: Container) -> Struct:
    networks = {
        each.network: Struct(
            {
                "IPAddress": each.ip,
                "IPPrefixLen": each.prefix_length,
                "Gateway": each.gateway,
                "MacAddress": each.mac,
            }
        )
        for each in container.placement.addresses
    }
    first = next(iter(networks.values()), None)
    fields = ("IPAddress", "IPPrefixLen", "Gateway", "MacAddress")
    nothing: dict[str, object] = {"IPAddress": "", "IPPrefixLen": 0, "Gateway": "", "MacAddress": ""}
    return Struct(
        {
            "Ports": _ports(container),
            **{name: (first or nothing)[name] for name in fields},
            "Networks": networks,
        }
    )


def _ports(container: Container) -> dict[str, object]:
    """Return by what each exposed port is reached; nothing for one that is not published."""
    bindings: dict[str, list[PortBinding]] = {port: [] for port in _exposed(container.spec.config)}
    for each in published(container):
        bindings.setdefault(f"{each.container_port}/{each.protocol}", []).append(each)
    return {
        port: [Struct({"HostIp": each.host_ip, "HostPort": str(each.host_port)}) for each in found] or None
        for port, found in bindings.items()
    }
