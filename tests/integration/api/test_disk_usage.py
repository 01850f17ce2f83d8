"""What takes room on nodes, over the API: joined from what an agent tells and what the cluster knows."""

from __future__ import annotations

import pytest

from shoal_common.errors import InvalidSpec, NotFound
from shoal_common.ids import new_container_id
from shoal_controller.state import keys
from shoal_proto.v1.agent_pb2 import AgentUsage
from shoal_proto.v1.cluster_pb2 import NodeUsage, PruneImagesRequest, SystemUsageRequest
from shoal_proto.v1.container_pb2 import (
    ContainerPlacement,
    ContainerRef,
    ContainerState,
    GetContainerRequest,
    ListContainersRequest,
    Mount,
    MountKind,
    PruneContainersRequest,
)
from shoal_proto.v1.node_pb2 import NodeState
from shoal_proto.v1.volume_pb2 import (
    CreateVolumeRequest,
    GetVolumeRequest,
    ListVolumesRequest,
    PruneVolumesRequest,
    Volume,
    VolumePlacement,
    VolumeRef,
)
from tests.parts.api_world import NODE, World, refused

MIB = 1 << 20
STRAY = "5" * 64


async def placed_volume(world: World, name: str = "", bytes: int = 0, *, counted: bool = True) -> Volume:
    made = await world.volumes.CreateVolume(CreateVolumeRequest(id=new_container_id(), name=name))
    await world.put(keys.volume_placement("default", made.spec.id), VolumePlacement(schema=1, node=NODE))
    world.agent.usage.volumes.add(id=made.spec.id, bytes=bytes, counted=counted)
    return made


def tell(world: World, container: str, writable: int, log: int) -> None:
    world.agent.usage.containers.add(id=container, writable_bytes=writable, log_bytes=log, counted=True)


async def usage(world: World, **request: object) -> list[NodeUsage]:
    return list((await world.cluster.GetSystemUsage(SystemUsageRequest(**request))).nodes)  # type: ignore[arg-type]


async def test_what_runs_and_what_is_used_can_not_be_had_back(world: World) -> None:
    await world.image()
    await world.node()
    await world.start_agent()
    runs, ended = await world.running("runs"), await world.running("ended")
    await world.report(ended, ContainerState.CONTAINER_STATE_EXITED)
    mount = Mount(kind=MountKind.MOUNT_KIND_VOLUME, source="data", target="/data")
    used = (await world.create("user", mounts=[mount], start=False)).spec.config.mounts[0].volume_id
    world.agent.usage = AgentUsage(disk_bytes=1000 * MIB, free_bytes=700 * MIB, image_bytes=90 * MIB)
    world.agent.usage.image_reclaimable_bytes = 30 * MIB
    world.agent.usage.images.add(digest="sha256:1", repository="registry:5000/web", bytes=60 * MIB, containers=2)
    world.agent.usage.images.add(digest="sha256:2", bytes=50 * MIB, unique_bytes=30 * MIB)
    for number, container in enumerate((runs, ended, STRAY)):
        tell(world, container, (number + 1) * MIB, number + 1)
    world.agent.usage.volumes.add(id=used, bytes=7 * MIB, counted=True)
    await placed_volume(world, "spare", 5 * MIB)
    (found,) = await usage(world)
    assert (found.node_name, found.problem, found.incomplete) == ("node2", "", False)
    assert (found.images, found.images_active, found.image_bytes) == (2, 1, 90 * MIB)
    assert found.image_reclaimable_bytes == 30 * MIB
    # What the cluster does not know is counted, and nobody is promised its room.
    assert (found.containers, found.containers_running) == (3, 1)
    assert (found.container_bytes, found.container_reclaimable_bytes) == (6 * MIB, 2 * MIB)
    assert (found.log_bytes, found.log_reclaimable_bytes) == (6, 2)
    assert (found.volumes, found.volumes_active) == (2, 1)
    assert (found.volume_bytes, found.volume_reclaimable_bytes) == (12 * MIB, 5 * MIB)
    assert not found.container_list
    (found,) = await usage(world, detail=True, nodes=["node2"])
    assert [each.spec.name for each in found.container_list] == ["runs", "ended", ""]
    assert found.container_list[0].writable_bytes == MIB
    assert not found.container_list[0].spec.config.env
    assert {each.spec.name: list(each.containers) for each in found.volume_list} == {"data": ["user"], "spare": []}
    assert [each.repository for each in found.image_list] == ["registry:5000/web", ""]
    await refused(world.cluster.GetSystemUsage(SystemUsageRequest(nodes=["nowhere"])), NotFound)


async def test_a_node_that_is_down_or_does_not_answer_is_named(world: World) -> None:
    await world.node(NodeState.NODE_STATE_DOWN, seconds_ago=7)
    (found,) = await usage(world)
    assert found.problem.startswith("node node2 has been down for 7 s")
    await world.node()
    (found,) = await usage(world)
    assert "node node2 at" in found.problem
    assert "does not answer" in found.problem
    assert found.images == found.disk_bytes == 0


