"""Joining another container's namespaces, over real gRPC and etcd: who may be joined, and when."""

from __future__ import annotations

from typing import Final

from shoal_common.errors import Conflict, InvalidSpec, NotFound
from shoal_common.ids import new_container_id
from shoal_controller.state import keys
from shoal_proto.v1.container_pb2 import (
    ContainerState,
    CreateContainerRequest,
    NamespaceSharing,
    NetworkMode,
    RemoveContainerRequest,
    SharingMode,
    StartContainerRequest,
)
from tests.parts.api_world import World, create_request, ref, refused

CONTAINER: Final = SharingMode.SHARING_MODE_CONTAINER
SHAREABLE: Final = NamespaceSharing(mode=SharingMode.SHARING_MODE_SHAREABLE)


def joining(name: str, target: str, *, start: bool = True, ipc: bool = False) -> CreateContainerRequest:
    """A container that joins another one's network and processes."""
    more = {"ipc": NamespaceSharing(mode=CONTAINER, container=target)} if ipc else {}
    return create_request(
        name,
        start=start,
        network=NetworkMode.NETWORK_MODE_CONTAINER,
        network_container=target,
        pid=NamespaceSharing(mode=CONTAINER, container=target),
        **more,
    )


async def test_a_name_becomes_an_id_that_a_later_name_does_not_change(world: World) -> None:
    await world.node()
    await world.image()
    web = await world.running("web")
    request = joining("debug", "web")
    made = (await world.containers.CreateContainer(request)).container.spec.config
    assert (made.network_container, made.pid.container) == (web, web)
    # A retry of the same bytes answers the same container.
    again = (await world.containers.CreateContainer(request)).container
    assert again.spec.config == made


async def test_who_can_not_be_joined(world: World) -> None:
    await world.node()
    await world.image()
    assert "web" in await refused(world.containers.CreateContainer(joining("a", "web")), NotFound)
    await world.running("web")
    await world.containers.CreateContainer(joining("first", "web"))
    chained = await refused(world.containers.CreateContainer(joining("a", "first")), InvalidSpec)
    assert "join that one: container:" in chained
    assert "--ipc shareable" in await refused(
        world.containers.CreateContainer(joining("a", "web", ipc=True)), InvalidSpec
    )
    await world.create("memory", ipc=SHAREABLE, start=False)
    assert (await world.containers.CreateContainer(joining("b", "memory", ipc=True, start=False))).container.spec.id
    two = joining("a", "web", start=False)
    two.config.pid.container = "memory"
    assert "one other container only" in await refused(world.containers.CreateContainer(two), InvalidSpec)
    assert {each.value for (_, kind, name), each in world.cache.names.items() if name == "a"} == set()


async def test_what_does_not_run_is_joined_by_a_start_only_once_it_does(world: World) -> None:
    await world.node()
    await world.image()
    web = (await world.create("web", start=False)).spec.id
    said = await refused(world.containers.CreateContainer(joining("a", "web")), Conflict)
    assert said == ('container "web" is not running, its namespaces can\'t be joined (start it first: shoal start web)')
    # Created it may be all the same, as with Docker.
    made = (await world.containers.CreateContainer(joining("a", "web", start=False))).container.spec.id
    start = StartContainerRequest(container=ref("a"), request_id=new_container_id())
    assert "shoal start web" in await refused(world.containers.StartContainer(start), Conflict)
    await world.containers.StartContainer(StartContainerRequest(container=ref("web"), request_id="1"))
    await world.place(web)
    await world.report(web, ContainerState.CONTAINER_STATE_RUNNING)
    assert (await world.containers.StartContainer(start)).spec.run == 1
    await world.place(made)
    await world.report(made, ContainerState.CONTAINER_STATE_EXITED)
    # It goes its way without whom it joined; and is not started again without it.
    await world.containers.RemoveContainer(RemoveContainerRequest(container=ref("web"), force=True))
    later = StartContainerRequest(container=ref("a"), request_id=new_container_id())
    await refused(world.containers.StartContainer(later), Conflict)
    await world.bury(web, None)
    assert "was removed" in await refused(world.containers.StartContainer(later), Conflict)
    _, entry = await world.kv.get(keys.container_spec("default", made))
    assert entry is not None
