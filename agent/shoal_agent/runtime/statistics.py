"""What a container uses, from the files of its control groups and of its network.

Reading is all there is to it: no process is started, and a file that isn't there counts as nothing. `parse` is pure.
Source: the kernel's Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst; proc(5), /proc/pid/net/dev.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shoal_agent.runtime.cgroups import Cgroups
from shoal_proto.v1.container_pb2 import ContainerStats

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_NS: Final = 1_000_000_000
#: What version 1 shows for "no limit" is the largest multiple of a page.
_ENDLESS: Final = 1 << 62
#: More than any of these files has.
_LONGEST: Final = 64 << 10
_LOOPBACK: Final = "lo"

#: By version and controller.
FILES: Final[Mapping[int, Mapping[str, tuple[str, ...]]]] = {
    1: {
        "cpuacct": ("cpuacct.usage", "cpuacct.stat"),
        "cpu": ("cpu.stat",),
        "memory": ("memory.usage_in_bytes", "memory.limit_in_bytes", "memory.stat", "memory.oom_control"),
        "pids": ("pids.current", "pids.max"),
        "blkio": ("blkio.throttle.io_service_bytes_recursive",),
    },
    2: {
        "cpu": ("cpu.stat",),
        "memory": ("memory.current", "memory.max", "memory.stat", "memory.swap.current", "memory.events"),
        "pids": ("pids.current", "pids.max"),
        "io": ("io.stat",),
    },
}
NETWORK: Final = "net/dev"


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at one container.

    Attributes:
        at: seconds on the clock that rates are reckoned by.
        stats: all but names and rates.
    """

    at: float
    stats: ContainerStats


def read(groups: Cgroups, name: str, pid: int | None, clock: Callable[[], float]) -> Reading:
    """Read what a container uses.

    Args:
        groups: the node's.
        name: of the attempt.
        pid: of its first process, by which its network is found; None if it has none of its own.
        clock: read with the processor time, for rates.
    """
    texts = {}
    at = clock()
    for controller, files in FILES[groups.version].items():
        group = groups.group(controller, name)
        if group is not None:
            for file in files:
                texts[file] = _text(f"{group}/{file}")
    if pid is not None:
        texts[NETWORK] = _text(f"/proc/{pid}/{NETWORK}")
    return Reading(at, parse(texts, groups.version))


def read_memory(groups: Cgroups, name: str) -> int:
    """Return the bytes of memory that a container uses, without caches that could be given back."""
    group = groups.group("memory", name)
    texts = {} if group is None else {file: _text(f"{group}/{file}") for file in FILES[groups.version]["memory"]}
    return parse(texts, groups.version).memory_bytes


def _text(file: str | Path) -> str:
    # A third of what pathlib takes; there are thousands of them each second.
    try:
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(fd, _LONGEST).decode(errors="replace")
    except OSError:
        return ""
    finally:
        os.close(fd)


def parse(texts: Mapping[str, str], version: int) -> ContainerStats:
    """Return what the files say."""
    stats = ContainerStats()
    (_parse_1 if version == 1 else _parse_2)(texts, stats)
    stats.pids = _number(texts.get("pids.current", ""))
    stats.pids_limit = _number(texts.get("pids.max", ""))
    for line in texts.get(NETWORK, "").splitlines():
        link, colon, rest = line.partition(":")
        fields = rest.split()
        if colon and link.strip() != _LOOPBACK and len(fields) > _SENT:
            stats.network_received_bytes += _number(fields[0])
            stats.network_sent_bytes += _number(fields[_SENT])
    return stats


#: Where a line of /proc/pid/net/dev has the bytes that were sent.
_SENT: Final = 8


def _parse_1(texts: Mapping[str, str], stats: ContainerStats) -> None:
    stats.cpu_ns = _number(texts.get("cpuacct.usage", ""))
    times = _pairs(texts.get("cpuacct.stat", ""))
    stats.cpu_user_ns, stats.cpu_system_ns = (times.get(name, 0) * _NS // _TICKS for name in ("user", "system"))
    cpu = _pairs(texts.get("cpu.stat", ""))
    stats.throttled_periods, stats.throttled_ns = cpu.get("nr_throttled", 0), cpu.get("throttled_time", 0)
    memory = _pairs(texts.get("memory.stat", ""))
    used = _number(texts.get("memory.usage_in_bytes", ""))
    stats.memory_bytes = max(0, used - memory.get("total_inactive_file", 0))
    stats.memory_cache_bytes = memory.get("total_cache", 0)
    stats.swap_bytes = memory.get("total_swap", 0)
    limit = _number(texts.get("memory.limit_in_bytes", ""))
    stats.memory_limit_bytes = 0 if limit >= _ENDLESS else limit
    stats.oom_kills = _pairs(texts.get("memory.oom_control", "")).get("oom_kill", 0)
    for line in texts.get("blkio.throttle.io_service_bytes_recursive", "").splitlines():
        fields = line.split()
        if fields[1:2] == ["Read"]:
            stats.block_read_bytes += _number(fields[-1])
        elif fields[1:2] == ["Write"]:
            stats.block_written_bytes += _number(fields[-1])


def _parse_2(texts: Mapping[str, str], stats: ContainerStats) -> None:
    cpu = _pairs(texts.get("cpu.stat", ""))
    stats.cpu_ns, stats.cpu_user_ns, stats.cpu_system_ns, stats.throttled_ns = (
        cpu.get(name, 0) * 1000 for name in ("usage_usec", "user_usec", "system_usec", "throttled_usec")
    )
    stats.throttled_periods = cpu.get("nr_throttled", 0)
    memory = _pairs(texts.get("memory.stat", ""))
    stats.memory_bytes = max(0, _number(texts.get("memory.current", "")) - memory.get("inactive_file", 0))
    stats.memory_cache_bytes = memory.get("file", 0)
    stats.memory_limit_bytes = _number(texts.get("memory.max", ""))
    stats.swap_bytes = _number(texts.get("memory.swap.current", ""))
    stats.oom_kills = _pairs(texts.get("memory.events", "")).get("oom_kill", 0)
    for line in texts.get("io.stat", "").splitlines():
        fields = dict(field.partition("=")[::2] for field in line.split()[1:])
        stats.block_read_bytes += _number(fields.get("rbytes", ""))
        stats.block_written_bytes += _number(fields.get("wbytes", ""))


def _pairs(text: str) -> dict[str, int]:
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if value.isdecimal():
            found[name] = int(value)
    return found


def _number(text: str) -> int:
    """Return a number; 0 for "max" and for nothing."""
    text = text.strip()
    return min(int(text), (1 << 64) - 1) if text.isdecimal() else 0


def millis(before: Reading | None, after: Reading) -> int:
    """Return the thousandths of a core between two looks; 0 without a first."""
    if before is None or after.at <= before.at:
        return 0
    used = max(0, after.stats.cpu_ns - before.stats.cpu_ns)
    return round(used * 1000 / _NS / (after.at - before.at))
