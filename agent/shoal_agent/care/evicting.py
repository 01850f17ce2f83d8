"""Ends containers, one at a time, before the node's memory or disk is exhausted. Who, says `core.eviction`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from shoal_agent.care.measuring import Measurer
from shoal_agent.care.usage import container_trees
from shoal_agent.clock import Clock
from shoal_agent.containers.host import task_key
from shoal_agent.containers.node import Node
from shoal_agent.core.disk import Usage, needed
from shoal_agent.core.eviction import (
    Candidate,
    Memory,
    disk_victim,
    exceeds,
    is_exhausted,
    is_short,
    kept_free,
    memory_victim,
)
from shoal_agent.core.lifecycle import ACTIVE, RUNNING
from shoal_agent.disk import Disk
from shoal_agent.kernel_work import finished
from shoal_agent.paths import NodePaths
from shoal_agent.runtime.cgroups import Cgroups
from shoal_agent.runtime.statistics import read_memory
from shoal_common.errors import NotFound, ShoalError
from shoal_common.units import format_bytes
from shoal_proto.v1.agent_pb2 import ContainerRecord
from shoal_proto.v1.node_pb2 import NodeProblem

log = logging.getLogger(__name__)

MEMINFO: Final = Path("/proc/meminfo")
KIND: Final = "memory-short"
#: Seconds between two looks, and between two counts of what is on the disk while that is full.
_LOOK: Final = 2.0
#: The same, while the disk is about to be exhausted.
_HURRY: Final = 0.5
#: Seconds that a count may take, and that a container may take to end.
_COUNT: Final = 5.0
_END: Final = 10.0
#: Seconds without want of memory after which the node counts as having enough again.
_CALM: Final = 10.0


class Evicting:
    """Looks at memory and disk, and ends who has to be ended.

    Args:
        groups: the node's control groups.
        capacity: bytes of memory that its containers may use together.
        tell: called when what is wrong with the node has changed.
        meminfo: what the kernel tells of the host's memory.
    """

    def __init__(
        self,
        paths: NodePaths,
        node: Node,
        groups: Cgroups,
        disk: Disk,
        measurer: Measurer,
        clock: Clock,
        *,
        capacity: int,
        tell: Callable[[], None],
        meminfo: Path = MEMINFO,
    ) -> None:
        self._paths = paths
        self._node = node
        self._groups = groups
        self._disk = disk
        self._measurer = measurer
        self._clock = clock
        self._capacity = capacity
        self._tell = tell
        self._meminfo = meminfo
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="shoal-evicting")
        #: Bytes on the disk by container at the last count, since the disk is full.
        self._counted: Mapping[str, int] = {}
        self._spent = False
        self._hurried = False
        self._short_until = 0.0
        self._trouble = ""

    def close(self) -> None:
        """End its thread; looks under way were cancelled."""
        self._executor.shutdown()

    @property
    def problems(self) -> list[NodeProblem]:
        """What the leader is told: that nothing new finds memory here, if that is so."""
        return [NodeProblem(kind=KIND, message=self._trouble)] if self._trouble else []

    async def run(self) -> None:
        """Look again and again, for ever."""
        while True:
            try:
                await self.look()
            except (ShoalError, OSError) as error:
                log.error("whether the node is about to be exhausted can't be seen: %s", error)
            await asyncio.sleep(_HURRY if self._hurried else _LOOK)

    async def look(self) -> None:
        """Look once, and end one container for each thing that is about to be exhausted.

        Raises:
            ShoalError, OSError: it can't be seen.
        """
        records = self._running()
        memory, candidates = await finished(self._executor, lambda: self._memory(records))
        self._note(memory)
        # Known before anybody is ended: what is ended waits for room.
        self._node.press(tight=bool(self._disk.problems or self._trouble))
        if (victim := memory_victim(memory, candidates)) is not None:
            await self._evict(victim, _memory_reason(memory, next(each for each in candidates if each.id == victim)))
        if self._disk.problems:
            await self._look_at_disk()
        else:
            self._counted, self._spent, self._hurried = {}, False, False

    def _memory(self, records: Sequence[ContainerRecord]) -> tuple[Memory, list[Candidate]]:
        total, available = meminfo(self._meminfo.read_text())
        memory = Memory(total=total, available=available, capacity=self._capacity, used=0)
        if not is_short(memory) and self._everything() <= self._capacity:
            # All together, with caches, use less than there is: nobody has to be looked at.
            return memory, []
        candidates = [
            Candidate(
                id=record.assignment.id,
                reserved=_reserved(record),
                memory=read_memory(self._groups, str(task_key(record))),
                began_ms=self._clock.from_ticks(record.pid_start_time),
            )
            for record in records
        ]
        return Memory(total, available, self._capacity, sum(each.memory for each in candidates)), candidates

    def _everything(self) -> int:
        """Return what the group above all containers uses; nothing if the host can't tell."""
        group = self._groups.group("memory", "")
        name = "memory.usage_in_bytes" if self._groups.version == 1 else "memory.current"
        try:
            return int((group / name).read_text()) if group is not None else 0
        except (OSError, ValueError):
            return 0

    def _note(self, memory: Memory) -> None:
        now = self._clock.boot_ms() / 1000
        if is_short(memory) or exceeds(memory):
            self._short_until = now + _CALM
        before = self._trouble
        if now >= self._short_until:
            self._trouble = ""
        elif not before:
            self._trouble = f"memory short: {_what(memory)}"
        if bool(before) != bool(self._trouble):
            log.warning("%s", self._trouble or "there is enough memory again")
            self._tell()
            if before:
                self._node.look_again()

    async def _look_at_disk(self) -> None:
        usage = await self._disk.usage()
        records = {record.assignment.id: record for record in self._running()}
        own, shared = await self._count(records)
        sizes = {id_: own.get(id_, 0) + shared.get(id_, 0) for id_ in records}
        candidates = [
            Candidate(
                id=id_,
                # What was not counted before is not known to write.
                written=max(0, sizes[id_] - self._counted.get(id_, sizes[id_])),
                size=0 if self._spent else own.get(id_, 0),
                began_ms=self._clock.from_ticks(record.pid_start_time),
            )
            for id_, record in records.items()
        ]
        self._counted = sizes
        self._hurried = is_exhausted(usage)
        if not self._hurried:
            self._spent = False
            return
        if (victim := disk_victim(usage, candidates)) is not None:
            chosen = next(each for each in candidates if each.id == victim)
            # Who has most is ended once only, until there is room again: nothing is known against the next one.
            self._spent = self._spent or not chosen.written
            await self._evict(victim, _disk_reason(usage, chosen))

    async def _count(self, records: Mapping[str, ContainerRecord]) -> tuple[dict[str, int], dict[str, int]]:
        """Return the bytes of each container's own layers and logs, and of the volumes that it can write to."""
        ids = frozenset(records)
        trees = await finished(self._executor, lambda: container_trees(self._paths, ids) if ids else {})
        own = {id_: [*each.writable, *each.logs] for id_, each in trees.items()}
        shared = {
            id_: [
                self._paths.volume_data(mount.volume_id)
                for mount in record.assignment.config.mounts
                if mount.volume_id and not mount.read_only
            ]
            for id_, record in records.items()
        }
        every = dict.fromkeys(path for paths in (*own.values(), *shared.values()) for path in paths)
        sizes = await self._measurer.measure(list(every), limit=_COUNT)

        def summed(paths: Mapping[str, list[Path]]) -> dict[str, int]:
            return {id_: sum(sizes.get(path, 0) for path in each) for id_, each in paths.items()}

        return summed(own), summed(shared)

    async def _evict(self, container: str, reason: str) -> None:
        log.warning("container %s is %s", container[:12], reason)
        self._node.evict(container, reason)
        try:
            # What it gives back is seen before anybody else is ended.
            async with asyncio.timeout(_END):
                await self._node.worker(container).until(
                    lambda record: True if record.status.state not in ACTIVE else None
                )
        except (NotFound, TimeoutError):
            return

    def _running(self) -> list[ContainerRecord]:
        return [record for record, _ in self._node.inventory(()) if record.status.state == RUNNING]


