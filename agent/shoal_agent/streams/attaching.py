"""Joins a client to a container's first process: its output, its terminal, its input.

A terminal's output comes from its console; without one it comes from the log, by cursor.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from functools import partial

from shoal_agent.containers.host import task_key
from shoal_agent.containers.node import Node
from shoal_agent.containers.worker import Worker
from shoal_agent.core.lifecycle import ENDED, RUNNING, STARTING, STOPPING
from shoal_agent.runtime.consoles import Console, Consoles
from shoal_agent.streams.output import Output
from shoal_common.errors import Conflict, NotFound
from shoal_proto.v1.agent_pb2 import AgentAttachRequest, AgentAttachStart, AgentLogsRequest, ContainerRecord
from shoal_proto.v1.container_pb2 import (
    AttachOpened,
    AttachResponse,
    AttachStart,
    LogCursor,
    LogsResponse,
    LogStream,
)


class Attaching:
    """Serves `Attach`.

    Args:
        appearing: seconds that a container is waited for which a controller knows of already.
    """

    def __init__(self, node: Node, consoles: Consoles, output: Output, *, appearing: float) -> None:
        self._node = node
        self._consoles = consoles
        self._output = output
        self._appearing = appearing

    async def attach(
        self, asked: AgentAttachStart, requests: AsyncIterator[AgentAttachRequest]
    ) -> AsyncGenerator[AttachResponse, None]:
        """Give what the container's run writes, and last its exit code.

        Raises:
            NotFound: it isn't here.
            Conflict: it has no input, or belongs to another placement.
            Unavailable: what it writes was not read.
        """
        start = asked.start
        late = self._consoles.of_run(asked.id, start.run) if start.run else None
        try:
            worker = (
                self._node.worker(asked.id) if late else await self._node.appeared(asked.id, timeout=self._appearing)
            )
        except NotFound:
            if late is None:
                raise
            # It has ended and is gone; what its terminal said last is still there.
            async with contextlib.aclosing(_terminal(late, start, first=True)) as responses:
                async for response in responses:
                    yield response
            return
        session = _Session(worker, self._consoles, self._output, asked)
        async with contextlib.aclosing(session.run(requests)) as responses:
            async for response in responses:
                yield response


class _Session:
    """One client's."""

    def __init__(self, worker: Worker, consoles: Consoles, output: Output, asked: AgentAttachStart) -> None:
        self._worker = worker
        self._consoles = consoles
        self._output = output
        self._asked = asked
        self._start = asked.start
        self._console: Console | None = None
        self._present = asyncio.Event()

    async def run(self, requests: AsyncIterator[AgentAttachRequest]) -> AsyncGenerator[AttachResponse, None]:
        record = await self._worker.until(lambda stored: stored)
        config = record.assignment.config
        if self._start.stdin and not config.open_stdin:
            raise Conflict(
                f"container {self._worker.id[:12]} has no input to attach to (create it with: shoal create -i)"
            )
        feeding = asyncio.create_task(self._feed(requests), name=f"attach-input-{self._worker.id[:12]}")
        try:
            async with contextlib.aclosing(self._terminals() if config.tty else self._streams()) as responses:
                async for response in responses:
                    yield response
        finally:
            feeding.cancel()
            await asyncio.wait([feeding])

    async def _terminals(self) -> AsyncGenerator[AttachResponse, None]:
        """Give what each attempt of the run writes to its terminal."""
        first, seen = True, 0
        while True:
            record = await self._worker.until(partial(_begun, asked=self._asked, seen=seen))
            status = record.status
            run, seen = status.attempts[-1].run if status.attempts else 0, status.attempt
            if not self._start.run:
                self._start.run = run
            console = await self._console_of(record)
            if console is not None and console.run == self._start.run:
                self._console = console
                self._present.set()
                async with contextlib.aclosing(_terminal(console, self._start, first=first)) as responses:
                    async for response in responses:
                        yield response
                first = False
            elif first:
                yield AttachResponse(opened=AttachOpened(tty=True, run=self._start.run))
                first = False
            code = await self._worker.until(partial(_end, generation=status.generation, run=self._start.run, seen=seen))
            if code >= 0:
                yield AttachResponse(exit_code=code)
                return

    async def _console_of(self, record: ContainerRecord) -> Console | None:
        """Return the console of the attempt under way; None if it has ended and there is none."""
        key = task_key(record)
        if record.status.state in ENDED:
            return self._consoles.find(key)
        ended = partial(_over, generation=key.generation, attempt=key.attempt)
        await _first_of(self._consoles.appeared(key), self._worker.until(ended))
        return self._consoles.find(key)

    async def _streams(self) -> AsyncGenerator[AttachResponse, None]:
        """Give what the run writes, from the log."""
        record = await self._worker.until(partial(_begun, asked=self._asked, seen=0))
        status = record.status
        run = self._start.run or (status.attempts[-1].run if status.attempts else 0)
        self._start.run = run
        if self._start.stdin:
            self._console = await self._console_of(record)
            self._present.set()
        request = AgentLogsRequest(id=self._worker.id, follow=True, run=run, joined=True)
        if self._start.HasField("cursor"):
            request.cursor.CopyFrom(self._start.cursor)
        elif not self._start.logs:
            # Before it is said that input is taken: what comes of that is shown.
            request.cursor.CopyFrom(await self._output.end(self._worker, status.generation, status.attempt))
        yield AttachResponse(opened=AttachOpened(tty=False, run=run))
        if request.HasField("cursor"):
            # Whoever is cut off before anything is written comes back to here.
            yield AttachResponse(cursor=request.cursor)
        async with contextlib.aclosing(self._output.read(self._worker, request)) as batches:
            async for batch in batches:
                for response in _pieces(batch):
                    yield response
        code = await self._worker.until(partial(_end, generation=status.generation, run=run, seen=0))
        yield AttachResponse(exit_code=max(code, 0))

    async def _feed(self, requests: AsyncIterator[AgentAttachRequest]) -> None:
        """Give the container what its client sends, and end its input when the client is gone if it is one for once."""
        had_input = self._start.stdin
        try:
            async for request in requests:
                message = request.request
                kind = message.WhichOneof("message")
                await self._present.wait()
                console = self._console
                if console is None:
                    continue
                match kind:
                    case "stdin" if had_input:
                        # What it does not take any more is lost, as with a pipe.
                        with contextlib.suppress(Conflict):
                            await console.write(message.stdin)
                    case "close_stdin" if had_input:
                        await console.end_input()
                    case "resize":
                        await console.resize(message.resize.columns, message.resize.rows)
                    case _:
                        pass
        finally:
            if had_input and self._console is not None:
                await self._console.end_input()


