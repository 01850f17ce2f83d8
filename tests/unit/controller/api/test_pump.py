from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from shoal_controller.api.streams.execution import merge_output
from shoal_controller.api.streams.pump import AHEAD, FRAME, pump
from shoal_proto.v1.container_pb2 import ExecResponse


async def test_merges_what_piles_up_in_order_and_stops_a_source_that_nobody_reads() -> None:
    given = 0

    async def source() -> AsyncIterator[ExecResponse]:
        nonlocal given
        for number in range(400):
            given += 1
            yield ExecResponse(stdout=bytes([number % 251]) * 8192)
        yield ExecResponse(stderr=b"e")
        yield ExecResponse(exit_code=3)

    got: list[ExecResponse] = []
    async with aclosing(pump(source(), merge_output, name="test")) as messages:
        async for message in messages:
            got.append(message)
            if len(got) == 1:
                for _ in range(1000):
                    await asyncio.sleep(0)
                assert given * 8192 < AHEAD + 3 * FRAME
    assert b"".join(message.stdout for message in got) == b"".join(bytes([n % 251]) * 8192 for n in range(400))
    assert got[-2].stderr == b"e"
    assert got[-1].exit_code == 3
    assert len(got) < 100
    assert max(message.ByteSize() for message in got) <= FRAME


async def test_raises_what_the_source_raises_after_what_came_before() -> None:
    async def source() -> AsyncIterator[ExecResponse]:
        yield ExecResponse(stdout=b"last words")
        raise ConnectionError("gone")

    got: list[bytes] = []

    async def read() -> None:
        async for message in pump(source(), merge_output, name="test"):
            got.append(message.stdout)  # noqa: PERF401 (what came before the error counts)

    with pytest.raises(ConnectionError):
        await read()
    assert got == [b"last words"]


async def test_asks_whether_to_end_when_nothing_comes() -> None:
    asked = 0

    async def source() -> AsyncIterator[ExecResponse]:
        yield ExecResponse(stdout=b"x")
        await asyncio.Event().wait()

    def end() -> bool:
        nonlocal asked
        asked += 1
        return asked == 2

    assert len([m async for m in pump(source(), merge_output, name="t", idle=0.01, on_idle=end)]) == 1
    assert asked == 2
