"""What tests of the API talk to: its stubs, a small agent, and the leader's part played by hand."""

from __future__ import annotations

import asyncio
import io
import tarfile
import time
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, cast

import grpc.aio
import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from shoal_common.errors import ShoalError, Unavailable
from shoal_common.identity import Role
from shoal_common.ids import new_container_id
from shoal_common.rpc_client import TlsFiles
from shoal_common.rpc_errors import from_rpc_error
from shoal_common.rpc_server import ServerInterceptor
from shoal_common.tracing import current_trace
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.etcd import EtcdKV
from shoal_controller.state.kv import Txn
from shoal_controller.state.store import encode
from shoal_proto.v1 import (
    agent_pb2,
    agent_pb2_grpc,
    cluster_pb2_grpc,
    container_pb2,
    container_pb2_grpc,
    image_pb2,
    image_pb2_grpc,
    node_pb2_grpc,
    volume_pb2_grpc,
)
from shoal_proto.v1.container_pb2 import (
    ContainerConfig,
    ContainerPlacement,
    ContainerRef,
    ContainerState,
    ContainerStatus,
    CreateContainerRequest,
    LogCursor,
    LogEntry,
    LogsResponse,
    Tombstone,
)
from shoal_proto.v1.node_pb2 import NodeDescription, NodeLedger, NodeSpec, NodeState, NodeStatus
from tests.fakes.files import AgentFiles, Files

T = TypeVar("T")
Q = TypeVar("Q")
A = TypeVar("A")
NODE = "0123456789abcdef0123456789abcdef"


def root_tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("bin/sh")
        entry.size = 5
        archive.addfile(entry, io.BytesIO(b"hello"))
    return buffer.getvalue()


