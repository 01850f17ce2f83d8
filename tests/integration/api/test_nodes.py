"""Nodes through the API: labels, cordons, drains, removals. A real etcd; the leader's part is played by hand."""

from __future__ import annotations

import asyncio

import grpc.aio
import pytest

from shoal_common.errors import Conflict, InvalidSpec, NotFound, Unavailable
from shoal_controller.core.filters import Constraint
from shoal_controller.leader.projection import Projector
from shoal_controller.state import keys
from shoal_controller.state.kv import Txn
from shoal_proto.v1 import container_pb2
from shoal_proto.v1.container_pb2 import (
    ContainerPhase,
    ContainerPlacement,
    ContainerState,
    DesiredState,
    LogsRequest,
    RemoveContainerRequest,
    StartContainerRequest,
    StopContainerRequest,
    WaitContainerRequest,
)
from shoal_proto.v1.node_pb2 import (
    DrainNodeRequest,
    DrainOutcome,
    GetNodeRequest,
    Hold,
    HoldRole,
    NodeDescription,
    NodeState,
    NodeStatus,
    RemoveNodeRequest,
    UpdateNodeRequest,
)
from tests.parts.api_world import NODE, World, next_of, ours, ref, refused

RUNNING, EXITED = ContainerState.CONTAINER_STATE_RUNNING, ContainerState.CONTAINER_STATE_EXITED
STOPPING, STOPPED, LEFT = (
    DrainOutcome.DRAIN_OUTCOME_STOPPING,
    DrainOutcome.DRAIN_OUTCOME_STOPPED,
    DrainOutcome.DRAIN_OUTCOME_LEFT,
)


async def running(world: World, name: str, **config: object) -> str:
    """A container that runs on the node, with its hold."""
    id_ = (await world.create(name, **config)).spec.id  # type: ignore[arg-type]
    await world.place(id_)
    hold = Hold(schema=1, namespace="default", container=id_, generation=1, role=HoldRole.HOLD_ROLE_CURRENT)
    await world.put(keys.hold(NODE, id_), hold)
    await world.report(id_, RUNNING)
    return id_


async def lose(world: World, id_: str) -> None:
    """Do what the leader does about a container of a node that is removed by force."""
    entry = world.cache.containers[id_]
    assert entry.placement is not None
    lost = ContainerPlacement()
    lost.CopyFrom(entry.placement.value)
    lost.lost_at.GetCurrentTime()
    await world.put(keys.container_placement("default", id_), lost)


async def depart(world: World) -> None:
    """Delete all of the node, as the leader does in the end."""
    entry = world.cache.nodes[NODE]
    txn = Txn()
    for container, hold in entry.holds.items():
        txn.delete(keys.hold(NODE, container), expect=hold.revision)
    for key, part in (
        (keys.node_spec(NODE), entry.spec),
        (keys.node_status(NODE), entry.status),
        (keys.node_ledger(NODE), entry.ledger),
    ):
        if part is not None:
            txn.delete(key, expect=part.revision)
    await world.cache.reached(await world.kv.commit(txn))


async def test_labels_of_operators_win_and_constraints_go_by_both(world: World) -> None:
    await world.node()
    description = NodeDescription(name="node2", labels={"disk": "spinning", "rack": "7"})
    status = NodeStatus(schema=1, state=NodeState.NODE_STATE_READY, description=description)
    await world.put(keys.node_status(NODE), status)
    request = UpdateNodeRequest(ref="node2", request_id="r1", set_labels={"disk": "ssd", "zone": "b"})
    node = await world.nodes.UpdateNode(request)
    assert dict(node.spec.labels) == {"disk": "ssd", "zone": "b"}
    view = Projector(world.cache).snapshot().nodes[NODE]
    assert dict(view.labels) == {"disk": "ssd", "zone": "b", "rack": "7"}
    assert Constraint("node.labels.disk==ssd").check(view)
    taken = await world.nodes.UpdateNode(UpdateNodeRequest(ref=NODE[:6], request_id="r2", remove_labels=["disk", "no"]))
    assert dict(taken.spec.labels) == {"zone": "b"}
    assert Projector(world.cache).snapshot().nodes[NODE].labels["disk"] == "spinning"
    # The last request again changes nothing, whatever came between.
    again = await world.nodes.UpdateNode(UpdateNodeRequest(ref="node2", request_id="r2", set_labels={"x": "y"}))
    assert dict(again.spec.labels) == {"zone": "b"}


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (UpdateNodeRequest(set_labels={"a b": "c"}), "'a b'"),
        (UpdateNodeRequest(set_labels={"": "c"}), "1 to 255 characters"),
        (UpdateNodeRequest(set_labels={"a!": "c"}), "'a!'"),
        (UpdateNodeRequest(set_labels={"a": "=c"}), "no "),
        (UpdateNodeRequest(set_labels={"a": " c"}), "blank"),
        (UpdateNodeRequest(set_labels={"a": "c\n"}), "printable"),
        (UpdateNodeRequest(set_labels={"a": "c" * 300}), "at most 255"),
        (UpdateNodeRequest(remove_labels=["a=b"]), "'a=b'"),
        (UpdateNodeRequest(set_labels={"a": "c"}, remove_labels=["a"]), "given and taken away"),
        (UpdateNodeRequest(set_labels={f"l{number}": "" for number in range(257)}), "257 labels"),
    ],
)
async def test_what_no_constraint_could_mean_is_refused(world: World, request_: UpdateNodeRequest, said: str) -> None:
    await world.node()
    request_.ref = "node2"
    assert said in await refused(world.nodes.UpdateNode(request_), InvalidSpec)
    assert not (await world.nodes.GetNode(GetNodeRequest(ref="node2"))).spec.labels


