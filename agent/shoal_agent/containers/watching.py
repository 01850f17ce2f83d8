"""What containers use and which processes they have, for whoever asks: looks are shared between those that ask."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from shoal_agent.containers.host import task_key
from shoal_agent.containers.node import Node
from shoal_agent.core.lifecycle import RUNNING, STOPPING
from shoal_agent.kernel_work import finished
from shoal_agent.runtime.cgroups import Cgroups
from shoal_agent.runtime.process_table import processes
from shoal_agent.runtime.statistics import Reading, millis, read
from shoal_agent.runtime.tasks import TaskKey
from shoal_proto.v1.agent_pb2 import AgentStatsRequest, AgentStatsResponse, ContainerRecord
from shoal_proto.v1.container_pb2 import ContainerStats, NetworkMode, TopResponse

#: Milliseconds between two looks of one stream: left out, and at least.
INTERVAL_MS: Final = 1_000
LEAST_MS: Final = 200
#: Milliseconds between the two looks that tell how much a container uses now, where that is asked once.
_ONCE_MS: Final = 500
#: Seconds for which a look serves others as well.
_FRESH: Final = 0.15
_HOST: Final = NetworkMode.NETWORK_MODE_HOST
#: Looks kept beside those of one stream.
_KEPT: Final = 1_000


class Watching:
    """Looks at the containers of this node.

    Args:
        groups: the node's control groups.
        clock: seconds, for rates.
    """

    def __init__(self, node: Node, groups: Cgroups, clock: Callable[[], float] = time.monotonic) -> None:
        self._node = node
        self._groups = groups
        self._clock = clock
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="shoal-stats")
        self._latest: dict[TaskKey, Reading] = {}
        self._looking = asyncio.Lock()

    def close(self) -> None:
        """End its thread."""
        self._executor.shutdown()

    async def stats(self, request: AgentStatsRequest) -> AsyncGenerator[AgentStatsResponse, None]:
        """Yield what containers use, all in one message, again and again if that is asked for."""
        before: dict[TaskKey, Reading] = {}
        interval = max(request.interval_ms or INTERVAL_MS, LEAST_MS) if request.follow else _ONCE_MS
        due = self._clock()
        while True:
            records = self._chosen(request.ids)
            running = {task_key(record): record for record in records if _runs(record)}
            looks = await self._look(running)
            if before or request.follow or not running:
                yield AgentStatsResponse(
                    stats=[
                        *(_told(running[key], before.get(key), look) for key, look in looks.items()),
                        *(_silent(record) for record in records if not _runs(record)),
                        *_absent(request.ids, records),
                    ]
                )
                if not request.follow:
                    return
            before = looks
            # Looks of a stream don't wander: the next is due an interval after this one was. The two of a single answer
            # are that far apart, however long the first of them took: it must not serve as the second as well.
            since = due if request.follow else self._clock()
            due = max(since + interval / 1000, self._clock())
            await asyncio.sleep(due - self._clock())

    async def top(self, record: ContainerRecord) -> TopResponse:
        """Return the processes of a container."""
        name, base = str(task_key(record)), record.status.uid_base
        booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)

        def look() -> TopResponse:
            pids = self._groups.processes("containers", name)
            return TopResponse(processes=processes(pids, uid_base=base, booted=booted, proc=Path("/proc")))

        return await finished(self._executor, look)

    def _chosen(self, ids: Iterable[str]) -> list[ContainerRecord]:
        """Return the records that are meant: of these containers, or of all that run."""
        wanted = frozenset(ids)
        records = (record for record, _ in self._node.inventory(wanted))
        return [record for record in records if wanted or _runs(record)]

    async def _look(self, running: dict[TaskKey, ContainerRecord]) -> dict[TaskKey, Reading]:
        # Who comes meanwhile waits, and finds what was read for the one before.
        async with self._looking:
            now = self._clock()
            pids = {
                # What the node's own network carries is not the container's.
                key: None if record.assignment.config.network == _HOST else record.status.pid
                for key, record in running.items()
                if key not in self._latest or now - self._latest[key].at > _FRESH
            }

            def look() -> dict[TaskKey, Reading]:
                return {key: read(self._groups, str(key), pid, self._clock) for key, pid in pids.items()}

            self._latest |= await finished(self._executor, look)
            if len(self._latest) > 2 * len(running) + _KEPT:
                # Of those that have ended, or were asked for some time ago.
                self._latest = {key: self._latest[key] for key in running}
            return {key: self._latest[key] for key in running}


def _runs(record: ContainerRecord) -> bool:
    return record.status.state in (RUNNING, STOPPING) and bool(record.status.pid)


def _told(record: ContainerRecord, before: Reading | None, look: Reading) -> ContainerStats:
    told = ContainerStats()
    told.CopyFrom(look.stats)
    told.id, told.name = record.assignment.id, record.assignment.name
    told.cpu_millis = min(millis(before, look), (1 << 32) - 1)
    told.online_cpus = len(os.sched_getaffinity(0))
    told.time.GetCurrentTime()
    return told


def _silent(record: ContainerRecord) -> ContainerStats:
    return ContainerStats(id=record.assignment.id, name=record.assignment.name, problem="it is not running")


def _absent(ids: Iterable[str], records: Iterable[ContainerRecord]) -> list[ContainerStats]:
    here = {record.assignment.id for record in records}
    return [ContainerStats(id=id_, problem="its node does not have it yet") for id_ in ids if id_ not in here]
