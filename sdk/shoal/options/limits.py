"""What a container may use, and where it may be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict

from shoal_common import units
from shoal_common.containers.limits import check_limits, check_oom_score
from shoal_common.errors import InvalidSpec
from shoal_proto.v1.container_pb2 import ContainerConfig
from shoal_proto.v1.resources_pb2 import Resources


class Limits(TypedDict, total=False):
    """Of its resources; they can be changed while it runs as well."""

    #: Bytes, or text such as "512m"; limited to it, and reserved on the node.
    memory: int | str
    #: Memory and swap together, likewise; -1 means as much swap as there is. Left out: no swap.
    memory_swap: int | str
    #: What it is pushed back to when the node runs short of memory.
    memory_reservation: int | str
    #: Cores, such as 0.5; limited to it, and reserved on the node.
    cpus: float | str
    #: Weight against others when processors are short; left out means 1024.
    cpu_shares: int
    #: Processors of the node that it may use, such as "0-2,4".
    cpuset_cpus: str
    #: Memory nodes that it may use, such as "0".
    cpuset_mems: str
    #: Most processes and threads at a time; left out means 4096.
    pids_limit: int
    #: Weight against others at disks, 10 to 1000.
    blkio_weight: int


class LimitOptions(Limits, total=False):
    """Of its resources, and of the node that has them."""

    #: -1000 to 1000: whom of the node the kernel kills later, or sooner, for want of memory.
    oom_score_adj: int
    #: Each "key==value" or "key!=value"; keys are node.id, node.name and node.labels.NAME.
    constraints: Iterable[str]


def apply(config: ContainerConfig, options: LimitOptions) -> None:
    """Put the options into a configuration.

    Raises:
        InvalidSpec: one of them can never be right.
    """
    limits = resources(options)
    score = options.get("oom_score_adj", 0)
    check_oom_score(score)
    limits.oom_score_adjust = score
    check_limits(limits)
    config.resources.CopyFrom(limits)
    config.constraints.extend(options.get("constraints", ()))


def resources(options: Limits) -> Resources:
    """Return the limits that are asked for; 0 for what was left out.

    Raises:
        InvalidSpec: one of them can never be right, whatever the others are.
    """
    memory = _bytes(options.get("memory", 0))
    if "memory" in options and memory < units.MIN_MEMORY:
        raise InvalidSpec(
            f"memory {units.format_bytes(memory)} is too little to start in "
            f"(give at least {units.format_bytes(units.MIN_MEMORY)})"
        )
    pids = options.get("pids_limit", 0)
    if "pids_limit" in options and pids < 1:
        raise InvalidSpec(f"pids limit {pids} is not valid (give at least 1, or leave it out for 4096)")
    shares, weight = options.get("cpu_shares", 0), options.get("blkio_weight", 0)
    for name, number in (("cpu shares", shares), ("blkio weight", weight)):
        if not 0 <= number < 1 << 32:
            raise InvalidSpec(f"{name} of {number} are not possible (leave them out, or give a number above 0)")
    return Resources(
        memory_bytes=memory,
        memory_swap_bytes=_bytes(options.get("memory_swap", 0)),
        memory_reservation_bytes=_bytes(options.get("memory_reservation", 0)),
        cpu_millis=units.parse_cpus(str(options["cpus"])) if "cpus" in options else 0,
        cpu_shares=shares,
        cpuset_cpus=options.get("cpuset_cpus", ""),
        cpuset_mems=options.get("cpuset_mems", ""),
        pids=pids,
        blkio_weight=weight,
    )


def _bytes(amount: int | str) -> int:
    if amount == "-1":
        return -1
    return units.parse_bytes(amount) if isinstance(amount, str) else amount