async def test_cordons_are_shown_and_taken_back(world: World) -> None:
    await world.node()
    assert (await world.nodes.UpdateNode(UpdateNodeRequest(ref="node2", cordoned=True))).spec.cordoned
    # An update that says nothing of it leaves it as it is.
    assert (await world.nodes.UpdateNode(UpdateNodeRequest(ref="node2", set_labels={"a": "b"}))).spec.cordoned
    assert not (await world.nodes.UpdateNode(UpdateNodeRequest(ref="node2", cordoned=False))).spec.cordoned
    assert "node ls" in await refused(world.nodes.UpdateNode(UpdateNodeRequest(ref="nope", cordoned=True)), NotFound)


async def test_updates_at_the_same_time_are_all_made(world: World) -> None:
    await world.node()
    requests = [UpdateNodeRequest(ref="node2", set_labels={f"l{number}": "x"}) for number in range(8)]
    await asyncio.gather(*(world.nodes.UpdateNode(each) for each in requests))
    assert len((await world.nodes.GetNode(GetNodeRequest(ref="node2"))).spec.labels) == 8


async def test_a_drain_stops_what_may_be_stopped_and_says_what_it_leaves(world: World) -> None:
    await world.node()
    await world.image()
    web = await running(world, "web")
    job = await running(world, "job", auto_remove=True)
    done = await running(world, "done")
    await world.report(done, EXITED)
    call = world.nodes.DrainNode(DrainNodeRequest(ref="node2", request_id="r1", timeout_seconds=3))
    news = [await next_of(call), await next_of(call)]
    assert {(each.container_name, each.outcome) for each in news} == {("web", STOPPING), ("job", LEFT)}
    assert "--force" in next(each.reason for each in news if each.container_name == "job")
    await until(world, lambda: desired(world, web) == DesiredState.DESIRED_STATE_STOPPED)
    spec = world.cache.containers[web].spec
    assert spec is not None
    assert spec.value.stop_grace_ms == 3000
    node = await world.nodes.GetNode(GetNodeRequest(ref="node2"))
    assert (node.spec.cordoned, node.containers, node.running, node.stopping) == (True, 3, 2, 1)
    await world.report(web, EXITED, code=143)
    last = await next_of(call)
    assert (last.container_id, last.outcome, last.reason) == (web, STOPPED, "its data stays on node2")
    assert await call.read() is grpc.aio.EOF
    assert desired(world, job) == DesiredState.DESIRED_STATE_RUNNING
    # Again, and by force: only what is left is stopped.
    call = world.nodes.DrainNode(DrainNodeRequest(ref="node2", force=True))
    assert (await next_of(call)).container_id == job
    await until(world, lambda: desired(world, job) == DesiredState.DESIRED_STATE_STOPPED)
    await world.report(job, EXITED)
    assert (await next_of(call)).reason == "it is removed, as it was run with --rm"
    assert await call.read() is grpc.aio.EOF


async def test_a_drain_of_a_node_that_is_down_does_not_wait_for_it(world: World) -> None:
    await world.node()
    await world.image()
    web = await running(world, "web")
    call = world.nodes.DrainNode(DrainNodeRequest(ref="node2"))
    assert (await next_of(call)).outcome == STOPPING
    status = NodeStatus(schema=1, state=NodeState.NODE_STATE_DOWN)
    await world.put(keys.node_status(NODE), status)
    last = await next_of(call)
    assert (last.outcome, last.reason) == (LEFT, "node2 is down; it is stopped once node2 is back")
    assert await call.read() is grpc.aio.EOF
    assert desired(world, web) == DesiredState.DESIRED_STATE_STOPPED


async def test_what_is_started_again_during_a_drain_is_left(world: World) -> None:
    await world.node()
    await world.image()
    web = await running(world, "web")
    call = world.nodes.DrainNode(DrainNodeRequest(ref="node2"))
    await next_of(call)
    await until(world, lambda: desired(world, web) == DesiredState.DESIRED_STATE_STOPPED)
    await world.containers.RestartContainer(container_pb2.RestartContainerRequest(container=ref("web")))
    last = await next_of(call)
    assert (last.outcome, last.reason) == (LEFT, "it was started again meanwhile")


