"""What is no request, and errors that quote too much of one. Real gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from shoal_common.errors import InvalidSpec, ShoalError
from shoal_common.rpc_errors import LONGEST, from_rpc_error
from shoal_common.rpc_server import ServerInterceptor
from shoal_proto.v1.dispatcher_pb2 import HeartbeatRequest, HeartbeatResponse, LeaderToAgent
from shoal_proto.v1.dispatcher_pb2_grpc import DispatcherServiceServicer, add_DispatcherServiceServicer_to_server

SERVICE = "shoal.v1.DispatcherService"
#: The beginning of a field that is said to be longer than what follows.
TORN = b"\x0a\xff"


class Service(DispatcherServiceServicer):
    """Refuses with what it was sent, and answers each message of a stream."""

    async def Heartbeat(self, request: HeartbeatRequest, context: Any) -> HeartbeatResponse:
        raise InvalidSpec(f'process "{request.process_id}" is not valid')

    async def Session(self, request_iterator: Any, context: Any) -> AsyncIterator[LeaderToAgent]:
        async for _ in request_iterator:
            yield LeaderToAgent(cluster_id="c")


@asynccontextmanager
async def _serving(path: Path) -> AsyncIterator[grpc.aio.Channel]:
    server = grpc.aio.server(interceptors=[ServerInterceptor({SERVICE: None})])
    add_DispatcherServiceServicer_to_server(Service(), server)
    server.add_insecure_port(f"unix:{path}")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"unix:{path}") as channel:
            yield channel
    finally:
        await server.stop(None)


async def _refused(path: Path, request: bytes) -> ShoalError:
    async with _serving(path) as channel:
        call: Any = channel.unary_unary(f"/{SERVICE}/Heartbeat")
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call(request)
    return from_rpc_error(raised.value, peer="it")


async def test_what_is_no_request_is_the_callers_mistake(tmp_path: Path) -> None:
    error = await _refused(tmp_path / "s", TORN)
    assert type(error) is InvalidSpec
    assert f"{SERVICE}/Heartbeat" in error.message


@pytest.mark.parametrize("before", [(), (b"",)])
async def test_so_it_is_in_a_stream(tmp_path: Path, before: tuple[bytes, ...]) -> None:
    async def requests() -> AsyncIterator[bytes]:
        for request in (*before, TORN):
            yield request

    answers = 0

    async def read(call: Any) -> None:
        nonlocal answers
        async for _ in call:
            answers += 1

    async with _serving(tmp_path / "s") as channel:
        call: Any = channel.stream_stream(f"/{SERVICE}/Session")
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await read(call(requests()))
    assert type(from_rpc_error(raised.value, peer="it")) is InvalidSpec
    assert answers == len(before)


@pytest.mark.parametrize("said", ["x" * 30_000, "\U0001f41a" * 30_000])
async def test_a_message_is_cut_to_what_can_be_sent(tmp_path: Path, said: str) -> None:
    error = await _refused(tmp_path / "s", HeartbeatRequest(process_id=said).SerializeToString())
    assert type(error) is InvalidSpec
    assert error.message.startswith(f'process "{said[:50]}')
    assert LONGEST - 10 < len(error.message.encode()) < LONGEST + 10


@pytest.mark.parametrize("end", ["\n", "\r\n", "\x0b", "\x85", "\u2028"])
async def test_a_message_is_one_line(tmp_path: Path, end: str) -> None:
    error = await _refused(tmp_path / "s", HeartbeatRequest(process_id=f"a{end}b").SerializeToString())
    assert error.message == 'process "a b" is not valid'
