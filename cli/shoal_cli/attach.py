"""Attached to a container (`run`, `start -a`, `attach`): its streams, signals passed on, its exit code as one's own."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Final

import click

from shoal.cluster import Cluster
from shoal.logs import lost_text
from shoal.waiting import Until
from shoal_cli import pipes, terminal
from shoal_cli.codes import CANNOT
from shoal_cli.joining import OUTPUT, Detached, Streams, join
from shoal_cli.session import note
from shoal_cli.signals import arriving, next_signal
from shoal_common.errors import NotFound, ShoalError
from shoal_proto.v1.container_pb2 import Container, ContainerPhase, LogsResponse, LogStream, WaitContainerResponse

#: Seconds that the rest of the output may take after the end is known.
REST: Final = 15.0
#: Seconds that a removal may take before it is left to the cluster.
REMOVAL: Final = 30.0
#: Phases in which nothing of the container has run yet.
UNSTARTED: Final = frozenset(
    {
        ContainerPhase.CONTAINER_PHASE_UNSPECIFIED,
        ContainerPhase.CONTAINER_PHASE_PENDING,
        ContainerPhase.CONTAINER_PHASE_PREPARING,
        ContainerPhase.CONTAINER_PHASE_CREATED,
    }
)


class Reasons:
    """Tells, once each, why a container does not run yet."""

    def __init__(self, name: str = "") -> None:
        self._prefix = f"{name}: " if name else ""
        self._last = ""

    def __call__(self, response: WaitContainerResponse) -> None:
        """Look at where the container is."""
        if response.phase not in (ContainerPhase.CONTAINER_PHASE_PENDING, ContainerPhase.CONTAINER_PHASE_PREPARING):
            self._last = ""
        elif response.detail and response.detail != self._last:
            self._last = response.detail
            note(f"{self._prefix}Waiting: {response.detail}")


async def remove_now(cluster: Cluster, identifier: str) -> None:
    """Remove what was made of a container that nobody waits for any more."""
    try:
        await cluster.containers.remove(identifier, force=True)
        await gone(cluster, identifier)
    except NotFound:
        pass
    except ShoalError as error:
        note(
            f"container {identifier[:12]} could not be removed: {error} (remove it with: shoal rm -f {identifier[:12]})"
        )


async def taken_back(
    identifier: str,
    made: asyncio.Future[Container] | None,
    undo: Callable[[], Awaitable[None]],
    signals: asyncio.Queue[signal.Signals],
) -> signal.Signals | None:
    """Take back what was begun; a further signal, which is returned, leaves it as it is."""

    async def take_back() -> None:
        # A request under way is let come to its end: what is removed before it is made would be left behind.
        if made is not None:
            await asyncio.wait([made], timeout=REST)
        await undo()

    taking = asyncio.create_task(take_back(), name="shoal-take-back")
    try:
        again = await next_signal(taking, signals)
        if again is None:
            taking.result()
        else:
            short = identifier[:12]
            note(f"container {short} may be there or come (see: shoal ps -a; remove it with: shoal rm -f {short})")
        return again
    finally:
        taking.cancel()
        await asyncio.wait([taking])


async def gone(cluster: Cluster, identifier: str) -> bool:
    """Wait until nothing is left of a container that is being removed; False if its node is away."""
    try:
        async with (
            asyncio.timeout(REMOVAL),
            aclosing(cluster.containers.progress(identifier, until=Until.REMOVED)) as responses,
        ):
            async for response in responses:
                if response.done:
                    return True
                container = await cluster.containers.get(identifier)
                if container.HasField("node_down_since"):
                    return False
    except NotFound:
        return True
    except TimeoutError:
        return False
    return True


def outcome(response: WaitContainerResponse) -> int:
    """Return the exit code of what has ended; tell why if it never ran."""
    if response.phase in (ContainerPhase.CONTAINER_PHASE_FAILED, ContainerPhase.CONTAINER_PHASE_LOST):
        note(response.detail or "the container could not be started")
        return response.exit_code or CANNOT
    return response.exit_code


class Attachment:
    """One container, from the request that makes or starts it to its exit code.

    Args:
        cluster: where.
        identifier: its id.
        begin: makes or starts it.
        streams: what is joined beside its output.
        abandon: called when a signal comes before anything of it has run.
        logs: what its run has written already is shown too.
        proxy: signals are passed on to it.
    """

    def __init__(
        self,
        cluster: Cluster,
        identifier: str,
        begin: Callable[[], Awaitable[Container]],
        *,
        streams: Streams = OUTPUT,
        abandon: Callable[[], Awaitable[None]],
        logs: bool = True,
        proxy: bool = True,
    ) -> None:
        self._cluster = cluster
        self._id = identifier
        self._begin = begin
        self._streams = streams
        self._abandon = abandon
        self._logs = logs
        self._proxy = proxy
        self._name = identifier[:12]
        self._started = False
        self._made: asyncio.Task[Container] | None = None

    async def run(self) -> int:
        """Return the exit code of `shoal run`."""
        # Of a terminal the size itself follows.
        resized = (signal.SIGWINCH,) if self._proxy and not self._streams.tty else ()
        with arriving(*resized) as signals:
            work = asyncio.create_task(self._work(), name="shoal-run")
            try:
                return await self._attend(work, signals)
            except Detached:
                self._let_go()
                return 0
            finally:
                work.cancel()
                await asyncio.wait([work])

    def _let_go(self) -> None:
        if self._streams.raw:
            # After whatever its last line was.
            click.echo(err=True)
        note(f"detached; container {self._name} runs on (shoal attach {self._name}; shoal stop {self._name})")

    async def _attend(self, work: asyncio.Task[int], signals: asyncio.Queue[signal.Signals]) -> int:
        interrupted = False
        sending: set[asyncio.Task[None]] = set()
        while (number := await next_signal(work, signals)) is not None:
            if not self._started:
                if number is signal.SIGWINCH:
                    # Nothing is there yet that it could mean, and it is no reason to give up.
                    continue
                return await self._give_up(work, number, signals)
            # A terminal passes its keys on as they are: a signal is meant for this process.
            if self._streams.raw or not self._proxy or (number is signal.SIGINT and interrupted):
                self._let_go()
                return 128 + number
            interrupted = interrupted or number is signal.SIGINT
            forward = asyncio.create_task(self._forward(number), name="shoal-forward")
            sending.add(forward)
            forward.add_done_callback(sending.discard)
        return work.result()

    async def _give_up(
        self, work: asyncio.Task[int], number: signal.Signals, signals: asyncio.Queue[signal.Signals]
    ) -> int:
        async def undo() -> None:
            work.cancel()
            await asyncio.wait([work])
            await self._abandon()

        return 128 + (await taken_back(self._id, self._made, undo, signals) or number)

    async def _forward(self, number: signal.Signals) -> None:
        try:
            await self._cluster.containers.kill(self._id, number.name)
        except ShoalError as error:
            note(f"{number.name} did not reach container {self._name}: {error}")

    async def _work(self) -> int:
        self._made = asyncio.ensure_future(self._begin())
        # Shielded: see `_give_up`.
        container = await asyncio.shield(self._made)
        self._name = container.spec.name or self._name
        self._started = container.phase not in UNSTARTED
        run = max(1, container.spec.run)
        streaming = self._join(run) if self._streams != OUTPUT or not self._logs else self._print(run)
        output = asyncio.create_task(streaming, name="shoal-run-output")
        ending = asyncio.create_task(self._end(run), name="shoal-run-end")
        try:
            await asyncio.wait([output, ending], return_when=asyncio.FIRST_COMPLETED)
            if output.done() and isinstance(output.exception(), Detached):
                raise Detached
            end = await ending
            await self._rest(output, end)
        finally:
            for task in (output, ending):
                task.cancel()
            await asyncio.wait([output, ending])
        code = outcome(end)
        if container.spec.config.auto_remove and not await gone(self._cluster, self._id):
            note(f"container {self._name} is removed once its node is back")
        return code

    async def _end(self, run: int) -> WaitContainerResponse:
        reasons = Reasons()

        def look(response: WaitContainerResponse) -> None:
            reasons(response)
            self._started = self._started or response.phase not in UNSTARTED

        return await self._cluster.containers.wait(self._id, run=run, on_change=look)

    async def _print(self, run: int) -> None:
        async with aclosing(
            self._cluster.containers.log_batches(self._id, follow=True, run=run, joined=True)
        ) as batches:
            async for batch in batches:
                # This may be heard of before its start is: the one comes from the node, the other from the store.
                self._started = True
                await print_batch(self._name, batch)

    async def _join(self, run: int) -> None:
        attachment = self._cluster.containers.attach(
            self._id,
            stdin=self._streams.stdin,
            size=terminal.size() if self._streams.tty else None,
            logs=self._logs,
            run=run,
        )
        async with attachment as attached:
            await join(attached, self._streams)
            await attached.wait()

    async def _rest(self, output: asyncio.Task[None], end: WaitContainerResponse) -> None:
        await asyncio.wait([output], timeout=REST)
        if not output.done():
            note(f"the rest of what container {self._name} wrote can't be read now (see: shoal logs {self._name})")
            return
        problem = output.exception()
        if problem is None or end.phase == ContainerPhase.CONTAINER_PHASE_FAILED:
            return
        if isinstance(problem, (BrokenPipeError, Detached)):
            raise problem
        note(f"what container {self._name} wrote can't be read: {problem}")


async def print_batch(name: str, batch: LogsResponse) -> None:
    """Write a batch of a container's output to stdout and stderr, the pieces of each as they came.

    Raises:
        BrokenPipeError: nobody reads any more.
    """
    if batch.lost_bytes:
        note(lost_text(name, batch.lost_bytes))
    run: list[bytes] = []
    current = LogStream.LOG_STREAM_STDOUT
    for entry in batch.entries:
        if entry.stream != current and run:
            await pipes.write(_fd(current), b"".join(run))
            run.clear()
        current = entry.stream
        run.append(entry.data)
    if run:
        await pipes.write(_fd(current), b"".join(run))


def _fd(stream: LogStream) -> int:
    return 2 if stream == LogStream.LOG_STREAM_STDERR else 1


async def attached(
    cluster: Cluster,
    identifier: str,
    create: Callable[[], Awaitable[Container]],
    streams: Streams,
    *,
    proxy: bool,
) -> int:
    """Make a container, stay with it, and return its exit code."""

    async def abandon() -> None:
        await remove_now(cluster, identifier)

    return await Attachment(cluster, identifier, create, streams=streams, abandon=abandon, proxy=proxy).run()


async def detached(cluster: Cluster, identifier: str, create: Callable[[], Awaitable[Container]]) -> tuple[int, str]:
    """Make a container and return once it runs or has ended: exit code and id."""
    with arriving() as signals:
        work = asyncio.ensure_future(create())
        arrived = asyncio.create_task(signals.get(), name="shoal-signal")
        waiting: asyncio.Task[WaitContainerResponse] | None = None
        try:
            await asyncio.wait([work, arrived], return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                container = work.result()
                waiting = asyncio.create_task(
                    cluster.containers.wait(identifier, until=Until.RUNNING, run=1, on_change=Reasons()),
                    name="shoal-run-wait",
                )
                await asyncio.wait([waiting, arrived], return_when=asyncio.FIRST_COMPLETED)
                if waiting.done():
                    end = waiting.result()
                    failed = end.phase in (ContainerPhase.CONTAINER_PHASE_FAILED, ContainerPhase.CONTAINER_PHASE_LOST)
                    return (outcome(end) if failed else 0), container.spec.id
            again = await taken_back(identifier, work, lambda: remove_now(cluster, identifier), signals)
            return 128 + (again or arrived.result()), ""
        finally:
            for task in (work, arrived, waiting):
                if task is not None:
                    task.cancel()
            await asyncio.wait([task for task in (work, arrived, waiting) if task is not None])