@dataclass
class SmallAgent(AgentFiles, agent_pb2_grpc.AgentServiceServicer):
    """An agent with one container's worth of behaviour, that tests set."""

    lines: list[bytes] = field(default_factory=list)
    more: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False
    known: bool = True
    records: list[agent_pb2.AgentInventoryItem] = field(default_factory=list)
    signals: list[tuple[str, int]] = field(default_factory=list)
    log_calls: list[agent_pb2.AgentLogsRequest] = field(default_factory=list)
    exec_inputs: list[agent_pb2.AgentExecRequest] = field(default_factory=list)
    attach_starts: list[agent_pb2.AgentAttachStart] = field(default_factory=list)
    attach_inputs: list[container_pb2.AttachRequest] = field(default_factory=list)
    exec_cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    #: Trace ids of the calls that it was made.
    traces: list[str] = field(default_factory=list)
    files: Files = field(default_factory=Files)
    #: What it tells of its disk, and what it was asked for.
    usage: agent_pb2.AgentUsage = field(default_factory=agent_pb2.AgentUsage)
    #: Digest of an image that a container has begun to use since it told that.
    began: str = ""
    usage_calls: list[agent_pb2.AgentUsageRequest] = field(default_factory=list)

    #: What it tells of containers, and how it was asked.
    stats: list[container_pb2.ContainerStats] = field(default_factory=list)
    stats_calls: list[agent_pb2.AgentStatsRequest] = field(default_factory=list)

    def write(self, *lines: bytes) -> None:
        self.lines.extend(lines)
        self.more.set()

    def end(self) -> None:
        self.ended = True
        self.more.set()

    async def Logs(
        self, request: agent_pb2.AgentLogsRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> AsyncIterator[LogsResponse]:
        self.log_calls.append(request)
        self.traces.append(current_trace())
        if not self.known:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such container here")
        place = request.cursor.offset
        while True:
            self.more.clear()
            while place < len(self.lines):
                data = self.lines[place]
                place += 1
                entry = LogEntry(stream=container_pb2.LOG_STREAM_STDOUT, data=data)
                yield LogsResponse(entries=[entry], cursor=LogCursor(generation=1, attempt=1, offset=place))
            if self.ended or not request.follow:
                return
            await self.more.wait()

    async def Signal(
        self, request: agent_pb2.AgentSignalRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> agent_pb2.AgentSignalResponse:
        self.signals.append((request.id, request.signal))
        self.traces.append(current_trace())
        return agent_pb2.AgentSignalResponse()

    async def Exec(
        self,
        request_iterator: AsyncIterator[agent_pb2.AgentExecRequest],
        context: grpc.aio.ServicerContext[object, object],
    ) -> AsyncIterator[container_pb2.ExecResponse]:
        """Echo the input on both streams until it ends, then exit with its length; signal N exits with 128 + N."""
        total = 0
        self.traces.append(current_trace())
        try:
            async for request in request_iterator:
                self.exec_inputs.append(request)
                if request.HasField("start"):
                    yield container_pb2.ExecResponse(started=42)
                    continue
                if request.request.signal:
                    yield container_pb2.ExecResponse(exit_code=128 + request.request.signal)
                    return
                total += len(request.request.stdin)
                yield container_pb2.ExecResponse(stdout=request.request.stdin)
                yield container_pb2.ExecResponse(stderr=request.request.stdin[:1])
            yield container_pb2.ExecResponse(exit_code=total % 256)
        except (asyncio.CancelledError, GeneratorExit):
            self.exec_cancelled.set()
            raise

    async def Attach(
        self,
        request_iterator: AsyncIterator[agent_pb2.AgentAttachRequest],
        context: grpc.aio.ServicerContext[object, object],
    ) -> AsyncIterator[container_pb2.AttachResponse]:
        """Give `lines` from the cursor on, each with the place after it, and echo the input; "exit N" ends it."""
        first = await anext(aiter(request_iterator))
        self.attach_starts.append(first.start)
        self.traces.append(current_trace())
        yield container_pb2.AttachResponse(opened=container_pb2.AttachOpened(tty=True, run=first.start.start.run or 1))
        place = first.start.start.cursor.offset
        for line in self.lines[place:]:
            place += 1
            yield container_pb2.AttachResponse(stdout=line)
            yield container_pb2.AttachResponse(cursor=LogCursor(generation=1, attempt=1, offset=place))
        async for request in request_iterator:
            self.attach_inputs.append(request.request)
            word, _, number = request.request.stdin.decode().partition(" ")
            if word == "exit":
                yield container_pb2.AttachResponse(exit_code=int(number))
                return
            if word == "late":
                raise Unavailable("it was let go of")
            yield container_pb2.AttachResponse(stdout=request.request.stdin)

    async def Inventory(
        self, request: agent_pb2.AgentInventoryRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> AsyncIterator[agent_pb2.AgentInventoryItem]:
        for item in self.records:
            if not request.ids or item.assignment.id in request.ids:
                yield item

    async def Usage(
        self, request: agent_pb2.AgentUsageRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> agent_pb2.AgentUsage:
        self.usage_calls.append(request)
        return self.usage

    async def Stats(
        self, request: agent_pb2.AgentStatsRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> AsyncIterator[agent_pb2.AgentStatsResponse]:
        """Tell what is in `stats`, and again whenever `more` is set."""
        self.stats_calls.append(request)
        while True:
            self.more.clear()
            told = [each for each in self.stats if not request.ids or each.id in request.ids]
            yield agent_pb2.AgentStatsResponse(stats=told)
            if not request.follow:
                return
            await self.more.wait()

    async def Top(
        self, request: agent_pb2.AgentContainerRef, context: grpc.aio.ServicerContext[object, object]
    ) -> container_pb2.TopResponse:
        return container_pb2.TopResponse(processes=[container_pb2.Process(pid=42, command=request.id)])

    async def Prune(
        self, request: agent_pb2.AgentPruneRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> agent_pb2.AgentPruneResponse:
        """Remove what is named and not used now; ten bytes each."""
        gone = [each for each in self.usage.images if each.digest in request.digests and each.digest != self.began]
        return agent_pb2.AgentPruneResponse(digests=[each.digest for each in gone], freed_bytes=10 * len(gone))

    async def Pull(
        self, request: agent_pb2.AgentPullRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> AsyncIterator[image_pb2.PullProgress]:
        yield image_pb2.PullProgress(digest=request.digest, layers=1)
        yield image_pb2.PullProgress(digest=request.digest, layers=1, layers_done=1, done=True)


@dataclass
class World:
    """Stubs on the API, and what tests do in the place of the leader and of agents."""

    kv: EtcdKV
    cache: ClusterCache
    containers: container_pb2_grpc.ContainerServiceAsyncStub
    nodes: node_pb2_grpc.NodeServiceAsyncStub
    images: image_pb2_grpc.ImageServiceAsyncStub
    volumes: volume_pb2_grpc.VolumeServiceAsyncStub
    cluster: cluster_pb2_grpc.ClusterServiceAsyncStub
    registry_host: str
    spool: Path
    agent: SmallAgent
    agent_address: str
    _tls: TlsFiles
    _server: grpc.aio.Server | None = None

    async def start_agent(self) -> None:
        self._server = grpc.aio.server(
            interceptors=[ServerInterceptor({"shoal.v1.AgentService": (Role.CONTROLLER,)})],
            options=[("grpc.so_reuseport", 0)],
        )
        agent_pb2_grpc.add_AgentServiceServicer_to_server(self.agent, self._server)
        credentials = grpc.ssl_server_credentials(
            [(self._tls.key.read_bytes(), self._tls.certificate.read_bytes())],
            root_certificates=self._tls.ca.read_bytes(),
            require_client_auth=True,
        )
        assert self._server.add_secure_port(self.agent_address, credentials)
        await self._server.start()

    async def stop_agent(self) -> None:
        if self._server is not None:
            await self._server.stop(None)
            self._server = None

    async def put(self, key: str, value: object) -> None:
        """Write an object whatever is there, as its one writer."""
        _, entry = await self.kv.get(key)
        txn = Txn()
        txn.put(key, encode(value), expect=0 if entry is None else entry.mod_revision)  # type: ignore[arg-type]
        await self.cache.reached(await self.kv.commit(txn))

    async def node(self, state: NodeState = NodeState.NODE_STATE_READY, *, seconds_ago: int = 0) -> None:
        await self.put(keys.node_spec(NODE), NodeSpec(schema=1, id=NODE, name="node2"))
        await self.put(keys.node_ledger(NODE), NodeLedger(schema=1))
        since = Timestamp(seconds=int(time.time()) - seconds_ago)
        description = NodeDescription(name="node2", address=self.agent_address)
        await self.put(keys.node_status(NODE), NodeStatus(schema=1, state=state, since=since, description=description))

    async def place(self, container: str, *, admitted: int = 1) -> None:
        placement = ContainerPlacement(schema=1, node=NODE, generation=1, run_admitted=admitted)
        await self.put(keys.container_placement("default", container), placement)

    async def report(
        self,
        container: str,
        state: int,
        *,
        run: int = 1,
        code: int = 0,
        again_in: int | None = None,
        limits_served: int = 0,
    ) -> None:
        """Store a status; `again_in` seconds its restart policy starts it again."""
        status = ContainerStatus(schema=1, generation=1, attempt=1, run_served=run, exit_code=code)
        status.limits_served = limits_served
        status.state = state  # type: ignore[assignment]
        status.started_at.GetCurrentTime()
        if again_in is not None:
            status.restart_at.GetCurrentTime()
            status.restart_at.seconds += again_in
        await self.put(keys.container_status("default", container), status)

    async def bury(self, container: str, status: ContainerStatus | None) -> None:
        """Delete all of a container and put its tombstone, in one transaction."""
        txn = Txn()
        entry = self.cache.containers[container]
        assert entry.spec is not None
        name = self.cache.names.get(("default", "container", entry.spec.value.name))
        for key, part in (
            (keys.container_spec("default", container), entry.spec),
            (keys.container_placement("default", container), entry.placement),
            (keys.container_status("default", container), entry.status),
            # Otherwise it was freed by a forced removal, and is another's by now.
            (
                keys.name("default", "container", entry.spec.value.name),
                name if name is not None and name.value == container else None,
            ),
        ):
            if part is not None:
                txn.delete(key, expect=part.revision)
        spec = entry.spec.value
        tombstone = Tombstone(
            schema=1,
            id=container,
            namespace="default",
            name=spec.name,
            status=status,
            run=spec.run,
            request_mac=spec.request_mac,
            last_request_id=spec.last_request_id,
        )
        txn.put(keys.tombstone("default", container), encode(tombstone), expect=0)
        await self.cache.reached(await self.kv.commit(txn))

    async def image(self, name: str = "web:3") -> image_pb2.Image:
        return (await self.import_image(name, root_tar()))[-1].image

    async def import_image(
        self, name: str, data: bytes, *, finished: bool = True, **start: object
    ) -> list[image_pb2.ImportImageResponse]:
        """Import as clients do; `finished` says whether the end is told."""
        begin = image_pb2.ImportImageStart(reference=name, **{"config": image_pb2.ImageConfig(cmd=["sh"]), **start})  # type: ignore[arg-type]
        call = self.images.ImportImage()
        try:
            await call.write(image_pb2.ImportImageRequest(start=begin))
            answers = [await next_of(call)]
            for at in range(0, len(data), 64 << 10):
                await call.write(image_pb2.ImportImageRequest(data=data[at : at + (64 << 10)]))
            if finished:
                await call.write(image_pb2.ImportImageRequest(finished=True))
            await call.done_writing()
            while isinstance(answer := await call.read(), image_pb2.ImportImageResponse):
                answers.append(answer)
        except grpc.aio.AioRpcError as error:
            raise ours(error) from error
        return answers

    async def create(self, name: str, *, start: bool = True, **config: object) -> container_pb2.Container:
        response = await self.containers.CreateContainer(create_request(name, start=start, **config))
        return response.container

    async def running(self, name: str) -> str:
        """Create a container and have it run on the small agent; return its id."""
        container = (await self.create(name)).spec.id
        await self.place(container)
        await self.report(container, ContainerState.CONTAINER_STATE_RUNNING)
        return container


def create_request(name: str, *, start: bool = True, **config: object) -> CreateContainerRequest:
    made = ContainerConfig(image="web:3")
    made.MergeFrom(ContainerConfig(**config))  # type: ignore[arg-type]
    return CreateContainerRequest(id=new_container_id(), name=name, config=made, start=start)


def ref(text: str) -> ContainerRef:
    return ContainerRef(ref=text)


async def refused(call: Awaitable[T], kind: type[ShoalError]) -> str:
    """Return the message with which a call is refused, and check that it is one line."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    error = ours(raised.value)
    assert type(error) is kind, error
    assert "\n" not in error.message
    return error.message


async def next_of(call: grpc.aio.UnaryStreamCall[Q, A] | grpc.aio.StreamStreamCall[Q, A]) -> A:
    """Return the next answer on a stream, which must not have ended."""
    answer = await call.read()
    assert isinstance(answer, Message)
    return cast("A", answer)


def ours(error: grpc.aio.AioRpcError) -> ShoalError:
    """What a client of ours makes of an error."""
    return from_rpc_error(error, peer="controller")
