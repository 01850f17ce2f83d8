"""What the session's writer is told of a call that has ended. Real gRPC on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest

from shoal_agent.session import send
from shoal_common.errors import Superseded
from shoal_proto.v1.dispatcher_pb2 import AgentToLeader, HeartbeatRequest, LeaderToAgent
from shoal_proto.v1.dispatcher_pb2_grpc import (
    DispatcherServiceServicer,
    DispatcherServiceStub,
    add_DispatcherServiceServicer_to_server,
)


class _Ending(DispatcherServiceServicer):
    """Ends every session at once."""

    def __init__(self, code: grpc.StatusCode) -> None:
        self._code = code

    async def Session(
        self, request_iterator: Any, context: grpc.aio.ServicerContext[AgentToLeader, LeaderToAgent]
    ) -> AsyncIterator[LeaderToAgent]:
        if self._code is not grpc.StatusCode.OK:
            await context.abort(self._code, "it is over")
        for _ in ():
            yield LeaderToAgent()

    async def Heartbeat(self, request: HeartbeatRequest, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        raise NotImplementedError


async def _told(code: grpc.StatusCode) -> BaseException:
    """What sending raises after a call that a controller ended like this."""
    server = grpc.aio.server()
    add_DispatcherServiceServicer_to_server(_Ending(code), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = DispatcherServiceStub(channel).Session()
            # Waits for the end, which comes while nothing is being written.
            await call.code()
            with pytest.raises((grpc.RpcError, Superseded)) as raised:
                await send(call, AgentToLeader())
            return raised.value
    finally:
        await server.stop(None)


async def test_a_call_that_broke_off_tells_why() -> None:
    told = await _told(grpc.StatusCode.UNAVAILABLE)
    assert isinstance(told, grpc.aio.AioRpcError)
    assert (told.code(), told.details()) == (grpc.StatusCode.UNAVAILABLE, "it is over")


async def test_a_call_that_ended_in_good_order_is_superseded() -> None:
    assert isinstance(await _told(grpc.StatusCode.OK), Superseded)