async def test_sizes_of_containers_are_asked_for_only_when_wanted(world: World) -> None:
    await world.image()
    await world.node()
    await world.start_agent()
    runs = await world.running("runs")
    await world.create("nowhere")
    tell(world, runs, 3 * MIB, 5)
    world.agent.usage.containers[0].image_bytes = 4 * MIB
    # It tells of one that is not its own as well.
    elsewhere = await world.running("elsewhere")
    await world.put(
        keys.container_placement("default", elsewhere), ContainerPlacement(schema=1, node="9" * 32, generation=1)
    )
    tell(world, elsewhere, 99 * MIB, 0)

    async def sizes(**request: bool) -> dict[str, tuple[int, int] | None]:
        listed = await world.containers.ListContainers(ListContainersRequest(all=True, **request))  # type: ignore[arg-type]
        return {
            each.spec.name: (each.writable_bytes, each.root_bytes) if each.HasField("writable_bytes") else None
            for each in listed.containers
        }

    assert await sizes() == {"runs": None, "nowhere": None, "elsewhere": None}
    assert world.agent.usage_calls == []
    assert await sizes(size=True) == {"runs": (3 * MIB, 7 * MIB), "nowhere": None, "elsewhere": None}
    (call,) = world.agent.usage_calls
    assert (call.containers, call.volumes, list(call.ids)) == (True, False, [runs])
    found = await world.containers.GetContainer(GetContainerRequest(container=ContainerRef(ref="runs"), size=True))
    assert found.root_bytes == 7 * MIB
    await world.stop_agent()
    assert set((await sizes(size=True)).values()) == {None}


async def test_sizes_of_volumes_are_asked_for_only_when_wanted(world: World) -> None:
    await world.node()
    await world.start_agent()
    data = await placed_volume(world, "data", 3 * MIB)
    await placed_volume(world, "slow", counted=False)
    await world.volumes.CreateVolume(CreateVolumeRequest(id=new_container_id(), name="nowhere"))
    listed = (await world.volumes.ListVolumes(ListVolumesRequest())).volumes
    assert not any(each.HasField("bytes") for each in listed)
    assert world.agent.usage_calls == []
    listed = (await world.volumes.ListVolumes(ListVolumesRequest(size=True))).volumes
    sizes = {each.spec.name: each.bytes if each.HasField("bytes") else None for each in listed}
    assert sizes == {"data": 3 * MIB, "slow": None, "nowhere": 0}
    found = await world.volumes.GetVolume(GetVolumeRequest(volume=VolumeRef(ref="data"), size=True))
    assert found.bytes == 3 * MIB
    assert [(call.volumes, call.containers, list(call.ids)) for call in world.agent.usage_calls[1:]] == [
        (True, False, [data.spec.id])
    ]
    await world.stop_agent()
    listed = (await world.volumes.ListVolumes(ListVolumesRequest(size=True))).volumes
    assert [each.spec.name for each in listed if each.HasField("bytes")] == ["nowhere"]


@pytest.mark.parametrize("answers", [True, False])
async def test_prune_says_what_it_has_freed_as_far_as_nodes_tell(world: World, answers: bool) -> None:
    await world.image()
    await world.node()
    ended = await world.running("ended")
    await world.report(ended, ContainerState.CONTAINER_STATE_EXITED)
    tell(world, ended, 2 * MIB, 5)
    volume = await placed_volume(world, "", 4 * MIB)
    if answers:
        await world.start_agent()
    removed = await world.volumes.PruneVolumes(PruneVolumesRequest(request_id="r1"))
    assert list(removed.names) == [volume.spec.id]
    assert removed.freed_bytes == (4 * MIB if answers else 0)
    gone = await world.containers.PruneContainers(PruneContainersRequest(request_id="r2"))
    assert list(gone.ids) == [ended]
    assert gone.freed_bytes == (2 * MIB + 5 if answers else 0)


def stored(world: World, digest: str, *, used: int = 0, at: int = 0, repository: str = "", **labels: str) -> None:
    image = world.agent.usage.images.add(digest=digest, containers=used, labels=labels)
    image.repository = repository or f"{world.registry_host}/web"
    image.used_at.seconds = at


async def prune(world: World, *, all: bool = False, filters: tuple[str, ...] = ()) -> list[str]:
    done = await world.cluster.PruneImages(PruneImagesRequest(all=all, filters=filters, request_id="r1"))
    assert done.images == len(done.names)
    assert done.freed_bytes == 10 * len(done.names)
    return [name.rpartition("@")[2] for name in done.names]


async def test_images_go_from_nodes_that_no_container_has_and_no_tag_leads_to(world: World) -> None:
    tagged = (await world.image("web:3")).digest
    await world.node()
    await world.start_agent()
    stored(world, tagged)
    stored(world, "sha256:" + "1" * 64, at=1000, tier="front")
    stored(world, "sha256:" + "2" * 64, at=2000)
    stored(world, "sha256:" + "3" * 64, used=1)
    stored(world, "sha256:" + "4" * 64, repository="docker.io/library/web")
    assert await prune(world) == ["1" * 12, "2" * 12]
    assert await prune(world, filters=("until=1500",)) == ["1" * 12]
    assert await prune(world, filters=("label!=tier",)) == ["2" * 12]
    everything = ["1" * 12, "2" * 12, "4" * 12, tagged.removeprefix("sha256:")[:12]]
    assert sorted(await prune(world, all=True)) == sorted(everything)
    # The node has the last word.
    world.agent.began = "sha256:" + "1" * 64
    assert await prune(world) == ["2" * 12]
    await refused(world.cluster.PruneImages(PruneImagesRequest(filters=["until=yesterday"])), InvalidSpec)
    await world.stop_agent()
    done = await world.cluster.PruneImages(PruneImagesRequest(all=True))
    assert done.images == 0
    assert "node2" in done.problems[0]
