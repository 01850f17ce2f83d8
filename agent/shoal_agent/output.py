"""A container's output across its attempts, followed until the run that was asked for has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from shoal_agent.core.lifecycle import ACTIVE, ENDED
from shoal_agent.kernel_work import finished
from shoal_agent.paths import NodePaths
from shoal_agent.runtime.logs import read_attempt, tail
from shoal_agent.worker import Worker
from shoal_proto.v1.agent_pb2 import AgentLogsRequest, ContainerRecord
from shoal_proto.v1.container_pb2 import Attempt, DesiredState, LogCursor, LogsResponse
from shoal_proto.v1.node_pb2 import HoldRole


class Output:
    """Reads logs of containers.

    Args:
        executor: for what reads much of a file at once.
    """

    def __init__(self, paths: NodePaths, executor: ThreadPoolExecutor) -> None:
        self._paths = paths
        self._executor = executor

    async def read(self, worker: Worker, request: AgentLogsRequest) -> AsyncGenerator[LogsResponse, None]:
        """Give what a request asks for, attempt after attempt.

        With `tail`, the last lines of the newest attempt, then what follows.
        """
        record = await worker.until(lambda stored: stored)
        generation = record.status.generation
        directory = self._paths.logs(worker.id, generation)
        cursor = request.cursor if request.HasField("cursor") and request.cursor.generation == generation else None
        attempt = cursor.attempt - 1 if cursor is not None else 0
        if cursor is None and request.HasField("tail"):
            newest = max(await self._attempts(record, request.run, after=0), default=0)
            if newest:
                lines = request.tail
                cursor = await finished(
                    self._executor, lambda: tail(directory, generation=generation, attempt=newest, lines=lines)
                )
                attempt = newest - 1
        while True:
            record = await worker.until(lambda stored: stored)
            if record.status.generation != generation:
                return
            for number in await self._attempts(record, request.run, after=attempt):
                attempt = number
                async for response in self._one(worker, generation, number, cursor, follow=request.follow):
                    yield response
                cursor = None
            if not request.follow:
                return
            if await worker.until(partial(_next, generation=generation, run=request.run, seen=attempt)):
                return

    async def end(self, worker: Worker, generation: int, attempt: int) -> LogCursor:
        """Return the place after all that an attempt has written by now."""
        directory = self._paths.logs(worker.id, generation)
        return await finished(self._executor, lambda: tail(directory, generation=generation, attempt=attempt, lines=0))

    async def _attempts(self, record: ContainerRecord, run: int, *, after: int) -> list[int]:
        """Return the attempts with output that belong to `run` (0: all), in order."""
        directory = self._paths.logs(record.assignment.id, record.status.generation)
        found = await finished(
            self._executor, lambda: {int(path.name.partition(".")[0]) for path in directory.glob("*.*.log")}
        )
        runs = {attempt.number: attempt.run for attempt in record.status.attempts}
        # One that could not be started may have no file.
        found |= {one.number for one in record.status.attempts if one.HasField("starting_at") or _ran(one)}
        return sorted(number for number in found if number > after and (run == 0 or runs.get(number) == run))

    async def _one(
        self, worker: Worker, generation: int, attempt: int, cursor: LogCursor | None, *, follow: bool
    ) -> AsyncGenerator[LogsResponse, None]:
        ended = asyncio.Event()

        async def watch() -> None:
            await worker.until(lambda stored: True if _over(stored, generation, attempt) else None)
            ended.set()

        watcher = asyncio.create_task(watch(), name=f"log-end-{worker.id[:12]}-{attempt}")
        try:
            async for response in read_attempt(
                self._paths.logs(worker.id, generation),
                generation=generation,
                attempt=attempt,
                cursor=cursor,
                follow=follow,
                ended=ended,
            ):
                yield response
        finally:
            watcher.cancel()
            await asyncio.wait([watcher])


def _over(record: ContainerRecord, generation: int, attempt: int) -> bool:
    """Say whether an attempt writes no more."""
    status = record.status
    return (status.generation, status.attempt) > (generation, attempt) or status.state in ENDED or record.removing


def _next(record: ContainerRecord, *, generation: int, run: int, seen: int) -> bool | None:
    """Say whether a follower has seen everything (True) or has an attempt to look for (False); None: wait."""
    status, assignment = record.status, record.assignment
    if status.generation != generation or record.removing:
        return True
    if status.state in ACTIVE and status.attempt > seen:
        current = status.attempts[-1].run if status.attempts else 0
        if run and current > run:
            return True
        if run in (0, current):
            return False
    if status.state not in ENDED:
        # A copy that is only kept will not run.
        return True if assignment.role == HoldRole.HOLD_ROLE_RETIRED else None
    unseen = any(one.number > seen and _ran(one) and run in (0, one.run) for one in status.attempts)
    if record.restart_due_ms and run in (0, status.run_served):
        # It is started again. What was written before that may be read meanwhile.
        return False if unseen else None
    if run:
        if status.run_served < run and assignment.role == HoldRole.HOLD_ROLE_CURRENT:
            return None
        return not unseen
    if assignment.desired == DesiredState.DESIRED_STATE_RUNNING and assignment.run_admitted > status.run_served:
        return None
    return not unseen


def _ran(attempt: Attempt) -> bool:
    """Say whether an attempt got as far as running."""
    return attempt.HasField("started_at")
