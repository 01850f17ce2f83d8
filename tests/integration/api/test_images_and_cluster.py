from __future__ import annotations

import asyncio
import gzip
import json
import os
import urllib.request
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from shoal_common.errors import InvalidSpec, NotFound, Unavailable
from shoal_proto.v1 import cluster_pb2, image_pb2, node_pb2
from shoal_proto.v1.node_pb2 import NodeState
from tests.parts.api_world import NODE, World, next_of, refused, root_tar


async def test_import_makes_an_image_that_the_registry_has(world: World) -> None:
    created = Timestamp()
    created.FromDatetime(datetime(2026, 1, 2, tzinfo=UTC))
    answers = await world.import_image("team/app:1", gzip.compress(root_tar()), created_at=created)
    made = answers[-1].image
    assert answers[-2].received_bytes == len(gzip.compress(root_tar()))
    found = await world.images.GetImage(image_pb2.GetImageRequest(ref=f"{world.registry_host}/team/app:1"))
    assert found == made
    assert (made.reference, list(made.config.cmd), made.created_at) == ("team/app:1", ["sh"], created)
    again = await world.import_image("team/app:1", root_tar(), created_at=created)
    assert again[-1].image.digest == made.digest
    assert list(world.spool.iterdir()) == []


async def test_a_refused_import_leaves_no_image_and_no_file(world: World) -> None:
    for name, data in (("bad:1", b"no tar"), ("other.example.org/bad:1", root_tar()), ("Bad", root_tar())):
        with pytest.raises(InvalidSpec):
            await world.import_image(name, data)
    await refused(world.images.GetImage(image_pb2.GetImageRequest(ref="bad:1")), NotFound)
    assert list(world.spool.iterdir()) == []


async def test_an_upload_that_breaks_off_leaves_no_image_no_layer_and_no_file(world: World) -> None:
    # A whole archive, whose zeros at the end are its own: only the missing end tells that more was to come.
    data = root_tar() + bytes(5 << 20)
    with pytest.raises(Unavailable, match='"cut:1" broke off'):
        await world.import_image("cut:1", data, finished=False)
    call = world.images.ImportImage()
    await call.write(image_pb2.ImportImageRequest(start=image_pb2.ImportImageStart(reference="cut:1")))
    for at in range(0, len(data), 1 << 20):
        await call.write(image_pb2.ImportImageRequest(data=data[at : at + (1 << 20)]))
    assert [(await next_of(call)).received_bytes > 0 for _ in range(2)] == [False, True]
    assert _open_in(world.spool)
    call.cancel()
    async with asyncio.timeout(10):
        while _open_in(world.spool):  # noqa: ASYNC110 (nobody tells when the service has let go of it)
            await asyncio.sleep(0.01)
    await refused(world.images.GetImage(image_pb2.GetImageRequest(ref="cut:1")), NotFound)
    assert "cut" not in await asyncio.to_thread(_repositories, world.registry_host)


def _repositories(host: str) -> list[str]:
    """Return the repositories that a registry has anything of, be it one layer."""
    with urllib.request.urlopen(f"http://{host}/v2/_catalog", timeout=10) as answer:
        return list(json.load(answer)["repositories"])


def _open_in(folder: Path) -> list[str]:
    """Return this process's open files in a folder, those without a name too."""
    links = []
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # Of the listing itself, for one.
            links.append(os.readlink(entry))
    return [link for link in links if link.startswith(f"{folder}/")]


async def test_lists_images_by_name_and_page(world: World) -> None:
    for name in ("zz/b:1", "zz/a:1", "zz/a:2"):
        await world.image(name)
    names: list[str] = []
    request = image_pb2.ListImagesRequest(page_size=1)
    while True:
        page = await world.images.ListImages(request)
        names += [image.reference for image in page.images]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert names == sorted(names)
    assert {"zz/a:1", "zz/a:2", "zz/b:1"} <= set(names)


async def test_lists_those_images_that_filters_choose(world: World) -> None:
    for name in ("choose/b:1", "choose/a:1", "choose/a:2"):
        await world.image(name)
    names: list[str] = []
    request = image_pb2.ListImagesRequest(page_size=1, filters=["reference=choose/*:1", "dangling=false"])
    while True:
        page = await world.images.ListImages(request)
        assert page.selected
        names += [image.reference for image in page.images]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert names == ["choose/a:1", "choose/b:1"]
    for text, error in (("until=24h", InvalidSpec), ("since=no/such:1", NotFound)):
        await refused(world.images.ListImages(image_pb2.ListImagesRequest(filters=[text])), error)


async def test_pull_tells_of_each_node(world: World) -> None:
    await world.image()
    none = world.images.PullImage(image_pb2.PullImageRequest(ref="web:3"))
    await refused(none.read(), Unavailable)
    await world.node()
    await world.start_agent()
    answers = [answer async for answer in world.images.PullImage(image_pb2.PullImageRequest(ref="web:3"), timeout=30)]
    assert [answer.node for answer in answers] == ["node2"] * 3
    assert answers[1].progress.done
    assert answers[-1].HasField("error")
    assert answers[-1].error == ""
    await world.node(NodeState.NODE_STATE_DOWN, seconds_ago=5)
    request = image_pb2.PullImageRequest(ref="web:3", nodes=["node2"])
    answers = [answer async for answer in world.images.PullImage(request, timeout=30)]
    assert len(answers) == 1
    assert "node node2 has been down for" in answers[0].error


async def test_nodes_are_found_by_name_id_and_prefix(world: World) -> None:
    await world.node()
    for text in ("node2", NODE, NODE[:6]):
        assert (await world.nodes.GetNode(node_pb2.GetNodeRequest(ref=text))).spec.id == NODE
    await refused(world.nodes.GetNode(node_pb2.GetNodeRequest(ref="no")), NotFound)
    listed = await world.nodes.ListNodes(node_pb2.ListNodesRequest())
    assert [node.spec.name for node in listed.nodes] == ["node2"]


async def test_a_node_counts_what_it_holds_and_runs(world: World) -> None:
    await world.image()
    await world.node()
    await world.running("web")
    info = await world.cluster.GetInfo(cluster_pb2.GetInfoRequest())
    assert (info.nodes, info.nodes_ready, info.containers, info.containers_running) == (1, 1, 1, 1)
    assert info.cluster_id == "c"


async def test_versions_and_join_tokens(world: World) -> None:
    version = await world.cluster.GetVersion(cluster_pb2.GetVersionRequest())
    assert version.api == "shoal.v1"
    assert version.etcd.startswith("3.")
    made = await world.cluster.CreateJoinToken(cluster_pb2.CreateJoinTokenRequest(valid_seconds=60))
    shoal, number, digest, token_id, secret = made.token.split("-")
    assert (shoal, number, digest) == ("SHOAL", "1", "d" * 64)
    stored = world.cache.tokens[token_id].value
    assert secret.encode() not in stored.SerializeToString()
    too_short = cluster_pb2.CreateJoinTokenRequest(valid_seconds=1)
    await refused(world.cluster.CreateJoinToken(too_short), InvalidSpec)
