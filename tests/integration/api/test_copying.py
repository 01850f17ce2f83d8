"""Copies, through the controller to a small agent and back."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import grpc.aio
import pytest

from shoal_common.archives.packing import Packer
from shoal_common.errors import Conflict, InvalidSpec, NotFound, Unavailable
from shoal_proto.v1.container_pb2 import CopyInRequest, CopyInStart, CopyOutRequest, CopyOutResponse, StatPathRequest
from tests.parts.api_world import World, next_of, ref, refused


@pytest.fixture
async def ready(world: World, tmp_path: Path) -> World:
    await world.image()
    await world.node()
    await world.start_agent()
    world.agent.files.root = tmp_path / "root"
    (world.agent.files.root / "etc").mkdir(parents=True)
    (world.agent.files.root / "etc" / "big").write_bytes(os.urandom(3_000_000))
    return world


def tar_of(path: Path) -> list[bytes]:
    parent = os.open(path.parent, os.O_RDONLY)
    try:
        return list(Packer(xattrs=False).archive(parent, path.name, b"copied"))
    finally:
        os.close(parent)


async def rest_of(call: grpc.aio.UnaryStreamCall[CopyOutRequest, CopyOutResponse]) -> None:
    while await call.read():
        pass


async def requests(path: str, pieces: list[bytes]) -> AsyncIterator[CopyInRequest]:
    yield CopyInRequest(start=CopyInStart(container=ref("web"), path=path))
    for piece in pieces:
        yield CopyInRequest(data=piece)


async def test_a_tar_goes_both_ways(ready: World) -> None:
    await ready.running("web")
    call = ready.containers.CopyOut(CopyOutRequest(container=ref("web"), path="/etc/big"))
    responses = [response async for response in call]
    assert responses[0].info.size_bytes == 3_000_000
    pieces = [response.data for response in responses[1:]]
    assert max(map(len, pieces)) <= 256 << 10 or len(pieces) > 10
    progress = [r async for r in ready.containers.CopyIn(requests("/etc", tar_of(ready.agent.files.root / "etc/big")))]
    assert progress[0].bytes == 0
    assert progress[-1].done
    assert (ready.agent.files.root / "etc/copied").read_bytes() == (ready.agent.files.root / "etc/big").read_bytes()
    info = await ready.containers.StatPath(StatPathRequest(container=ref("web"), path="/etc"))
    assert info.mode & 0o40000


async def test_what_a_node_refuses_is_told_with_the_containers_name(ready: World) -> None:
    await ready.running("web")
    call = ready.containers.CopyOut(CopyOutRequest(container=ref("web"), path="/nope"))
    assert 'container "web": "/nope" is not there' in await refused(call.read(), NotFound)
    stat = ready.containers.StatPath(StatPathRequest(container=ref("web"), path="/nope"))
    assert 'container "web": "/nope" is not there' in await refused(stat, NotFound)


async def test_what_can_not_be_right_never_gets_to_a_node(ready: World) -> None:
    await ready.running("web")
    for path in ("", "x" * 5000, "nul\0"):
        stat = ready.containers.StatPath(StatPathRequest(container=ref("web"), path=path))
        await refused(stat, InvalidSpec)

    async def wrong() -> AsyncIterator[CopyInRequest]:
        yield CopyInRequest(data=b"first")

    await refused(ready.containers.CopyIn(wrong()).read(), InvalidSpec)


async def test_a_container_without_a_place_has_no_files(ready: World) -> None:
    await ready.create("web")
    stat = ready.containers.StatPath(StatPathRequest(container=ref("web"), path="/etc"))
    assert "it has no files on any node yet" in await refused(stat, Conflict)


async def test_a_node_that_goes_away_in_the_middle_is_named(ready: World) -> None:
    await ready.running("web")
    ready.agent.files.stall_after = 2
    call = ready.containers.CopyOut(CopyOutRequest(container=ref("web"), path="/etc/big"))
    assert (await next_of(call)).info.size_bytes == 3_000_000
    await ready.agent.files.stalled.wait()
    await ready.stop_agent()
    assert "does not answer" in await refused(rest_of(call), Unavailable)
    stat = ready.containers.StatPath(StatPathRequest(container=ref("web"), path="/etc"))
    assert "can't be copied" in await refused(stat, Unavailable)
