"""The API among clients and controllers of other versions."""

from __future__ import annotations

import pytest

from shoal_common.ids import new_container_id
from shoal_controller.state import keys
from shoal_proto.v1.container_pb2 import (
    ContainerSpec,
    ContainerState,
    CreateContainerRequest,
    GetContainerRequest,
    StopContainerRequest,
)
from tests.parts.api_world import World, create_request, ref
from tests.parts.peers import TOMORROW, Peer, frozen, frozen_versions, remembered, rewritten, tomorrow


async def stored(world: World, container: str) -> ContainerSpec:
    _, entry = await world.kv.get(keys.container_spec("default", container))
    assert entry is not None
    return ContainerSpec.FromString(entry.value)


async def test_an_update_keeps_what_a_newer_controller_wrote(world: World) -> None:
    newer = tomorrow()
    await world.node()
    await world.image()
    container = await world.running("one")
    await world.put(keys.container_spec("default", container), rewritten(newer, await stored(world, container)))
    answer = await world.containers.StopContainer(StopContainerRequest(container=ref("one"), request_id="r1"))
    assert {"ContainerSpec", "ContainerConfig"} <= remembered(newer, await stored(world, container))
    # A newer client is shown it as well.
    assert "ContainerConfig" in remembered(newer, answer)


async def test_what_a_newer_client_asks_is_kept_for_newer_controllers(world: World) -> None:
    newer = tomorrow()
    await world.image()
    request = rewritten(newer, create_request("one"))
    container = (await world.containers.CreateContainer(request)).container.spec.id
    assert "ContainerConfig" in remembered(newer, await stored(world, container))
    # A retry with the same bytes is the same request.
    again = await world.containers.CreateContainer(request)
    assert again.container.spec.id == container


async def test_states_of_a_newer_version_are_shown_as_such(world: World) -> None:
    await world.node()
    await world.image()
    container = await world.running("one")
    await world.report(container, TOMORROW)
    shown = await world.containers.GetContainer(GetContainerRequest(container=ref("one")))
    assert shown.status.state == TOMORROW
    assert "state 1000" in shown.detail
    assert "newer" in shown.detail
    spec = await stored(world, container)
    spec.desired = TOMORROW  # type: ignore[assignment]
    await world.put(keys.container_spec("default", container), spec)
    assert (await world.containers.GetContainer(GetContainerRequest(container=ref("one")))).spec.desired == TOMORROW
    await world.report(container, ContainerState.CONTAINER_STATE_EXITED)


@pytest.mark.parametrize("version", frozen_versions())
async def test_a_client_of_an_older_version_is_served(world: World, version: str) -> None:
    peer = Peer(frozen(version))
    await world.image()
    request = peer.type("CreateContainerRequest")(
        id=new_container_id(),
        name="one",
        config=peer.type("ContainerConfig")(image="web:3", args=["sleep", "9"]),
        start=True,
    )
    answer = await world.containers.CreateContainer(CreateContainerRequest.FromString(request.SerializeToString()))
    theirs = peer.read(answer)
    assert (theirs.container.spec.name, list(theirs.container.spec.config.args)) == ("one", ["sleep", "9"])  # type: ignore[attr-defined]
