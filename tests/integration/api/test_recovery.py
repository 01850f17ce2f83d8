"""Strays and backups through the API, over a real etcd and a small agent."""

from __future__ import annotations

import asyncio
import io

import pytest

from shoal_common.containers.environment import unseal_env
from shoal_common.errors import InvalidSpec, NotFound, Unavailable
from shoal_common.sealing import Sealer
from shoal_controller.recovery.archive import decrypted
from shoal_controller.state import keys
from shoal_proto.v1 import agent_pb2, cluster_pb2, node_pb2
from shoal_proto.v1.container_pb2 import ContainerConfig, ContainerState, ContainerStatus, DesiredState
from shoal_proto.v1.dispatcher_pb2 import Assignment
from shoal_proto.v1.node_pb2 import HoldRole, StrayAction
from tests.parts.api_world import NODE, World, refused

ADOPT, REMOVE = StrayAction.STRAY_ACTION_ADOPT, StrayAction.STRAY_ACTION_REMOVE
ONE, TWO, DUMB = "1" * 64, "12" * 32, "d" * 64


def record(id_: str, name: str) -> agent_pb2.AgentInventoryItem:
    assignment = Assignment(
        namespace="default",
        id=id_,
        name=name,
        generation=4,
        role=HoldRole.HOLD_ROLE_CURRENT,
        desired=DesiredState.DESIRED_STATE_RUNNING,
        run_admitted=2,
        config=ContainerConfig(image="web:3", env=["SECRET=1"]),
    )
    status = ContainerStatus(schema=1, generation=4, attempt=2, report=9, run_served=2)
    status.state = ContainerState.CONTAINER_STATE_RUNNING
    return agent_pb2.AgentInventoryItem(assignment=assignment, status=status, stray=True)


@pytest.fixture
async def strays(world: World) -> World:
    await world.start_agent()
    await world.node()
    key = keys.node_status(NODE)
    status = node_pb2.NodeStatus()
    entry = world.cache.nodes[NODE].status
    assert entry is not None
    status.CopyFrom(entry.value)
    status.strays.extend([ONE, TWO, DUMB])
    await world.put(key, status)
    world.agent.records = [record(ONE, "one"), record(TWO, "two")]
    return world


async def resolve(world: World, action: StrayAction, *ids: str) -> dict[str, node_pb2.ResolvedStray]:
    request = node_pb2.ResolveStraysRequest(ref="node2", action=action, ids=ids)
    return {each.id: each for each in (await world.nodes.ResolveStrays(request)).strays}


async def listed(world: World) -> dict[str, node_pb2.Stray]:
    answer = await world.nodes.ListStrays(node_pb2.ListStraysRequest(ref="node2"))
    return {each.id: each for each in answer.strays}


async def test_strays_are_listed_with_what_their_node_knows(strays: World) -> None:
    found = await listed(strays)
    assert (found[ONE].name, found[ONE].image, found[ONE].generation) == ("one", "web:3", 4)
    assert (found[DUMB].name, found[DUMB].image) == ("", "")
    await refused(strays.nodes.ListStrays(node_pb2.ListStraysRequest(ref="nobody")), NotFound)
    await strays.stop_agent()
    await refused(strays.nodes.ListStrays(node_pb2.ListStraysRequest(ref="node2")), Unavailable)


async def test_an_adopted_stray_is_a_container_as_its_node_has_it(strays: World) -> None:
    assert (await resolve(strays, ADOPT, ONE[:20]))[ONE].error == ""
    entry = strays.cache.containers[ONE]
    assert entry.spec is not None
    assert entry.placement is not None
    assert entry.status is not None
    assert (entry.spec.value.name, entry.spec.value.run) == ("one", 2)
    assert unseal_env(Sealer(b"k" * 32), ONE, entry.spec.value.sealed_env) == ["SECRET=1"]
    assert list(entry.spec.value.config.env) == []
    assert (entry.placement.value.generation, entry.status.value.run_served) == (4, 2)
    assert strays.cache.names[("default", "container", "one")].value == ONE
    assert strays.cache.nodes[NODE].holds[ONE].value.role == HoldRole.HOLD_ROLE_CURRENT
    assert ONE not in await listed(strays)


async def test_all_are_adopted_and_what_can_not_be_is_said(strays: World) -> None:
    done = await resolve(strays, ADOPT)
    assert {id_: bool(each.error) for id_, each in done.items()} == {ONE: False, TWO: False, DUMB: True}
    assert "no record" in done[DUMB].error


async def test_a_name_that_is_another_containers_is_left_to_it(strays: World) -> None:
    await strays.image()
    await strays.create("one", start=False)
    done = await resolve(strays, ADOPT, ONE)
    assert (done[ONE].error, done[ONE].name) == ("", f"one-{ONE[:6]}")


async def test_removing_puts_a_hold_that_says_so_and_makes_no_container(strays: World) -> None:
    done = await resolve(strays, REMOVE, ONE, DUMB)
    assert all(not each.error for each in done.values())
    for id_, generation in ((ONE, 4), (DUMB, 1)):
        hold = strays.cache.nodes[NODE].holds[id_].value
        assert (hold.role, hold.generation) == (HoldRole.HOLD_ROLE_REMOVE, generation)
    assert strays.cache.containers == {}
    # Told twice, it is none any more.
    request = node_pb2.ResolveStraysRequest(ref="node2", action=REMOVE, ids=[ONE])
    await refused(strays.nodes.ResolveStrays(request), NotFound)


async def test_what_is_meant_has_to_be_said(strays: World) -> None:
    for request, kind in (
        (node_pb2.ResolveStraysRequest(ref="node2"), InvalidSpec),
        (node_pb2.ResolveStraysRequest(ref="node2", action=ADOPT, ids=["1"]), InvalidSpec),
        (node_pb2.ResolveStraysRequest(ref="node2", action=ADOPT, ids=["abc"]), NotFound),
        (node_pb2.ResolveStraysRequest(ref="node2", action=ADOPT, ids=[""]), NotFound),
    ):
        await refused(strays.nodes.ResolveStrays(request), kind)
    assert strays.cache.containers == {}


async def test_a_backup_opens_with_its_passphrase_and_ends_with_the_store(world: World) -> None:
    await world.image()
    await world.create("kept", start=False)
    request = cluster_pb2.BackupClusterRequest(passphrase="correct horse")
    file = b"".join([answer.data async for answer in world.cluster.BackupCluster(request)])
    inside = await asyncio.to_thread(lambda: b"".join(decrypted(io.BytesIO(file), "correct horse", name="it")))
    assert b"kept" in inside
    assert b"the authority's key" in inside
    empty = world.cluster.BackupCluster(cluster_pb2.BackupClusterRequest())
    await refused(anext(aiter(empty)), InvalidSpec)
