"""What arrives on a call's stream, read by one task: whoever consumes it may give up waiting at any time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

import grpc
import grpc.aio

from shoal_common.call_ends import CallEnd
from shoal_common.errors import Unavailable

if TYPE_CHECKING:
    from grpc.aio import StreamStreamCall, UnaryStreamCall

Q = TypeVar("Q")
R = TypeVar("R")

#: Responses that wait for a slow consumer; beyond that the sender is slowed down.
BACKLOG: Final = 16


def received(call: UnaryStreamCall[Q, R] | StreamStreamCall[Q, R]) -> AsyncGenerator[R, None]:
    """Yield the responses of `call`, to which nothing has been written yet; leaving the generator cancels it.

    A cancelled `call.read()` would cancel the whole call, so that is done by a task of its own.

    Raises:
        grpc.RpcError: what the call ended with, after all that came before.
        Unavailable: it was cancelled on this side.
    """
    return _received(call, CallEnd(call))


async def _received(call: UnaryStreamCall[Q, R] | StreamStreamCall[Q, R], ended: CallEnd) -> AsyncGenerator[R, None]:
    queue: asyncio.Queue[R | BaseException | None] = asyncio.Queue(BACKLOG)

    async def read() -> None:
        end: BaseException | None = None
        try:
            async for response in call:
                await queue.put(response)
        except grpc.RpcError as error:
            end = ended.of(error)
        except asyncio.CancelledError:
            call.cancel()
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Not this task was cancelled, but the call, by somebody on this side.
            end = Unavailable("the call was broken off")
        await queue.put(end)

    reader = asyncio.create_task(read(), name="shoal-stream-reader")
    try:
        while (item := await queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        reader.cancel()
        with suppress(asyncio.CancelledError):
            await reader
        call.cancel()