def meminfo(text: str) -> tuple[int, int]:
    """Return the bytes of memory of a host, and how many of them are available; `text` is /proc/meminfo's.

    Raises:
        OSError: it does not say so.
    """
    found = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        if name in ("MemTotal", "MemAvailable"):
            found[name] = int(rest.split()[0]) * 1024
    if len(found) < 2:
        raise OSError("/proc/meminfo does not say how much memory is available")
    return found["MemTotal"], found["MemAvailable"]


def _reserved(record: ContainerRecord) -> int:
    resources = record.assignment.config.resources
    return resources.memory_reservation_bytes or resources.memory_bytes


def _what(memory: Memory) -> str:
    if is_short(memory):
        return f"{format_bytes(memory.available)} available, {format_bytes(kept_free(memory.total))} needed"
    return f"containers use {format_bytes(memory.used)} of {format_bytes(memory.capacity)}"


def _memory_reason(memory: Memory, victim: Candidate) -> str:
    beyond = victim.memory - victim.reserved
    used = (
        f"{format_bytes(beyond)} more than it reserved"
        if victim.reserved and beyond > 0
        else format_bytes(victim.memory)
    )
    return f"evicted: memory of its node is short ({_what(memory)}), it used {used}"


def _disk_reason(usage: Usage, victim: Candidate) -> str:
    wrote = (
        f"it wrote {format_bytes(victim.written)} last"
        if victim.written
        else f"it has {format_bytes(victim.size)} there"
    )
    free = f"{format_bytes(usage.free)} free, {format_bytes(needed(usage))} needed"
    return f"evicted: the disk of its node is almost full ({free}), {wrote}"
