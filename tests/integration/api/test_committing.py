"""Commits, through the controller: a small agent's layer on top of an image, in a real registry."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import AsyncIterator

import grpc.aio
import pytest

from shoal_common.archives.headers import END, header
from shoal_common.archives.tarstream import Entry
from shoal_common.errors import InvalidSpec, NotFound, Unavailable
from shoal_common.registry import Registry
from shoal_proto.v1.agent_pb2 import AgentCommitRequest
from shoal_proto.v1.container_pb2 import CommitProgress, CommitRequest, CreateContainerRequest
from shoal_proto.v1.image_pb2 import GetImageRequest, Layer
from tests.parts.api_world import World, create_request, ref, refused


async def once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def push_layer(request: AgentCommitRequest) -> Layer:
    """What a node does."""
    plain = header(Entry(b"fix", b"", 0x30, 0o644, 0, 0, 0, 0, 0)) + END
    packed = gzip.compress(plain, mtime=0)
    host, _, repository = request.repository.partition("/")
    registry = Registry(insecure=[host])
    try:
        digest, size = await registry.push_blob(host, repository, None, once(packed))
    finally:
        await registry.close()
    return Layer(digest=digest, size_bytes=size, diff_id=f"sha256:{hashlib.sha256(plain).hexdigest()}")


@pytest.fixture
async def ready(world: World) -> World:
    await world.image()
    await world.node()
    await world.start_agent()
    world.agent.files.layer = push_layer
    return world


async def last_of(call: grpc.aio.UnaryStreamCall[CommitRequest, CommitProgress]) -> CommitProgress:
    last = CommitProgress()
    while isinstance(progress := await call.read(), CommitProgress):
        last = progress
    return last


async def test_a_layer_and_an_image_are_one_more_image(ready: World) -> None:
    request: CreateContainerRequest = create_request("web", env=["SECRET=fish"], args=["own"])
    container = (await ready.containers.CreateContainer(request)).container.spec.id
    await ready.place(container)
    wanted = CommitRequest(container=ref("web"), reference="other/fixed:1", pause=True, changes=["ENV A=b"])
    done = await last_of(ready.containers.CommitContainer(wanted))
    made = await ready.images.GetImage(GetImageRequest(ref="other/fixed:1"))
    base = await ready.images.GetImage(GetImageRequest(ref="web:3"))
    assert made.digest == done.digest
    assert [layer.digest for layer in made.layers][:-1] == [layer.digest for layer in base.layers]
    assert list(made.config.cmd) == ["own"]
    assert list(made.config.env) == ["SECRET=fish", "A=b"]
    asked = ready.agent.files.commits[0]
    assert (asked.container.id, asked.pause) == (container, True)
    # The same once more: nothing has to be pushed but the layer.
    assert (await last_of(ready.containers.CommitContainer(wanted))).digest


async def test_what_can_never_be_right_gets_to_no_node(ready: World) -> None:
    await ready.running("web")
    for reference, changes in (("", []), ("x@sha256:" + "0" * 64, []), ("host.example/x:1", []), ("x:1", ["RUN x"])):
        wanted = CommitRequest(container=ref("web"), reference=reference, changes=changes)
        await refused(ready.containers.CommitContainer(wanted).read(), InvalidSpec)
    await refused(
        ready.containers.CommitContainer(CommitRequest(container=ref("no"), reference="x:1")).read(), NotFound
    )
    assert not ready.agent.files.commits


async def test_a_node_that_makes_no_layer_makes_no_image(ready: World) -> None:
    await ready.running("web")
    ready.agent.files.layer = None
    call = ready.containers.CommitContainer(CommitRequest(container=ref("web"), reference="cut:1"))
    assert "without a layer" in await refused(last_of(call), Unavailable)
    await refused(ready.images.GetImage(GetImageRequest(ref="cut:1")), NotFound)
