"""What a container may use, and where it may be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict

from shoal_common import units
from shoal_common.errors import InvalidSpec
from shoal_proto.v1.container_pb2 import ContainerConfig
from shoal_proto.v1.resources_pb2 import Resources


class LimitOptions(TypedDict, total=False):
    """Of its resources, and of the node that has them."""

    #: Bytes, or text such as "512m"; limited to it, and reserved on the node.
    memory: int | str
    #: Cores, such as 0.5; limited to it, and reserved on the node.
    cpus: float | str
    #: Most processes and threads at a time; left out means 4096.
    pids_limit: int
    #: Each "key==value" or "key!=value"; keys are node.id, node.name and node.labels.NAME.
    constraints: Iterable[str]


def apply(config: ContainerConfig, options: LimitOptions) -> None:
    """Put the options into a configuration.

    Raises:
        InvalidSpec: memory, cpus or pids_limit can never be right.
    """
    config.resources.CopyFrom(_resources(options))
    config.constraints.extend(options.get("constraints", ()))


def _resources(options: LimitOptions) -> Resources:
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
