"""What can be asked of a container, as Python values, and the message that it becomes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, TypedDict

from shoal_common import units
from shoal_common.errors import InvalidSpec
from shoal_common.references import parse_reference
from shoal_common.restart_policy import Restart, parse_restart
from shoal_proto.v1.container_pb2 import ContainerConfig, NetworkMode, RestartMode, RestartPolicy, WaitCondition
from shoal_proto.v1.resources_pb2 import Resources, StringList


class Network(StrEnum):
    """What a container is connected to."""

    #: The cluster's flat network.
    DEFAULT = "default"
    #: Nothing but a loopback of its own.
    NONE = "none"


class Until(StrEnum):
    """What to wait for; each also holds for what is further on."""

    #: It is prepared: could start at once.
    READY = "ready"
    #: It runs, or has ended already.
    RUNNING = "running"
    #: It exited or failed, or was removed.
    ENDED = "ended"
    #: Nothing of it is left in the cluster.
    REMOVED = "removed"


CONDITIONS: Final = {
    Until.READY: WaitCondition.WAIT_CONDITION_READY,
    Until.RUNNING: WaitCondition.WAIT_CONDITION_RUNNING,
    Until.ENDED: WaitCondition.WAIT_CONDITION_UNSPECIFIED,
    Until.REMOVED: WaitCondition.WAIT_CONDITION_REMOVED,
}
_NETWORKS: Final = {
    Network.DEFAULT: NetworkMode.NETWORK_MODE_DEFAULT,
    Network.NONE: NetworkMode.NETWORK_MODE_NONE,
}

_RESTARTS: Final = {
    Restart.NO: RestartMode.RESTART_MODE_NO,
    Restart.ON_FAILURE: RestartMode.RESTART_MODE_ON_FAILURE,
    Restart.ALWAYS: RestartMode.RESTART_MODE_ALWAYS,
    Restart.UNLESS_STOPPED: RestartMode.RESTART_MODE_UNLESS_STOPPED,
}


class ContainerOptions(TypedDict, total=False):
    """What may be said of a container beside image and arguments; what is left out is the image's or the default."""

    #: Replaces the image's entry point; an empty list clears it.
    entrypoint: Iterable[str]
    #: Over the image's: a mapping, or "NAME=VALUE" in order.
    env: Mapping[str, str] | Iterable[str]
    #: Absolute directory that the process starts in.
    working_dir: str
    #: "user", "uid", "user:group" or "uid:gid", as the image knows them.
    user: str
    labels: Mapping[str, str]
    #: Left out: the first 12 digits of the id.
    hostname: str
    #: Bytes, or text such as "512m"; limited to it, and reserved on the node.
    memory: int | str
    #: Cores, such as 0.5; limited to it, and reserved on the node.
    cpus: float | str
    #: Most processes and threads at a time; left out means 4096.
    pids_limit: int
    #: Each "key==value" or "key!=value"; keys are node.id, node.name and node.labels.NAME.
    constraints: Iterable[str]
    network: Network
    #: Name of the signal that asks it to end, such as "SIGQUIT".
    stop_signal: str
    #: Seconds between that signal and SIGKILL; left out means 10.
    stop_timeout: int
    #: Remove it once it has ended.
    auto_remove: bool
    #: What its node does when it has ended by itself: "no", "on-failure", "on-failure:N" (at most N times), "always",
    #: "unless-stopped". Not together with auto_remove.
    restart: str
    #: OCI runtime by name; left out means the node's default.
    runtime: str


def configure(image: str, args: Iterable[str], options: ContainerOptions) -> ContainerConfig:
    """Return the message for what is asked, checked as far as that can be done without the cluster.

    Raises:
        InvalidSpec: image, memory, cpus, env, restart or pids_limit can never be right.
    """
    parse_reference(image)
    env = options.get("env", ())
    variables = [f"{name}={value}" for name, value in env.items()] if isinstance(env, Mapping) else list(env)
    for variable in variables:
        name, equals, _ = variable.partition("=")
        if not equals or not name or "\0" in variable:
            raise InvalidSpec(f'environment variable "{variable[:40]}" is not valid (write NAME=VALUE)')
    config = ContainerConfig(
        image=image,
        args=list(args),
        env=variables,
        working_dir=options.get("working_dir", ""),
        user=options.get("user", ""),
        labels=options.get("labels", {}),
        hostname=options.get("hostname", ""),
        resources=_resources(options),
        constraints=list(options.get("constraints", ())),
        network=_NETWORKS[Network(options.get("network", Network.DEFAULT))],
        stop_signal=options.get("stop_signal", ""),
        auto_remove=options.get("auto_remove", False),
        runtime=options.get("runtime", ""),
    )
    if "restart" in options:
        policy, most = parse_restart(options["restart"])
        config.restart.CopyFrom(RestartPolicy(mode=_RESTARTS[policy], maximum_retries=most))
    if "entrypoint" in options:
        config.entrypoint.CopyFrom(StringList(values=list(options["entrypoint"])))
    if "stop_timeout" in options:
        config.stop_timeout_seconds = options["stop_timeout"]
    return config


def _resources(options: ContainerOptions) -> Resources:
    memory = options.get("memory", 0)
    size = units.parse_bytes(memory) if isinstance(memory, str) else memory
    if size < 0 or ("memory" in options and size < units.MIN_MEMORY):
        raise InvalidSpec(
            f"memory {units.format_bytes(size)} is too little to start in "
            f"(give at least {units.format_bytes(units.MIN_MEMORY)})"
        )
    pids = options.get("pids_limit", 0)
    if "pids_limit" in options and pids < 1:
        raise InvalidSpec(f"pids limit {pids} is not valid (give at least 1, or leave it out for 4096)")
    cpus = units.parse_cpus(str(options["cpus"])) if "cpus" in options else 0
    return Resources(memory_bytes=size, cpu_millis=cpus, pids=pids)
