"""Limits of a container: which can be right at all, and what they ask of a node.

Source: docker-run(1); the kernel's Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst.
"""

from __future__ import annotations

from typing import Final

from shoal_common.containers.cpusets import parse_set
from shoal_common.errors import InvalidSpec
from shoal_common.messages import copied
from shoal_common.units import MIN_MEMORY, format_bytes
from shoal_proto.v1.resources_pb2 import Resources

#: As much swap as there is.
UNLIMITED: Final = -1
MAX_MEMORY: Final = 1 << 50
#: The kernel's least CPU quota is 1 ms in a period of 100 ms (cgroup-v2.rst, cpu.max).
MIN_CPU_MILLIS: Final = 10
MAX_CPU_MILLIS: Final = 10_000_000
#: PID_MAX_LIMIT of a 64-bit kernel.
MAX_PIDS: Final = 1 << 22
#: MIN_SHARES and MAX_SHARES of the kernel, kernel/sched/sched.h.
MIN_SHARES: Final = 2
MAX_SHARES: Final = 1 << 18
MIN_BLKIO_WEIGHT: Final = 10
MAX_BLKIO_WEIGHT: Final = 1000
#: OOM_SCORE_ADJ_MAX of the kernel, include/uapi/linux/oom.h; the least is as far from 0.
MAX_OOM_SCORE: Final = 1000
SWAP: Final = "memory-swap"
RESERVATION: Final = "memory-reservation"
SHARES: Final = "cpu-shares"
CPUSET_CPUS: Final = "cpuset-cpus"
CPUSET_MEMS: Final = "cpuset-mems"
BLKIO_WEIGHT: Final = "blkio-weight"
OOM_SCORE: Final = "oom-score-adj"
#: Changing any of them while a container runs.
UPDATE: Final = "update"


def check_limits(limits: Resources) -> None:
    """Check limits, each by itself and against each other.

    Raises:
        InvalidSpec: no node could ever hold a container to them.
    """
    _check_memory(limits)
    cpu, pids, shares, weight = limits.cpu_millis, limits.pids, limits.cpu_shares, limits.blkio_weight
    if cpu and not MIN_CPU_MILLIS <= cpu <= MAX_CPU_MILLIS:
        raise InvalidSpec(
            f"cpus of {cpu / 1000:g} is not possible (use {MIN_CPU_MILLIS / 1000:g} to {MAX_CPU_MILLIS // 1000}, "
            "or leave it out)"
        )
    if not 0 <= pids <= MAX_PIDS:
        raise InvalidSpec(f"pids limit of {pids} is not possible (use 1 to {MAX_PIDS}, or leave it out)")
    if shares and not MIN_SHARES <= shares <= MAX_SHARES:
        raise InvalidSpec(
            f"cpu shares of {shares} are not possible (use {MIN_SHARES} to {MAX_SHARES}, or leave them out for 1024)"
        )
    if weight and not MIN_BLKIO_WEIGHT <= weight <= MAX_BLKIO_WEIGHT:
        raise InvalidSpec(
            f"blkio weight of {weight} is not possible (use {MIN_BLKIO_WEIGHT} to {MAX_BLKIO_WEIGHT}, or leave it out)"
        )
    parse_set(limits.cpuset_cpus)
    parse_set(limits.cpuset_mems)
    check_oom_score(limits.oom_score_adjust)


def check_oom_score(adjustment: int) -> None:
    """Check what is to be added to the score by which the kernel kills for want of memory.

    Raises:
        InvalidSpec: the kernel takes no such.
    """
    if not -MAX_OOM_SCORE <= adjustment <= MAX_OOM_SCORE:
        raise InvalidSpec(
            f"oom score adjustment of {adjustment} is not possible (use {-MAX_OOM_SCORE} to {MAX_OOM_SCORE})"
        )


def _check_memory(limits: Resources) -> None:
    memory, swap, reservation = limits.memory_bytes, limits.memory_swap_bytes, limits.memory_reservation_bytes
    if memory and not MIN_MEMORY <= memory <= MAX_MEMORY:
        raise InvalidSpec(
            f"memory of {format_bytes(memory)} is not possible (use {format_bytes(MIN_MEMORY)} to "
            f"{format_bytes(MAX_MEMORY)}, or leave it out)"
        )
    if not UNLIMITED <= swap <= MAX_MEMORY:
        raise InvalidSpec(
            f"memory and swap of {swap} bytes together is not possible (use -1, or up to {format_bytes(MAX_MEMORY)})"
        )
    if swap > 0 and not memory:
        raise InvalidSpec(
            f"memory and swap can't be limited to {format_bytes(swap)} together without a memory limit (give one)"
        )
    if 0 < swap < memory:
        raise InvalidSpec(
            f"memory and swap together, {format_bytes(swap)}, are less than the memory limit of {format_bytes(memory)} "
            "(memory-swap is the sum of both)"
        )
    if reservation and not MIN_MEMORY <= reservation <= (memory or MAX_MEMORY):
        raise InvalidSpec(
            f"memory reservation of {format_bytes(reservation)} is not possible (use {format_bytes(MIN_MEMORY)} to "
            f"the memory limit, {format_bytes(memory or MAX_MEMORY)})"
        )


def merged(before: Resources, change: Resources) -> Resources:
    """Return limits after a change of those that it names.

    Raises:
        InvalidSpec: it names none, or no node could ever hold a container to the result.
    """
    if not change.ListFields():
        raise InvalidSpec("no limit is named (give --memory, for example)")
    if change.oom_score_adjust:
        raise InvalidSpec("the oom score adjustment of a container can't be changed (make it anew)")
    after = copied(before)
    if before.memory_swap_bytes == before.memory_bytes:
        # No swap, said with a number: it stays without.
        after.memory_swap_bytes = 0
    after.MergeFrom(change)
    check_limits(after)
    return after


def asked(limits: Resources) -> frozenset[str]:
    """Return what limits ask of a node that not every one can do."""
    wanted = {
        # Without swap is what a container is where that can be: nobody asks for it.
        SWAP: limits.memory_swap_bytes > limits.memory_bytes,
        RESERVATION: limits.memory_reservation_bytes > 0,
        SHARES: limits.cpu_shares > 0,
        CPUSET_CPUS: bool(limits.cpuset_cpus),
        CPUSET_MEMS: bool(limits.cpuset_mems),
        BLKIO_WEIGHT: limits.blkio_weight > 0,
        OOM_SCORE: limits.oom_score_adjust != 0,
    }
    return frozenset(name for name, is_asked in wanted.items() if is_asked)
