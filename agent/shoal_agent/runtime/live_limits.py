"""Limits of a container that runs: what is written into which file of its control groups, and in which order.

`changes` is pure: from what is wanted and what the files say. What is as it should be is not written, so that doing it
again changes nothing. A limit that is 0 was never asked for, and is left alone.

Memory is never taken away from a container by killing it: what is in use and can't be given back keeps its limit, and
that is told. Version 1 refuses by itself; version 2 would kill, and is not asked.

Source: the kernel's Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst; the conversions are those of the OCI
runtimes (runc, libcontainer/cgroups/utils.go), with which the container began.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shoal_agent.runtime.abilities import abilities, weight_file
from shoal_agent.runtime.bundle import CPU_PERIOD_US, MIN_CPU_QUOTA_US
from shoal_agent.runtime.cgroups import Cgroups
from shoal_common.containers import limits as kinds
from shoal_common.containers.cpusets import parse_set
from shoal_common.errors import InvalidSpec
from shoal_common.messages import copied
from shoal_common.units import format_bytes
from shoal_proto.v1.resources_pb2 import Resources

#: What version 1 shows for "no limit" is the largest multiple of a page.
_ENDLESS: Final = 1 << 62
_MEMORY: Final = "memory"
#: The field of each limit.
_FIELDS: Final = {
    kinds.SWAP: "memory_swap_bytes",
    kinds.RESERVATION: "memory_reservation_bytes",
    kinds.SHARES: "cpu_shares",
    kinds.CPUSET_CPUS: "cpuset_cpus",
    kinds.CPUSET_MEMS: "cpuset_mems",
    kinds.BLKIO_WEIGHT: "blkio_weight",
    "pids": "pids",
    _MEMORY: "memory_bytes",
    "cpus": "cpu_millis",
}
#: Every file that is looked at, by version and controller.
_FILES: Final[Mapping[int, Mapping[str, tuple[str, ...]]]] = {
    1: {
        "memory": (
            *("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.soft_limit_in_bytes"),
            "memory.usage_in_bytes",
        ),
        "cpu": ("cpu.cfs_quota_us", "cpu.shares"),
        "cpuset": ("cpuset.cpus", "cpuset.mems"),
        "pids": ("pids.max",),
        "blkio": ("blkio.bfq.weight", "blkio.weight"),
    },
    2: {
        "memory": ("memory.max", "memory.swap.max", "memory.low", "memory.current", "memory.stat"),
        "cpu": ("cpu.max", "cpu.weight"),
        "cpuset": ("cpuset.cpus", "cpuset.mems"),
        "pids": ("pids.max",),
        "io": ("io.bfq.weight", "io.weight"),
    },
}


@dataclass(frozen=True, slots=True)
class Change:
    """One line that is written.

    Attributes:
        limit: whose it is, as in the option of its name.
        controller, file: where it goes.
        value: the line.
    """

    limit: str
    controller: str
    file: str
    value: str


@dataclass(frozen=True, slots=True)
class Limited:
    """What came of it.

    Attributes:
        limits: what the container is held to now.
        warning: which limits could not be set, and why; "" if all were.
    """

    limits: Resources
    warning: str = ""


def changes(wanted: Resources, present: Mapping[str, str], *, version: int, weights: str | None = None) -> list[Change]:
    """Return what has to be written, in order.

    Args:
        wanted: the limits.
        present: what each file says; those that the host doesn't have are left out.
        version: of the control groups.
        weights: name of the file by which weights at disks are set; None if there is none.
    """
    found = _of_version_1(wanted, present) if version == 1 else _of_version_2(wanted, present)
    if wanted.cpuset_cpus:
        found.append(Change(kinds.CPUSET_CPUS, "cpuset", "cpuset.cpus", wanted.cpuset_cpus))
    if wanted.cpuset_mems:
        found.append(Change(kinds.CPUSET_MEMS, "cpuset", "cpuset.mems", wanted.cpuset_mems))
    if wanted.pids:
        found.append(Change("pids", "pids", "pids.max", str(wanted.pids)))
    if wanted.blkio_weight and weights is not None:
        weight = wanted.blkio_weight
        if weights == "io.weight":
            weight = 1 + (weight - kinds.MIN_BLKIO_WEIGHT) * 9999 // (kinds.MAX_BLKIO_WEIGHT - kinds.MIN_BLKIO_WEIGHT)
        found.append(Change(kinds.BLKIO_WEIGHT, weights.partition(".")[0], weights, str(weight)))
    return [each for each in found if not _says(present.get(each.file), each)]


def _of_version_1(wanted: Resources, present: Mapping[str, str]) -> list[Change]:
    found = []
    if wanted.memory_bytes:
        limit, both = "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"
        found.append(Change(_MEMORY, "memory", limit, str(wanted.memory_bytes)))
        if both in present:
            total = wanted.memory_swap_bytes or wanted.memory_bytes
            together = Change(kinds.SWAP, "memory", both, str(total))
            # The kernel wants memory to be limited to no more than both together, at any time.
            first = _amount(str(total)) >= _amount(present[limit])
            found.insert(0 if first else 1, together)
    if wanted.memory_reservation_bytes:
        value = str(wanted.memory_reservation_bytes)
        found.append(Change(kinds.RESERVATION, "memory", "memory.soft_limit_in_bytes", value))
    if wanted.cpu_millis:
        found.append(Change("cpus", "cpu", "cpu.cfs_quota_us", str(_quota(wanted))))
    if wanted.cpu_shares:
        found.append(Change(kinds.SHARES, "cpu", "cpu.shares", str(wanted.cpu_shares)))
    return found


def _of_version_2(wanted: Resources, present: Mapping[str, str]) -> list[Change]:
    found = []
    if wanted.memory_bytes:
        found.append(Change(_MEMORY, "memory", "memory.max", str(wanted.memory_bytes)))
        if "memory.swap.max" in present:
            swap = max(0, wanted.memory_swap_bytes - wanted.memory_bytes)
            value = "max" if wanted.memory_swap_bytes == kinds.UNLIMITED else str(swap)
            found.append(Change(kinds.SWAP, "memory", "memory.swap.max", value))
    if wanted.memory_reservation_bytes:
        found.append(Change(kinds.RESERVATION, "memory", "memory.low", str(wanted.memory_reservation_bytes)))
    if wanted.cpu_millis:
        found.append(Change("cpus", "cpu", "cpu.max", f"{_quota(wanted)} {CPU_PERIOD_US}"))
    if wanted.cpu_shares:
        weight = 1 + (wanted.cpu_shares - kinds.MIN_SHARES) * 9999 // (kinds.MAX_SHARES - kinds.MIN_SHARES)
        found.append(Change(kinds.SHARES, "cpu", "cpu.weight", str(weight)))
    return found


def _quota(wanted: Resources) -> int:
    return max(wanted.cpu_millis * CPU_PERIOD_US // 1000, MIN_CPU_QUOTA_US)


def _amount(text: str) -> int:
    text = text.strip()
    return _ENDLESS if text in ("max", "-1") else min(int(text), _ENDLESS)


def _says(text: str | None, change: Change) -> bool:
    """Say whether a file says already what a change would write."""
    if text is None:
        return False
    if change.controller == "memory":
        # The kernel rounds amounts down to pages.
        return _amount(text) == _amount(change.value) or 0 < _amount(change.value) - _amount(text) < os.sysconf(
            "SC_PAGE_SIZE"
        )
    if change.controller == "cpuset":
        try:
            return parse_set(text.strip()) == parse_set(change.value)
        except InvalidSpec:
            return False
    # "default 300", as io.bfq.weight says it.
    return text.split()[-1:] == [change.value] or text.strip() == change.value


def kept_in_use(present: Mapping[str, str]) -> int:
    """Return the bytes of memory that a container of version 2 could not be made to give back."""
    stat = dict(line.split() for line in present.get("memory.stat", "").splitlines() if len(line.split()) == 2)
    cache = int(stat.get("inactive_file", 0)) + int(stat.get("active_file", 0))
    return max(0, _amount(present.get("memory.current", "0")) - cache)


def hold_to(groups: Cgroups, name: str, wanted: Resources) -> Limited:
    """Hold a container that runs to limits, as far as that can be done. Doing it again changes nothing.

    Args:
        groups: the node's.
        name: of the attempt.
        wanted: the limits.
    """
    present = _read(groups, name)
    held, problems = copied(wanted), []
    for kind in sorted(kinds.asked(wanted) - set(abilities(groups).limits)):
        problems.append(f"{kind} could not be set: the control groups of this node can't do it")
        held.ClearField(_FIELDS[kind])
    for change in changes(held, present, version=groups.version, weights=weight_file(groups)):
        if change.limit == kinds.SWAP and held.memory_bytes != wanted.memory_bytes:
            # It is of both together, and memory has stayed.
            _keep(held, change, present)
            continue
        problem = _write(groups, name, change, present)
        if problem:
            _keep(held, change, present)
            problems.append(problem)
    return Limited(held, "; ".join(problems))


def _read(groups: Cgroups, name: str) -> dict[str, str]:
    found = {}
    for controller, files in _FILES[groups.version].items():
        group = groups.group(controller, name)
        if group is None:
            continue
        for file in files:
            try:
                found[file] = (group / file).read_text()
            except OSError:
                continue
    return found


def _write(groups: Cgroups, name: str, change: Change, present: Mapping[str, str]) -> str:
    """Write a change; return why it could not be done, "" if it was."""
    group = groups.group(change.controller, name)
    if group is None:
        return f"{change.limit} could not be set: the node has no control groups for it"
    if change.file == "memory.max" and (used := kept_in_use(present)) > int(change.value):
        return _in_use(change, used)
    try:
        (group / change.file).write_text(change.value)
    except FileNotFoundError:
        # It has ended, and its group is gone.
        return ""
    except OSError as error:
        if error.errno == errno.EBUSY and change.controller == "memory":
            return _in_use(change, _amount(present.get("memory.usage_in_bytes", "0")))
        return f"{change.limit} could not be set to {change.value}: {os.strerror(error.errno or 0)}"
    return ""


def _in_use(change: Change, used: int) -> str:
    return (
        f"{change.limit} stays as it was until the next start: {format_bytes(used)} are in use, more than the "
        f"{format_bytes(int(change.value))} asked for"
    )


def _keep(held: Resources, change: Change, present: Mapping[str, str]) -> None:
    """Put into `held` what is in force of a limit that could not be set."""
    text = present.get(change.file, "").strip()
    if change.limit == _MEMORY and text:
        amount = _amount(text)
        held.memory_bytes = 0 if amount >= _ENDLESS >> 1 else amount
    elif change.file == "memory.memsw.limit_in_bytes":
        amount = _amount(text)
        held.memory_swap_bytes = kinds.UNLIMITED if amount >= _ENDLESS >> 1 else amount
    elif change.limit == "cpus" and text:
        quota = text.split()[0]
        held.cpu_millis = 0 if quota in ("max", "-1") else int(quota) * 1000 // CPU_PERIOD_US
    else:
        held.ClearField(_FIELDS[change.limit])
