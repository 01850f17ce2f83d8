from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import grpc
import grpc.aio
import pytest

from shoal.streams import received
from shoal_common.call_ends import CallEnd

_PIECE = bytes(64 << 10)


async def _full(
    requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext[bytes, bytes]
) -> AsyncIterator[bytes]:
    async for _ in requests:
        yield b"taken"
        await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "no room")


class _Serving:
    """A server that takes one piece and refuses the next, and a call of it."""

    async def __aenter__(self) -> grpc.aio.StreamStreamMultiCallable[bytes, bytes]:
        self._server = grpc.aio.server()
        handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(_full)
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("disk", {"Fill": handler}),))
        port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        self._channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        return self._channel.stream_stream("/disk/Fill")

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close()
        await self._server.stop(None)


async def _write_on(call: grpc.aio.StreamStreamCall[bytes, bytes]) -> None:
    try:
        while True:
            await call.write(_PIECE)
    except (grpc.RpcError, asyncio.InvalidStateError):
        return


async def test_who_writes_on_is_told_what_the_other_side_said() -> None:
    async with _Serving() as method:
        # gRPC by itself tells something else most of the times.
        for _ in range(100):
            call = method()
            async with asyncio.timeout(20), asyncio.TaskGroup() as group, aclosing(received(call)) as responses:
                group.create_task(_write_on(call))
                with pytest.raises(grpc.RpcError) as raised:
                    _ = [response async for response in responses]
            assert (raised.value.code(), raised.value.details()) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "no room")


async def test_what_broke_by_itself_is_told_as_it_is() -> None:
    async with _Serving() as method:
        call = method()
        end = CallEnd(call)
        nothing = grpc.aio.Metadata()
        broken = grpc.aio.AioRpcError(grpc.StatusCode.INTERNAL, nothing, nothing, "Internal error from Core")
        assert end.of(broken) is broken
        other = grpc.aio.AioRpcError(grpc.StatusCode.NOT_FOUND, nothing, nothing, "there is none")
        assert end.of(other) is other
        call.cancel()
