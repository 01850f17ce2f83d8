"""Makes calls, several at a time, as they are: bytes over a channel."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Final

import grpc
import grpc.aio

from shoal_common.call_ends import broke_off
from tests.fuzz.answers import Answer
from tests.fuzz.messages import Call

#: At a time.
_WIDTH: Final = 12
#: Seconds that a call may take; what waits for something that doesn't come ends then.
PATIENCE: Final = 1.5
#: Messages that are read of a stream that goes on.
_MOST: Final = 50


async def make(
    channel: grpc.aio.Channel, calls: Iterable[Call], ended: Callable[[Call, Answer], None], *, width: int = _WIDTH
) -> None:
    """Make all of the calls, `width` at a time; `ended` is told how each of them ended."""
    waiting = iter(calls)

    async def work() -> None:
        for call in waiting:
            began = time.monotonic()
            code, message, reply = await _one(channel, call)
            ended(call, Answer(code, message, time.monotonic() - began, reply))

    async with asyncio.TaskGroup() as group:
        for number in range(width):
            group.create_task(work(), name=f"fuzz-{number}")


async def _one(channel: grpc.aio.Channel, call: Call) -> tuple[grpc.StatusCode, str, bytes]:
    method = call.method
    kind = f"{'stream' if method.streams_in else 'unary'}_{'stream' if method.streams_out else 'unary'}"
    made: Any = getattr(channel, kind)(method.path)(
        _each(call.requests) if method.streams_in else call.requests[0], timeout=PATIENCE
    )
    try:
        if method.streams_out:
            for _ in range(_MOST):
                if await made.read() is grpc.aio.EOF:
                    break
            else:
                made.cancel()
                return grpc.StatusCode.OK, "", b""
        else:
            return grpc.StatusCode.OK, "", await made
    except grpc.aio.AioRpcError as error:
        if broke_off(error):
            # It was answered while more was being sent, and gRPC lost the answer. A fault would be in the daemon's log.
            return grpc.StatusCode.CANCELLED, "answered meanwhile", b""
        return error.code(), error.details() or "", b""
    finally:
        with contextlib.suppress(grpc.aio.BaseError):
            made.cancel()
    return grpc.StatusCode.OK, "", b""


async def _each(requests: Iterable[bytes]) -> AsyncIterator[bytes]:
    for request in requests:
        yield request
