"""A container's output across its attempts, followed until the run that was asked for has ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Final, TypeVar

from shoal_agent.containers.worker import Worker
from shoal_agent.core.lifecycle import ACTIVE, ENDED
from shoal_agent.kernel_work import finished
from shoal_agent.paths import NodePaths
from shoal_agent.runtime.log_files import log_files
from shoal_agent.runtime.log_tail import end_of, first_since, tail
from shoal_agent.runtime.logs import read_attempt
from shoal_common.log_period import Period
from shoal_proto.v1.agent_pb2 import AgentLogsRequest, ContainerRecord
from shoal_proto.v1.container_pb2 import Attempt, DesiredState, LogCursor, LogsResponse
from shoal_proto.v1.node_pb2 import HoldRole

T = TypeVar("T")

#: Seconds that a timer can be set for, as good as for ever.
_FOREVER: Final = 1e9


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

        With `tail`, the last lines of all of them, then what follows.
        """
        record = await worker.until(lambda stored: stored)
        generation = record.status.generation
        cursor = request.cursor if request.HasField("cursor") and request.cursor.generation == generation else None
        attempts = await self._attempts(record, request.run, after=0)
        # One that writes faster than is read would never come to its end.
        end = await self.end(worker, generation, attempts[-1]) if attempts else None
        if cursor is None and end is not None:
            cursor = await self._beginning(record, request, attempts, end)
        attempt = cursor.attempt - 1 if cursor is not None else 0
        with _passing(Period.of(request).until) as passed:
            while True:
                record = await worker.until(lambda stored: stored)
                if record.status.generation != generation:
                    return
                for number in await self._attempts(record, request.run, after=attempt):
                    attempt = number
                    stop = None if request.follow else end
                    async for response in self._one(worker, generation, number, cursor, request, passed, stop):
                        # With each file that is read, it is known what is missing if the next is gone.
                        cursor = response.cursor
                        yield response
                if not request.follow:
                    return
                following = worker.until(partial(_next, generation=generation, run=request.run, seen=attempt))
                if await _unless(passed, following) is not False:
                    return

    async def end(self, worker: Worker, generation: int, attempt: int) -> LogCursor:
        """Return the place after all that an attempt has written by now."""
        directory = self._paths.logs(worker.id, generation)
        return await finished(self._executor, lambda: end_of(directory, generation=generation, attempt=attempt))

    async def _beginning(
        self, record: ContainerRecord, request: AgentLogsRequest, attempts: list[int], end: LogCursor
    ) -> LogCursor | None:
        """Return the place from which a request without one is answered; None: from the beginning."""
        generation, period = record.status.generation, Period.of(request)
        directory = self._paths.logs(record.assignment.id, generation)
        if request.HasField("tail"):
            lines = request.tail
            return await finished(
                self._executor, lambda: tail(directory, attempts=attempts, end=end, lines=lines, period=period)
            )
        if period.since is not None:
            return await finished(
                self._executor,
                lambda: first_since(directory, generation=generation, attempts=attempts, period=period),
            )
        return None

    async def _attempts(self, record: ContainerRecord, run: int, *, after: int) -> list[int]:
        """Return the attempts with output that belong to `run` (0: all), in order."""
        directory = self._paths.logs(record.assignment.id, record.status.generation)
        found = await finished(self._executor, lambda: {attempt for attempt, _ in log_files(directory)})
        runs = {attempt.number: attempt.run for attempt in record.status.attempts}
        # One that could not be started may have no file.
        found |= {one.number for one in record.status.attempts if one.HasField("starting_at") or _ran(one)}
        return sorted(number for number in found if number > after and (run == 0 or runs.get(number) == run))

    async def _one(
        self,
        worker: Worker,
        generation: int,
        attempt: int,
        cursor: LogCursor | None,
        request: AgentLogsRequest,
        passed: asyncio.Event,
        end: LogCursor | None,
    ) -> AsyncGenerator[LogsResponse, None]:
        ended = asyncio.Event()

        async def watch() -> None:
            await _unless(passed, worker.until(lambda stored: True if _over(stored, generation, attempt) else None))
            ended.set()

        watcher = asyncio.create_task(watch(), name=f"log-end-{worker.id[:12]}-{attempt}")
        try:
            async for response in read_attempt(
                self._paths.logs(worker.id, generation),
                generation=generation,
                attempt=attempt,
                cursor=cursor,
                follow=request.follow,
                ended=ended,
                period=Period.of(request),
                joined=request.joined,
                end=end,
            ):
                yield response
        finally:
            watcher.cancel()
            await asyncio.wait([watcher])


@contextmanager
def _passing(until: int | None) -> Iterator[asyncio.Event]:
    """Give what is set once a time, in nanoseconds since 1970, has passed by this host's clock; None: never."""
    passed = asyncio.Event()
    if until is None:
        yield passed
        return
    seconds = until / 1e9 - time.time()
    timer = asyncio.get_running_loop().call_later(min(max(0.0, seconds), _FOREVER), passed.set)
    try:
        yield passed
    finally:
        timer.cancel()


async def _unless(passed: asyncio.Event, wait: Coroutine[None, None, T]) -> T | None:
    """Return what is waited for; None if the time has passed first."""
    waiting, passing = asyncio.ensure_future(wait), asyncio.ensure_future(passed.wait())
    try:
        await asyncio.wait([waiting, passing], return_when=asyncio.FIRST_COMPLETED)
        return waiting.result() if waiting.done() else None
    finally:
        for task in (waiting, passing):
            task.cancel()
        await asyncio.wait([waiting, passing])


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
