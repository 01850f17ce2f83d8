"""Volumes over the API: made with the containers that name them, found, refused, removed."""

from __future__ import annotations

import asyncio

import pytest

from shoal_common.errors import AlreadyExists, Conflict, InvalidSpec, NotFound
from shoal_common.ids import new_container_id
from shoal_controller.state import keys
from shoal_proto.v1.container_pb2 import Mount, MountKind, RemoveContainerRequest
from shoal_proto.v1.image_pb2 import ImageConfig
from shoal_proto.v1.volume_pb2 import (
    CreateVolumeRequest,
    GetVolumeRequest,
    ListVolumesRequest,
    PruneVolumesRequest,
    RemoveVolumeRequest,
    Volume,
    VolumePlacement,
    VolumeRef,
)
from tests.parts.api_world import NODE, World, create_request, ref, refused, root_tar

VOLUME = MountKind.MOUNT_KIND_VOLUME


def mount(source: str, target: str = "/data") -> Mount:
    return Mount(kind=VOLUME, source=source, target=target)


async def make(world: World, name: str = "data", **more: object) -> Volume:
    return await world.volumes.CreateVolume(CreateVolumeRequest(id=new_container_id(), name=name, **more))  # type: ignore[arg-type]


async def names(world: World, *filters: str) -> list[str]:
    listed = await world.volumes.ListVolumes(ListVolumesRequest(filters=filters))
    return [volume.spec.name for volume in listed.volumes]


def remove(world: World, name: str, request_id: str = "r1") -> object:
    return world.volumes.RemoveVolume(RemoveVolumeRequest(volume=VolumeRef(ref=name), request_id=request_id))


async def test_the_same_request_again_answers_the_same_volume(world: World) -> None:
    request = CreateVolumeRequest(id=new_container_id(), name="data", labels={"a": "b"})
    made = await asyncio.gather(*(world.volumes.CreateVolume(request) for _ in range(5)))
    assert {each.spec.id for each in made} == {request.id}
    assert made[0].spec.request_mac == b""
    assert made[0].node_name == ""
    # As Docker has it: what is there already is no error, unless it is another than was asked for.
    assert (await make(world)).spec.id == request.id
    assert (await make(world, labels={"a": "b"})).spec.id == request.id
    await refused(make(world, labels={"a": "c"}), AlreadyExists)


@pytest.mark.parametrize(
    "request_",
    [
        CreateVolumeRequest(id="x", name="data"),
        CreateVolumeRequest(id="a" * 64, name="-data"),
        CreateVolumeRequest(id="a" * 64, name="data", driver="nfs"),
        CreateVolumeRequest(id="a" * 64, name="data", constraints=["node.rack==1"]),
        CreateVolumeRequest(id="a" * 64, name="data", labels={"a b": ""}),
    ],
)
async def test_what_can_never_be_is_refused(world: World, request_: CreateVolumeRequest) -> None:
    await refused(world.volumes.CreateVolume(request_), InvalidSpec)
    assert await names(world) == []


async def test_a_container_makes_the_volume_that_it_names_once_for_all(world: World) -> None:
    await world.image()
    requests = [create_request(f"c{n}", mounts=[mount("data"), mount("data", "/again")]) for n in range(8)]
    answers = await asyncio.gather(*(world.containers.CreateContainer(each) for each in requests))
    ids = {each.volume_id for answer in answers for each in answer.container.spec.config.mounts}
    assert len(ids) == 1
    found = await world.volumes.GetVolume(GetVolumeRequest(volume=VolumeRef(ref="data")))
    assert found.spec.id in ids
    assert found.containers == [f"c{n}" for n in range(8)]
    again = await world.containers.CreateContainer(requests[3])
    assert again.container.spec.config.mounts[0].volume_id == found.spec.id


async def test_an_images_volumes_are_the_containers_own_unless_something_is_mounted_there(world: World) -> None:
    await world.import_image("web:3", root_tar(), config=ImageConfig(cmd=["sh"], volumes=["/var/db", "/cache"]))
    container = await world.create("web", mounts=[mount("data", "/cache"), mount("", "/own")])
    mounts = {each.target: each for each in container.spec.config.mounts}
    assert set(mounts) == {"/cache", "/own", "/var/db"}
    owners = {}
    for volume in (await world.volumes.ListVolumes(ListVolumesRequest())).volumes:
        owners[volume.spec.id] = volume.spec.owner
    id_ = container.spec.id
    assert owners == {mounts["/cache"].volume_id: "", mounts["/own"].volume_id: id_, mounts["/var/db"].volume_id: id_}
    # The next one has others.
    other = await world.create("other")
    assert {each.target for each in other.spec.config.mounts} == {"/cache", "/var/db"}
    assert not {each.volume_id for each in other.spec.config.mounts} & set(owners)


