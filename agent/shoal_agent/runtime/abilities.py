"""What the control groups of a host can hold containers to, beside memory, processors and processes.

A container that asks for more is placed elsewhere. What a kernel would take and then not do is not claimed either.
Source: the kernel's Documentation/admin-guide/cgroup-v1, cgroup-v2.rst and block/bfq-iosched.rst.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shoal_agent.runtime.cgroups import Cgroups
from shoal_common.containers import limits
from shoal_common.containers.cpusets import format_set, parse_set
from shoal_common.errors import InvalidSpec
from shoal_proto.v1.resources_pb2 import Resources

#: By version: the controller of each limit, and the file that sets it.
_FILES: Final[Mapping[int, Mapping[str, tuple[str, str]]]] = {
    1: {
        limits.SWAP: ("memory", "memory.memsw.limit_in_bytes"),
        limits.RESERVATION: ("memory", "memory.soft_limit_in_bytes"),
        limits.SHARES: ("cpu", "cpu.shares"),
        limits.CPUSET_CPUS: ("cpuset", "cpuset.cpus"),
        limits.CPUSET_MEMS: ("cpuset", "cpuset.mems"),
    },
    2: {
        limits.SWAP: ("memory", "memory.swap.max"),
        limits.RESERVATION: ("memory", "memory.low"),
        limits.SHARES: ("cpu", "cpu.weight"),
        limits.CPUSET_CPUS: ("cpuset", "cpuset.cpus"),
        limits.CPUSET_MEMS: ("cpuset", "cpuset.mems"),
    },
}
#: By version: the controller of weights at disks, the file of the scheduler BFQ, and the kernel's other one.
_WEIGHTS: Final = {1: ("blkio", "blkio.bfq.weight", "blkio.weight"), 2: ("io", "io.bfq.weight", "io.weight")}
_EFFECTIVE: Final = {1: "cpuset.effective_{}", 2: "cpuset.{}.effective"}
_BLOCK_DEVICES: Final = Path("/sys/block")


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a host can do.

    Attributes:
        limits: names of `shoal_common.containers.limits`.
        cpus, mems: processors and memory nodes that there are for containers, such as "0-3".
    """

    limits: tuple[str, ...]
    cpus: str = ""
    mems: str = ""


def abilities(groups: Cgroups, devices: Path = _BLOCK_DEVICES) -> Abilities:
    """Look at the node's control groups, which it has entered.

    Args:
        groups: the node's.
        devices: where the kernel shows its disks.
    """
    found = {
        name
        for name, (controller, file) in _FILES[groups.version].items()
        if (parent := groups.parent_of(controller)) is not None and (parent / file).exists()
    }
    if weight_file(groups, devices) is not None:
        found.add(limits.BLKIO_WEIGHT)
    return Abilities(
        limits=tuple(sorted({*found, limits.UPDATE, limits.OOM_SCORE})),
        cpus=_present(groups, "cpus") if limits.CPUSET_CPUS in found else "",
        mems=_present(groups, "mems") if limits.CPUSET_MEMS in found else "",
    )


def lacking(wanted: Resources, can: Abilities) -> str:
    """Return what of the limits a host can't do, in one line; "" if it can do all.

    What is placed here passed this once; a host that was booted otherwise may have lost it.
    """
    if kinds := limits.asked(wanted) - set(can.limits):
        return f"the control groups of this node can't do {', '.join(sorted(kinds))}"
    for what, there, name in ((wanted.cpuset_cpus, can.cpus, "cpus"), (wanted.cpuset_mems, can.mems, "memory nodes")):
        if missing := parse_set(what) - parse_set(there):
            return f"this node has no {name} {format_set(missing)} (it has {there or 'none'})"
    return ""


def weight_file(groups: Cgroups, devices: Path = _BLOCK_DEVICES) -> str | None:
    """Return the name of the file by which containers have weights at the disks; None if no disk goes by any."""
    controller, of_bfq, other = _WEIGHTS[groups.version]
    parent, root = groups.parent_of(controller), groups.root_of(controller)
    if parent is None or root is None:
        return None
    if (parent / of_bfq).exists() and any("[bfq]" in text for text in _schedulers(devices)):
        return of_bfq
    # Version 1 has it with the scheduler CFQ only, which was there for all disks. In version 2 it is of io.cost.
    goes_by_it = groups.version == 1 or "enable=1" in _text(root / "io.cost.qos")
    return other if goes_by_it and (parent / other).exists() else None


def _present(groups: Cgroups, what: str) -> str:
    root, parent = groups.root_of("cpuset"), groups.parent_of("cpuset")
    # A parent that an operator has narrowed counts; one that is new in version 1 has nothing yet.
    for group in (parent, root):
        if group is None:
            continue
        try:
            numbers = parse_set(_text(group / _EFFECTIVE[groups.version].format(what)).strip())
        except InvalidSpec:
            continue
        if numbers:
            return format_set(numbers)
    return ""


def _schedulers(devices: Path) -> list[str]:
    # All of them: a search that is broken off leaves its directory open.
    return [_text(file) for file in list(devices.glob("*/queue/scheduler"))]


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
