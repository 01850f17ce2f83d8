"""Calls of somebody whose certificate counts no more: refused, and broken off where they are open. Real gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from shoal_common.errors import Revoked
from shoal_common.identity import Identity, Role
from shoal_common.rpc_errors import from_rpc_error
from shoal_common.rpc_server import ServerInterceptor
from shoal_proto.v1.dispatcher_pb2 import AgentToLeader, Controllers, HeartbeatRequest, HeartbeatResponse, LeaderToAgent
from shoal_proto.v1.dispatcher_pb2_grpc import (
    DispatcherServiceServicer,
    DispatcherServiceStub,
    add_DispatcherServiceServicer_to_server,
)

SERVICE = "shoal.v1.DispatcherService"


class Service(DispatcherServiceServicer):
    """Streams one message, perhaps a large one, and then nothing; a unary call never answers."""

    def __init__(self) -> None:
        self.large = False
        #: The first message: what is sent, and what happens while it is on its way.
        self.first = LeaderToAgent(cluster_id="c")
        self.meanwhile: Callable[[], None] = lambda: None
        #: Once that has gone.
        self.begun = asyncio.Event()
        self.sending = asyncio.Event()
        self.waiting = asyncio.Event()
        self.ended = asyncio.Event()

    async def Session(self, request_iterator: Any, context: Any) -> AsyncIterator[LeaderToAgent]:
        try:
            asyncio.get_running_loop().call_soon(self.meanwhile)
            yield self.first
            self.begun.set()
            if self.large:
                self.sending.set()
                # More than a connection takes before anybody reads.
                yield LeaderToAgent(controllers=Controllers(addresses=["x" * (32 << 20)]))
            await asyncio.Event().wait()
        finally:
            self.ended.set()

    async def Heartbeat(self, request: HeartbeatRequest, context: Any) -> HeartbeatResponse:
        self.waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()
        return HeartbeatResponse()


class Gate:
    def __init__(self) -> None:
        self.closed = False

    def refuse(self, identity: Identity) -> None:
        if self.closed:
            raise Revoked(f"{identity} was removed")


@asynccontextmanager
async def _serving(path: Path) -> AsyncIterator[tuple[Service, Gate, ServerInterceptor, Any]]:
    service, gate = Service(), Gate()
    interceptor = ServerInterceptor({SERVICE: (Role.ADMIN,)}, refuse=gate.refuse)
    server = grpc.aio.server(interceptors=[interceptor])
    add_DispatcherServiceServicer_to_server(service, server)
    server.add_insecure_port(f"unix:{path}/s")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(
            f"unix:{path}/s", options=[("grpc.max_receive_message_length", -1)]
        ) as channel:
            yield service, gate, interceptor, DispatcherServiceStub(channel)
    finally:
        await server.stop(None)


def _cut(gate: Gate, interceptor: ServerInterceptor) -> Callable[[], None]:
    def cut() -> None:
        gate.closed = True
        interceptor.cut_refused()

    return cut


async def _why(call: Any) -> Exception:
    """What a call ends with, which must be soon."""
    try:
        async with asyncio.timeout(5):
            await call
    except grpc.aio.AioRpcError as error:
        return from_rpc_error(error, peer="server")
    except TimeoutError:
        pass
    raise AssertionError("it goes on")


async def test_an_open_stream_is_told_why_it_is_cut_off(tmp_path: Path) -> None:
    async with _serving(tmp_path) as (service, gate, interceptor, stub):
        call = stub.Session()
        await call.write(AgentToLeader())
        assert (await call.read()).cluster_id == "c"
        await service.begun.wait()
        gate.closed = True
        interceptor.cut_refused()
        error = await _why(call.read())
        assert isinstance(error, Revoked)
        assert str(error) == "admin local was removed"
        await service.ended.wait()
        # Nobody is kept of whom nothing is open.
        assert not interceptor._serving
        assert not interceptor._cut


async def test_a_stream_that_nobody_reads_is_cut_off_as_well(tmp_path: Path) -> None:
    async with _serving(tmp_path) as (service, gate, interceptor, stub):
        service.large = True
        call = stub.Session()
        await call.write(AgentToLeader())
        await call.read()
        await service.sending.wait()
        gate.closed = True
        interceptor.cut_refused()

        async def rest() -> None:
            while isinstance(await call.read(), LeaderToAgent):
                pass

        assert isinstance(await _why(rest()), Revoked)
        await service.ended.wait()


async def test_one_whose_first_message_is_on_its_way_is_told_as_well(tmp_path: Path) -> None:
    async with _serving(tmp_path) as (service, gate, interceptor, stub):
        service.meanwhile = _cut(gate, interceptor)
        call = stub.Session()
        assert (await call.read()).cluster_id == "c"
        assert isinstance(await _why(call.read()), Revoked)
        await service.ended.wait()
        assert not interceptor._serving
        assert not interceptor._cut
        assert not interceptor._beginning


async def test_one_that_takes_its_first_message_late_is_told_then(tmp_path: Path) -> None:
    async with _serving(tmp_path) as (service, gate, interceptor, stub):
        # More than a connection takes before anybody reads.
        service.first = LeaderToAgent(controllers=Controllers(addresses=["x" * (32 << 20)]))
        cut = asyncio.Event()

        def meanwhile() -> None:
            _cut(gate, interceptor)()
            cut.set()

        service.meanwhile = meanwhile
        call = stub.Session()
        await cut.wait()
        assert isinstance(await call.read(), LeaderToAgent)
        assert isinstance(await _why(call.read()), Revoked)
        await service.ended.wait()
        assert not interceptor._serving


async def test_a_call_under_way_is_told_and_the_next_is_refused(tmp_path: Path) -> None:
    async with _serving(tmp_path) as (service, gate, interceptor, stub):
        call = stub.Heartbeat(HeartbeatRequest())
        await service.waiting.wait()
        gate.closed = True
        interceptor.cut_refused()
        assert isinstance(await _why(call), Revoked)
        assert isinstance(await _why(stub.Heartbeat(HeartbeatRequest())), Revoked)


async def test_whoever_is_not_refused_goes_on(tmp_path: Path) -> None:
    async with _serving(tmp_path) as (service, _, interceptor, stub):
        call = stub.Heartbeat(HeartbeatRequest())
        await service.waiting.wait()
        interceptor.cut_refused()
        call.cancel()
        await service.ended.wait()
        assert call.cancelled()
