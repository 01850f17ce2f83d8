"""What controllers ask of this node: logs, signals, commands, images."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

import grpc.aio

from shoal_agent.care.clearing import Clearing
from shoal_agent.care.usage import DiskUsage
from shoal_agent.containers.host import task_key
from shoal_agent.containers.node import Node
from shoal_agent.containers.watching import Watching
from shoal_agent.copying.commits import Commits
from shoal_agent.copying.copies import Copies
from shoal_agent.core.lifecycle import RUNNING, STARTING, STOPPING, state_name
from shoal_agent.images.store import Images
from shoal_agent.paths import NodePaths
from shoal_agent.runtime.failures import RUNTIME_FAILED, StartFailed
from shoal_agent.runtime.tasks import Tasks
from shoal_agent.streams.attaching import Attaching
from shoal_agent.streams.executing import exec_spec, leave, never_ran, relay
from shoal_agent.streams.output import Output
from shoal_common.errors import Conflict, Exhausted, InvalidSpec, NotFound
from shoal_proto.v1.agent_pb2 import (
    AgentAttachRequest,
    AgentCommitRequest,
    AgentCommitResponse,
    AgentContainerRef,
    AgentCopyInRequest,
    AgentCopyOutRequest,
    AgentExecRequest,
    AgentInventoryItem,
    AgentInventoryRequest,
    AgentLogsRequest,
    AgentPruneRequest,
    AgentPruneResponse,
    AgentPullRequest,
    AgentSignalRequest,
    AgentSignalResponse,
    AgentStatPathRequest,
    AgentStatsRequest,
    AgentStatsResponse,
    AgentUsage,
    AgentUsageRequest,
    ContainerRecord,
)
from shoal_proto.v1.agent_pb2_grpc import AgentServiceServicer
from shoal_proto.v1.container_pb2 import (
    AttachResponse,
    CopyInResponse,
    CopyOutResponse,
    DiffResponse,
    ExecResponse,
    ExportResponse,
    LogsResponse,
    PathInfo,
    TopResponse,
)
from shoal_proto.v1.image_pb2 import PullProgress
from shoal_proto.v1.node_pb2 import HoldRole

_Context = grpc.aio.ServicerContext[object, object]

#: Streams served at a time: one that is not read holds some megabytes.
_STREAMS: Final = 256
#: Seconds that a container is waited for which a controller knows of already and this node does not yet.
_APPEARING: Final = 10.0
#: The same, where less than the controller's whole patience (10 s) is to be spent on it.
_COMING: Final = 5.0
#: Seconds that a start under way is waited for.
_STARTING: Final = 10.0
#: News of a pull that wait to be sent.
_WAITING: Final = 4


class AgentService(AgentServiceServicer):
    """Serves `shoal.v1.AgentService`."""

    def __init__(
        self,
        paths: NodePaths,
        node: Node,
        tasks: Tasks,
        images: Images,
        copies: Copies,
        commits: Commits,
        usage: DiskUsage,
        clearing: Clearing,
        watching: Watching,
    ) -> None:
        self._usage = usage
        self._clearing = clearing
        self._watching = watching
        self._copies = copies
        self._commits = commits
        self._node = node
        self._tasks = tasks
        self._images = images
        self._executor = ThreadPoolExecutor(2, thread_name_prefix="shoal-logs")
        self._output = Output(paths, self._executor)
        self._attaching = Attaching(node, tasks.consoles, self._output, appearing=_APPEARING)
        self._streams = 0
        self._left: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """End its threads; the server has stopped."""
        for task in self._left:
            task.cancel()
        self._executor.shutdown()

    async def Logs(self, request: AgentLogsRequest, context: _Context) -> AsyncIterator[LogsResponse]:
        """Give a container's output by cursor."""
        with self._stream():
            worker = await self._node.appeared(request.id, timeout=_APPEARING)
            async with contextlib.aclosing(self._output.read(worker, request)) as responses:
                async for response in responses:
                    yield response

    async def Signal(self, request: AgentSignalRequest, context: _Context) -> AgentSignalResponse:
        """Send a signal to a container's first process."""
        record = await self._running(request.id, request.generation)
        await self._tasks.signal(task_key(record), request.signal)
        return AgentSignalResponse()

    async def Exec(
        self, request_iterator: AsyncIterator[AgentExecRequest], context: _Context
    ) -> AsyncIterator[ExecResponse]:
        """Run a command beside a container's first process; it dies with the stream."""
        with self._stream():
            first = await anext(request_iterator, None)
            if first is None or first.WhichOneof("message") != "start":
                raise InvalidSpec("the first message of an exec does not say what to run")
            record = await self._running(first.start.id, first.start.generation)
            if record.status.paused:
                name = record.assignment.name
                raise Conflict(f'container "{name}" is paused, nothing runs in it (let it go on: shoal unpause {name})')
            start = first.start.start
            spec = exec_spec(start, record.assignment.config.user or record.image_config.user)
            try:
                process = await self._tasks.exec(task_key(record), spec)
            except StartFailed as error:
                if error.code == RUNTIME_FAILED:
                    raise
                for response in never_ran(error):
                    yield response
                return
            work = (
                leave(process, start.args[0], self._keep)
                if start.detach
                else relay(process, request_iterator, self._keep)
            )
            async with contextlib.aclosing(work) as responses:
                async for response in responses:
                    yield response

    async def Attach(
        self, request_iterator: AsyncIterator[AgentAttachRequest], context: _Context
    ) -> AsyncIterator[AttachResponse]:
        """Join a client to a container's first process."""
        with self._stream():
            first = await anext(request_iterator, None)
            if first is None or first.WhichOneof("message") != "start":
                raise InvalidSpec("the first message of an attach does not say what to attach to")
            async with contextlib.aclosing(self._attaching.attach(first.start, request_iterator)) as responses:
                async for response in responses:
                    yield response

    async def Pull(self, request: AgentPullRequest, context: _Context) -> AsyncIterator[PullProgress]:
        """Fetch an image, telling how far it is."""
        with self._stream():
            news: asyncio.Queue[PullProgress] = asyncio.Queue(_WAITING)

            def tell(progress: PullProgress) -> None:
                # What is slow to be read misses some of it.
                with contextlib.suppress(asyncio.QueueFull):
                    news.put_nowait(progress)

            pull = asyncio.create_task(
                self._images.ensure(request.repository, request.digest, on_progress=tell), name="pull"
            )
            try:
                while not pull.done():
                    got = asyncio.create_task(news.get(), name="pull-news")
                    await asyncio.wait({pull, got}, return_when=asyncio.FIRST_COMPLETED)
                    if got.done():
                        if not got.result().done:
                            yield got.result()
                    else:
                        got.cancel()
                image = await pull
            finally:
                pull.cancel()
                await asyncio.wait([pull])
            layers = len(image.layers)
            yield PullProgress(digest=request.digest, layers=layers, layers_done=layers, done=True)

    async def Inventory(self, request: AgentInventoryRequest, context: _Context) -> AsyncIterator[AgentInventoryItem]:
        """Tell what this node has records of."""
        with self._stream():
            for record, stray in self._node.inventory(frozenset(request.ids)):
                item = AgentInventoryItem(assignment=record.assignment, status=record.status, stray=stray)
                if record.removing or record.removed:
                    item.assignment.role = HoldRole.HOLD_ROLE_REMOVE
                yield item

    async def StatPath(self, request: AgentStatPathRequest, context: _Context) -> PathInfo:
        """Look at one path of a container."""
        with self._stream():
            return await self._copies.stat(request)

    async def CopyOut(self, request: AgentCopyOutRequest, context: _Context) -> AsyncIterator[CopyOutResponse]:
        """Give a file or a directory of a container as a tar."""
        with self._stream():
            async with contextlib.aclosing(self._copies.out(request)) as responses:
                async for response in responses:
                    yield response

    async def CopyIn(
        self, request_iterator: AsyncIterator[AgentCopyInRequest], context: _Context
    ) -> AsyncIterator[CopyInResponse]:
        """Unpack a tar in a directory of a container."""
        with self._stream():
            first = await anext(request_iterator, None)
            if first is None or first.WhichOneof("message") != "start":
                raise InvalidSpec("the first message of a copy does not say where to (send start first)")
            async with contextlib.aclosing(self._copies.into(first.start, request_iterator)) as responses:
                async for response in responses:
                    yield response

    async def Diff(self, request: AgentContainerRef, context: _Context) -> AsyncIterator[DiffResponse]:
        """Tell what a container has changed of its image."""
        with self._stream():
            async with contextlib.aclosing(self._copies.diff(request)) as responses:
                async for response in responses:
                    yield response

    async def Export(self, request: AgentContainerRef, context: _Context) -> AsyncIterator[ExportResponse]:
        """Give a container's root file system as a tar."""
        with self._stream():
            async with contextlib.aclosing(self._copies.export(request)) as responses:
                async for response in responses:
                    yield response

    async def Commit(self, request: AgentCommitRequest, context: _Context) -> AsyncIterator[AgentCommitResponse]:
        """Push what a container has changed as a layer."""
        with self._stream():
            async with contextlib.aclosing(self._commits.commit(request)) as responses:
                async for response in responses:
                    yield response

    async def Usage(self, request: AgentUsageRequest, context: _Context) -> AgentUsage:
        """Count what takes room on the disk."""
        with self._stream():
            return await self._usage.count(request)

    async def Prune(self, request: AgentPruneRequest, context: _Context) -> AgentPruneResponse:
        """Remove images that no container here has."""
        if not request.images:
            raise InvalidSpec("nothing was named that can be pruned (name images)")
        with self._stream():
            done = await self._clearing.remove_images(request.digests)
            return AgentPruneResponse(
                digests=[digest for each in done for digest in each.images],
                freed_bytes=sum(each.bytes for each in done),
            )

    async def Stats(self, request: AgentStatsRequest, context: _Context) -> AsyncIterator[AgentStatsResponse]:
        """Tell what containers use."""
        with self._stream():
            async with contextlib.aclosing(self._watching.stats(request)) as responses:
                async for response in responses:
                    yield response

    async def Top(self, request: AgentContainerRef, context: _Context) -> TopResponse:
        """Tell of the processes of a container."""
        with self._stream():
            return await self._watching.top(await self._running(request.id, request.generation))

    async def _running(self, container: str, generation: int) -> ContainerRecord:
        """Return the record of a container that has a process.

        It may be placed here without this node having heard of it yet. And a start under way is waited for: what the
        program wrote first may have been read before its start is on record.

        Raises:
            Conflict: it has none, belongs to another placement, or isn't here. Whoever asks knows that there is such a
                container.
        """
        try:
            worker = await self._node.appeared(container, timeout=_COMING)
        except NotFound:
            raise Conflict(f"container {container[:12]} is not running (its node does not have it)") from None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STARTING):
                await worker.until(lambda stored: stored if stored.status.state != STARTING else None)
        record = worker.record
        status = record.status
        if generation and status.generation != generation:
            raise Conflict(f"container {container[:12]} was placed anew meanwhile (try again)")
        if status.state not in (RUNNING, STOPPING):
            raise Conflict(f"container {container[:12]} is not running (it is {state_name(status.state).lower()})")
        return record

    def _keep(self, work: Coroutine[None, None, None]) -> None:
        """Carry on what has no client any more."""
        task = asyncio.create_task(work, name="exec-left")
        self._left.add(task)
        task.add_done_callback(self._left.discard)

    @contextmanager
    def _stream(self) -> Iterator[None]:
        if self._streams >= _STREAMS:
            raise Exhausted(f"this node serves {_STREAMS} streams already (end some, or try again later)")
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1