async def _terminal(console: Console, start: AttachStart, *, first: bool) -> AsyncGenerator[AttachResponse, None]:
    """Give what is written to a terminal; `first`: the client has just come."""
    generation, attempt = _attempt_of(console)

    def place(position: int) -> AttachResponse:
        return AttachResponse(
            cursor=LogCursor(generation=generation, attempt=attempt, segment=console.epoch, offset=position)
        )

    position, known = (0, True) if start.logs or not first else (console.end, False)
    cursor = start.cursor
    if first and start.HasField("cursor"):
        known = (cursor.generation, cursor.attempt, cursor.segment) == (generation, attempt, console.epoch)
        position = cursor.offset if known and cursor.offset <= console.end else console.end
    if first:
        yield AttachResponse(opened=AttachOpened(tty=True, run=console.run))
        yield place(position)
    if start.HasField("size"):
        if known:
            await console.resize(start.size.columns, start.size.rows)
        else:
            await console.redraw(start.size.columns, start.size.rows)
    async with contextlib.aclosing(console.read(position)) as pieces:
        async for piece in pieces:
            yield AttachResponse(stdout=piece.data)
            yield place(piece.end)


def _attempt_of(console: Console) -> tuple[int, int]:
    return console.key.generation, console.key.attempt


def _pieces(batch: LogsResponse) -> list[AttachResponse]:
    """Return a batch of a log as output, and the place after it."""
    responses = [AttachResponse(lost_bytes=batch.lost_bytes)] if batch.lost_bytes else []
    data: list[bytes] = []
    for number, entry in enumerate(batch.entries):
        data.append(entry.data)
        following = batch.entries[number + 1] if number + 1 < len(batch.entries) else None
        if following is None or following.stream != entry.stream:
            joined = b"".join(data)
            error = entry.stream == LogStream.LOG_STREAM_STDERR
            responses.append(AttachResponse(stderr=joined) if error else AttachResponse(stdout=joined))
            data.clear()
    if batch.HasField("cursor"):
        responses.append(AttachResponse(cursor=batch.cursor))
    return responses


def _begun(record: ContainerRecord, *, asked: AgentAttachStart, seen: int) -> ContainerRecord | None:
    """Return the record once the run that is meant has begun, or is over, with an attempt after `seen`.

    Raises:
        Conflict: it belongs to another placement.
    """
    status, run = record.status, asked.start.run
    if asked.generation and status.generation != asked.generation:
        raise Conflict(f"container {record.assignment.id[:12]} was placed anew meanwhile (try again)")
    if record.removing:
        return record
    if status.state in (STARTING, RUNNING, STOPPING):
        current = status.attempts[-1].run if status.attempts else 0
        return record if status.attempt > seen and current >= run else None
    over = status.state in ENDED and status.run_served >= run > 0
    return record if over else None


def _over(record: ContainerRecord, *, generation: int, attempt: int) -> bool | None:
    """Say that an attempt has ended; None: it has not."""
    status = record.status
    return (
        (status.generation, status.attempt) > (generation, attempt) or status.state in ENDED or record.removing or None
    )


def _end(record: ContainerRecord, *, generation: int, run: int, seen: int) -> int | None:
    """Return the exit code of a run that is over for good, -1 if it goes on with another attempt; None: wait."""
    status = record.status
    if status.generation != generation or record.removing:
        return max(0, status.exit_code)
    if status.state not in ENDED:
        current = status.attempts[-1].run if status.attempts else 0
        if current > run:
            return next((one.exit_code for one in reversed(status.attempts) if one.run == run), 0)
        return -1 if seen and status.attempt > seen and status.state in (STARTING, RUNNING, STOPPING) else None
    if record.restart_due_ms and status.run_served == run:
        return None
    return max(0, status.exit_code)


async def _first_of(*waits: Coroutine[None, None, object]) -> None:
    """Return when one of them has come to its end; the others are broken off."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