async def test_a_drain_that_was_broken_off_goes_on_when_it_is_repeated(world: World) -> None:
    await world.node()
    await world.image()
    ids = [await running(world, f"c{number}") for number in range(3)]
    call = world.nodes.DrainNode(DrainNodeRequest(ref="node2", request_id="r1"))
    await next_of(call)
    call.cancel()
    # Whatever of it had been told by then: the same request to any controller does the rest.
    call = world.nodes.DrainNode(DrainNodeRequest(ref="node2", request_id="r1"))
    for id_ in ids:
        await until(world, lambda id_=id_: desired(world, id_) == DesiredState.DESIRED_STATE_STOPPED)
        await world.report(id_, EXITED)
    outcomes = [each.outcome async for each in call]
    assert LEFT not in outcomes
    assert (await world.nodes.GetNode(GetNodeRequest(ref="node2"))).running == 0


async def test_a_removal_is_answered_when_the_node_is_gone_and_the_same_ever_after(world: World) -> None:
    await world.node()
    request = RemoveNodeRequest(ref="node2", request_id="r1")
    call = world.nodes.RemoveNode(request)
    await until(world, lambda: leaves(world))
    await refused(world.nodes.UpdateNode(UpdateNodeRequest(ref="node2", cordoned=True)), Conflict)
    await depart(world)
    assert (await call).id == NODE
    assert (await world.nodes.RemoveNode(request)).id == NODE
    await refused(world.nodes.RemoveNode(RemoveNodeRequest(ref="node2", request_id="r2")), NotFound)


async def test_what_is_lost_says_so_and_can_only_be_removed(world: World) -> None:
    await world.node()
    await world.image()
    await world.start_agent()
    web = await running(world, "web")
    said = await refused(world.nodes.RemoveNode(RemoveNodeRequest(ref="node2")), Conflict)
    assert said == (
        "node node2 holds 1 container: web (remove them first, or give them up for lost: shoal node rm --force node2)"
    )
    waiting = world.containers.WaitContainer(WaitContainerRequest(container=ref("web")))
    assert not (await next_of(waiting)).done
    following = world.containers.ContainerLogs(LogsRequest(container=ref("web"), follow=True))
    world.agent.write(b"line\n")
    await next_of(following)
    call = world.nodes.RemoveNode(RemoveNodeRequest(ref="node2", force=True, request_id="r1"))
    await until(world, lambda: ("node", NODE) in world.cache.revoked)
    await lose(world, web)
    await depart(world)
    assert list((await call).lost) == [web]
    # Whoever waited or read is told, at once.
    end = await next_of(waiting)
    assert (end.done, end.exit_code, end.phase) == (True, 125, ContainerPhase.CONTAINER_PHASE_LOST)
    async with asyncio.timeout(10):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await rest(following)
    assert isinstance(ours(raised.value), Conflict)
    shown = await world.containers.GetContainer(container_pb2.GetContainerRequest(container=ref(web)))
    assert (shown.phase, shown.node_name) == (ContainerPhase.CONTAINER_PHASE_LOST, "node2")
    assert shown.detail == "its node was removed from the cluster by force"
    for refusal in (
        world.containers.StartContainer(StartContainerRequest(container=ref(web))),
        world.containers.StopContainer(StopContainerRequest(container=ref(web))),
        world.containers.KillContainer(container_pb2.KillContainerRequest(container=ref(web))),
    ):
        assert f"shoal rm {web[:12]}" in await refused(refusal, Conflict)
    await world.containers.RemoveContainer(RemoveContainerRequest(container=ref(web)))
    assert desired(world, web) == DesiredState.DESIRED_STATE_REMOVED


async def test_nothing_is_asked_of_a_node_that_is_being_removed(world: World) -> None:
    await world.node()
    await world.image()
    await world.start_agent()
    await running(world, "web")
    call = world.nodes.RemoveNode(RemoveNodeRequest(ref="node2", force=True))
    await until(world, lambda: leaves(world))
    kill = container_pb2.KillContainerRequest(container=ref("web"))
    assert "is being removed from the cluster" in await refused(world.containers.KillContainer(kill), Unavailable)
    call.cancel()


async def rest(call: grpc.aio.UnaryStreamCall[LogsRequest, container_pb2.LogsResponse]) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


def desired(world: World, id_: str) -> DesiredState:
    spec = world.cache.containers[id_].spec
    assert spec is not None
    return spec.value.desired


def leaves(world: World) -> bool:
    spec = world.cache.nodes[NODE].spec
    return spec is not None and spec.value.removal != 0


async def until(world: World, condition: object) -> None:
    """Wait until a condition on the cache holds."""
    assert callable(condition)
    with world.cache.subscribe() as changes:
        async with asyncio.timeout(10):
            while not condition():
                await anext(changes)