async def test_a_volume_that_is_used_is_not_removed_and_its_name_is_free_once_it_is(world: World) -> None:
    await world.image()
    container = await world.create("web", mounts=[mount("data")])
    said = await refused(remove(world, "data"), Conflict)  # type: ignore[arg-type]
    assert said == 'volume "data" is used by 1 container: web (remove it first: shoal rm web)'
    await world.bury(container.spec.id, None)
    volume = container.spec.config.mounts[0].volume_id
    await world.put(keys.volume_placement("default", volume), VolumePlacement(schema=1, node=NODE))
    removed = await remove(world, "data", "same")  # type: ignore[misc]
    assert removed.id == volume
    # A repeat is answered as the first was, whoever has the name by now.
    second = await make(world)
    assert second.spec.id != volume
    assert (await remove(world, "data", "same")).id == volume  # type: ignore[misc]
    assert await names(world) == ["data"]
    assert world.cache.volumes[volume].spec is not None
    await refused(remove(world, volume, "another"), NotFound)  # type: ignore[arg-type]


async def test_whether_own_volumes_go_is_asked_for_with_the_removal(world: World) -> None:
    await world.image()
    for asked in (False, True):
        name = f"web-{asked}".lower()
        container = await world.create(name, start=False, mounts=[mount("", "/own")])
        request = RemoveContainerRequest(container=ref(name), request_id="r", volumes=asked)
        await world.containers.RemoveContainer(request)
        spec = world.cache.containers[container.spec.id].spec
        assert spec is not None
        assert spec.value.remove_volumes is asked


async def test_a_create_and_a_removal_that_meet_never_both_succeed(world: World) -> None:
    await world.image()
    for number in range(10):
        await make(world, f"v{number}")
        creating = world.containers.CreateContainer(create_request(f"c{number}", mounts=[mount(f"v{number}")]))
        removing = remove(world, f"v{number}", f"r{number}")
        created, removed = await asyncio.gather(creating, removing, return_exceptions=True)  # type: ignore[call-overload]
        assert not isinstance(created, BaseException), created
        volume = created.container.spec.config.mounts[0].volume_id
        entry = world.cache.volumes[volume]
        assert entry.spec is not None
        assert not entry.spec.value.removed
        if not isinstance(removed, BaseException):
            # The removal came first: the container has another one, of its own making.
            assert removed.id != volume


async def test_lists_by_name_and_filter(world: World) -> None:
    await world.node()
    await world.image()
    for name in ("b", "a", "c"):
        await make(world, name, labels={"kind": name})
    container = await world.create("web", mounts=[mount("b")])
    volume = container.spec.config.mounts[0].volume_id
    await world.put(keys.volume_placement("default", volume), VolumePlacement(schema=1, node=NODE))
    assert await names(world) == ["a", "b", "c"]
    assert await names(world, "dangling=true") == ["a", "c"]
    assert await names(world, "dangling=false") == ["b"]
    assert await names(world, "label=kind=a", "label=kind") == ["a"]
    assert await names(world, "name=b", "name=c") == ["b", "c"]
    assert await names(world, f"node={NODE}") == ["b"]
    for wrong in ("dangling=perhaps", "size=1", "name"):
        await refused(names(world, wrong), InvalidSpec)
    page = await world.volumes.ListVolumes(ListVolumesRequest(page_size=2))
    rest = await world.volumes.ListVolumes(ListVolumesRequest(page_size=2, page_token=page.next_page_token))
    assert [each.spec.name for each in (*page.volumes, *rest.volumes)] == ["a", "b", "c"]
    assert rest.next_page_token == ""


async def test_prune_takes_what_nobody_uses_and_by_default_only_what_has_no_name(world: World) -> None:
    await world.image()
    used = await world.create("web", mounts=[mount("used"), mount("", "/own")])
    gone = await world.create("gone", mounts=[mount("", "/own")])
    await world.bury(gone.spec.id, None)
    await make(world, "spare", labels={"keep": "yes"})
    pruned = await world.volumes.PruneVolumes(PruneVolumesRequest())
    assert list(pruned.names) == [gone.spec.config.mounts[0].volume_id]
    kept = await world.volumes.PruneVolumes(PruneVolumesRequest(all=True, filters=["label!=keep"]))
    assert list(kept.names) == []
    pruned = await world.volumes.PruneVolumes(PruneVolumesRequest(all=True))
    assert list(pruned.names) == ["spare"]
    assert await names(world) == sorted(["used", used.spec.config.mounts[1].volume_id])


async def test_a_node_with_data_leaves_only_by_force(world: World) -> None:
    from shoal_proto.v1.node_pb2 import RemoveNodeRequest

    await world.node()
    made = await make(world)
    await world.put(keys.volume_placement("default", made.spec.id), VolumePlacement(schema=1, node=NODE))
    said = await refused(world.nodes.RemoveNode(RemoveNodeRequest(ref=NODE)), Conflict)
    assert "has the data of 1 volume: data" in said
