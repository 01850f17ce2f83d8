"""What containers use, from nodes to a client, over gRPC and with etcd."""

from __future__ import annotations

import grpc
import grpc.aio

from shoal_common.errors import Conflict, NotFound
from shoal_proto.v1 import container_pb2
from shoal_proto.v1.container_pb2 import ContainerState, ContainerStats, StatsRequest, StatsResponse
from shoal_proto.v1.node_pb2 import NodeState
from tests.parts.api_world import World, next_of, ref, refused


async def once(world: World, *names: str, all: bool = False) -> dict[str, StatsResponse]:
    request = StatsRequest(containers=[ref(name) for name in names], all=all)
    return {answer.node_name: answer async for answer in world.containers.StatsContainers(request)}


async def two(world: World) -> tuple[str, str]:
    """Have two containers run on the small agent, which knows of a third that isn't the cluster's."""
    await world.image()
    await world.start_agent()
    await world.node()
    web, db = await world.running("web"), await world.running("db")
    world.agent.stats = [ContainerStats(id=id_, name="old name", pids=3) for id_ in (web, db, "f" * 64)]
    return web, db


async def test_one_stream_for_each_node_however_many_containers(world: World) -> None:
    web, db = await two(world)
    answers = await once(world)
    assert [(each.id, each.name, each.node_name) for each in answers["node2"].stats] == [
        (web, "web", "node2"),
        (db, "db", "node2"),
    ]
    assert [list(call.ids) for call in world.agent.stats_calls] == [[]]
    await once(world, "web", "db")
    assert [sorted(call.ids) for call in world.agent.stats_calls[1:]] == [sorted([web, db])]


async def test_those_that_do_not_run_are_told_of_if_they_are_meant(world: World) -> None:
    await two(world)
    await world.create("later")
    problem = "it is pending, not running"
    assert "" not in await once(world)
    assert [(each.name, each.problem) for each in (await once(world, "later"))[""].stats] == [("later", problem)]
    answers = await once(world, all=True)
    assert ([each.name for each in answers[""].stats], len(answers["node2"].stats)) == (["later"], 2)
    await refused(next_of(world.containers.StatsContainers(StatsRequest(containers=[ref("nope")]))), NotFound)


async def test_a_node_that_does_not_answer_is_told_of_and_asked_again(world: World) -> None:
    await two(world)
    await world.stop_agent()
    call = world.containers.StatsContainers(StatsRequest(follow=True))
    told = await next_of(call)
    assert [each.name for each in told.stats] in (["db", "web"], ["web", "db"])
    assert all("does not answer" in each.problem for each in told.stats)
    await world.start_agent()
    while (told := await next_of(call)).stats[0].problem:
        pass
    assert told.stats[0].pids == 3
    call.cancel()
    await world.node(NodeState.NODE_STATE_DOWN)
    assert "has been down for" in (await once(world))["node2"].stats[0].problem


async def test_what_begins_and_ends_meanwhile_comes_and_goes(world: World) -> None:
    web, db = await two(world)
    call = world.containers.StatsContainers(StatsRequest(follow=True))
    assert len((await next_of(call)).stats) == 2
    new = await world.running("new")
    world.agent.stats.append(ContainerStats(id=new))
    world.agent.more.set()
    assert [each.name for each in (await next_of(call)).stats] == ["web", "db", "new"]
    for id_ in (web, db, new):
        await world.report(id_, ContainerState.CONTAINER_STATE_EXITED)
    # Nothing is left there: that replaces what was told.
    while (last := await next_of(call)).stats:
        pass
    assert last.node_name == "node2"
    call.cancel()


async def test_following_ends_with_the_last_that_was_named(world: World) -> None:
    web, _ = await two(world)
    call = world.containers.StatsContainers(StatsRequest(containers=[ref("web")], follow=True))
    assert [each.id for each in (await next_of(call)).stats] == [web]
    await world.bury(web, None)
    while (last := await call.read()) is not grpc.aio.EOF:
        assert isinstance(last, StatsResponse)
        assert not last.stats
    assert await call.code() is grpc.StatusCode.OK


async def test_processes_are_those_of_a_container_that_runs(world: World) -> None:
    web, _ = await two(world)
    request = container_pb2.TopRequest(container=ref("web"))
    found = await world.containers.TopContainer(request)
    assert [(each.pid, each.command) for each in found.processes] == [(42, web)]
    await world.report(web, ContainerState.CONTAINER_STATE_EXITED)
    told = await refused(world.containers.TopContainer(request), Conflict)
    assert 'the processes of container "web" can\'t be told: it is exited, not running' in told
