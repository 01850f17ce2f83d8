"""Attaching through a controller to an agent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc.aio
import pytest

from shoal_common.errors import Conflict, InvalidSpec, NotFound, Unavailable
from shoal_proto.v1.container_pb2 import (
    AttachRequest,
    AttachResponse,
    AttachStart,
    ContainerState,
    LogCursor,
    StopContainerRequest,
    TerminalSize,
)
from tests.parts.api_world import World, ref, refused


@pytest.fixture
async def ready(world: World) -> World:
    await world.image()
    await world.node()
    await world.start_agent()
    return world


def opening(name: str = "web", *, size: int = 80, **options: object) -> AttachRequest:
    start = AttachStart(container=ref(name), stdin=True, size=TerminalSize(columns=size, rows=24), **options)  # type: ignore[arg-type]
    return AttachRequest(start=start)


async def requests(*messages: AttachRequest) -> AsyncIterator[AttachRequest]:
    for message in messages:
        yield message


async def test_output_input_sizes_and_the_end(ready: World) -> None:
    container = await ready.running("web")
    ready.agent.write(b"one", b"two")
    pieces = (AttachRequest(stdin=b"in"), AttachRequest(resize=TerminalSize(columns=9, rows=8)))
    call = ready.containers.AttachContainer(
        requests(opening(logs=True, run=1), *pieces, AttachRequest(stdin=b"exit 7")), timeout=30
    )
    got: list[AttachResponse] = [response async for response in call]
    assert (got[0].opened.tty, got[0].opened.run) == (True, 1)
    assert b"".join(response.stdout for response in got).startswith(b"onetwo")
    assert [response.cursor.offset for response in got if response.HasField("cursor")][-1] == 2
    assert got[-1].exit_code == 7
    start = ready.agent.attach_starts[0]
    assert (start.id, start.generation, start.start.size.columns, start.start.logs) == (container, 1, 80, True)
    assert AttachRequest(resize=TerminalSize(columns=9, rows=8)) in ready.agent.attach_inputs


async def test_it_goes_on_from_a_place(ready: World) -> None:
    await ready.running("web")
    ready.agent.write(b"one", b"two")
    cursor = LogCursor(generation=1, attempt=1, offset=1)
    call = ready.containers.AttachContainer(
        requests(opening(cursor=cursor), AttachRequest(stdin=b"exit 0")), timeout=30
    )
    assert b"".join([response.stdout async for response in call]) == b"two"


async def test_it_waits_for_a_place(ready: World) -> None:
    container = (await ready.create("web")).spec.id
    call = ready.containers.AttachContainer()
    await call.write(opening(run=1))
    answer = asyncio.ensure_future(call.read())
    await asyncio.sleep(0.1)
    assert not answer.done()
    await ready.place(container)
    response = await asyncio.wait_for(answer, 10)
    assert isinstance(response, AttachResponse)
    assert response.opened.run == 1
    call.cancel()


async def _to_the_end(call: grpc.aio.StreamStreamCall[AttachRequest, AttachResponse]) -> None:
    """Read all that comes: whether an answer comes before a refusal is up to the server."""
    while await call.read() is not grpc.aio.EOF:
        pass


async def test_it_says_what_is_wrong(ready: World) -> None:
    container = await ready.running("web")
    none = ready.containers.AttachContainer(requests(opening("none")), timeout=30)
    await refused(none.read(), NotFound)
    twice = ready.containers.AttachContainer(requests(opening(), opening()), timeout=30)
    assert "told twice" in await refused(_to_the_end(twice), InvalidSpec)
    silent = ready.containers.AttachContainer(requests(AttachRequest(stdin=b"x")), timeout=30)
    assert "send start first" in await refused(silent.read(), InvalidSpec)
    huge = ready.containers.AttachContainer(requests(opening(size=1 << 20)), timeout=30)
    assert "no terminal has" in await refused(huge.read(), InvalidSpec)
    late = ready.containers.AttachContainer(requests(opening(), AttachRequest(stdin=b"late")), timeout=30)
    assert "let go of" in await refused(_to_the_end(late), Unavailable)
    cut = ready.containers.AttachContainer()
    await cut.write(opening())
    await cut.read()
    await ready.stop_agent()
    assert "was cut off" in await refused(cut.read(), Unavailable)
    await ready.report(container, ContainerState.CONTAINER_STATE_EXITED)


async def test_a_run_that_is_taken_back_can_not_be_attached_to(ready: World) -> None:
    await ready.create("web")
    call = ready.containers.AttachContainer()
    await call.write(opening(run=1))
    await ready.containers.StopContainer(StopContainerRequest(container=ref("web"), request_id="stop"))
    assert "start it" in await refused(call.read(), Conflict)
