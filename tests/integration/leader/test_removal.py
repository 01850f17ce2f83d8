"""Nodes leave the cluster while others write, while leaders come and go, and while their agents are there or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from shoal_common.errors import Conflict, NotFound, Revoked
from shoal_common.identity import Role
from shoal_controller.api.containers.reading import Finder
from shoal_controller.api.nodes.updates import NodeUpdates
from shoal_controller.state import keys
from shoal_controller.state.store import SCHEMA, encode
from shoal_proto.v1.container_pb2 import (
    ContainerConfig,
    ContainerPlacement,
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    DesiredState,
)
from shoal_proto.v1.node_pb2 import Hold, HoldRole, NodeRemoval, NodeSpec, RemoveNodeRequest
from shoal_proto.v1.resources_pb2 import Address
from tests.fakes.agent import Disk, SimulatedAgent
from tests.fakes.leading import CONTAINERS, NODES, Controller, Rig, check_bookings, container_id, is_ready, state_of

RUNNING = ContainerState.CONTAINER_STATE_RUNNING
N1 = NODES["n1"]
GIB = 1 << 30


def api(controller: Controller) -> NodeUpdates:
    """What a controller's API does to nodes."""
    return NodeUpdates(controller.kv, controller.cache, Finder(controller.kv, controller.cache))


def removal(request_id: str = "r1", *, force: bool = False) -> RemoveNodeRequest:
    return RemoveNodeRequest(ref="n1", request_id=request_id, force=force)


@asynccontextmanager
async def agent(controller: Controller, name: str = "n1", disk: Disk | None = None) -> AsyncIterator[SimulatedAgent]:
    async with (
        controller.channel(NODES[name]) as channel,
        SimulatedAgent(channel, NODES[name], process_id=f"p-{name}", disk=disk) as made,
    ):
        yield made


def is_lost(controller: Controller, id_: str) -> bool:
    placement = controller.cache.containers[id_].placement
    return placement is not None and placement.value.HasField("lost_at")


async def fill(rig: Rig, controller: Controller, count: int) -> list[str]:
    """Put containers that ran on n1, as a leader before has placed them; the node itself has gone silent."""
    ids = []
    for number in range(1, count + 1):
        id_ = container_id(number)
        address = Address(network="default", ip=f"10.88.{number // 250 + 1}.{number % 250 + 2}", prefix_length=16)
        spec = ContainerSpec(
            schema=SCHEMA,
            id=id_,
            namespace=CONTAINERS,
            name=f"c{number}",
            config=ContainerConfig(image="web:1"),
            desired=DesiredState.DESIRED_STATE_RUNNING,
            run=1,
        )
        placement = ContainerPlacement(schema=SCHEMA, node=N1, generation=1, addresses=[address], run_admitted=1)
        status = ContainerStatus(schema=SCHEMA, generation=1, attempt=1, state=RUNNING, report=1, run_served=1)
        hold = Hold(
            schema=SCHEMA,
            namespace=CONTAINERS,
            container=id_,
            generation=1,
            role=HoldRole.HOLD_ROLE_CURRENT,
            addresses=[address],
        )
        await rig.put(keys.container_spec(CONTAINERS, id_), encode(spec))
        await rig.put(keys.container_placement(CONTAINERS, id_), encode(placement))
        await rig.put(keys.container_status(CONTAINERS, id_), encode(status))
        await rig.put(keys.name(CONTAINERS, "container", spec.name), encode(id_))
        await rig.put(keys.address("default", address.ip), encode(id_))
        await controller.cache.reached(await rig.put(keys.hold(N1, id_), encode(hold)))
        ids.append(id_)
    return ids


async def test_an_empty_node_leaves_nothing_but_its_revocation(rig: Rig, controller: Controller) -> None:
    async with agent(controller) as one:
        answer = await api(controller).remove(removal())
        assert (answer.id, list(answer.lost)) == (N1, [])
        assert N1 not in controller.cache.nodes
        assert ("default", "node", "n1") not in controller.cache.names
        revocation = controller.cache.revoked[(Role.NODE, N1)].value
        assert (revocation.name, revocation.request_id) == ("n1", "r1")
        # Its agent is told at once, and whoever comes again is refused.
        await one.until(lambda: one.error is not None)
        assert isinstance(one.error, Revoked)
        with pytest.raises(Revoked, match="shoal agent reset"):
            await one.beat()
    async with agent(controller) as again:
        assert isinstance(again.error, Revoked)
    assert N1 not in controller.cache.nodes


async def test_the_same_request_again_answers_the_same(rig: Rig, controller: Controller) -> None:
    async with agent(controller) as one:
        id_ = await rig.create(1)
        await controller.until(lambda: state_of(controller.cache, id_) == RUNNING)
        await one.until(lambda: not one.unacknowledged)
    first = await api(controller).remove(removal(force=True))
    assert list(first.lost) == [id_]
    assert await api(controller).remove(removal(force=True)) == first
    # Another host has taken the name meanwhile: a repeat does not touch it.
    renamed = NodeSpec(schema=SCHEMA, id=NODES["n2"], name="n1")
    await controller.cache.reached(await rig.put(keys.node_spec(NODES["n2"]), encode(renamed)))
    assert (await api(controller).remove(removal(force=True))).id == N1
    assert controller.cache.resolve_node("n1").id == NODES["n2"]
    with pytest.raises(NotFound):
        await api(controller).remove(RemoveNodeRequest(ref="n9", request_id="r1"))


async def test_what_is_held_is_refused_and_given_up_by_force(rig: Rig, controller: Controller) -> None:
    async with agent(controller) as one:
        id_ = await rig.create(1, memory=GIB)
        await controller.until(lambda: state_of(controller.cache, id_) == RUNNING)
        await one.until(lambda: not one.unacknowledged)
        with pytest.raises(Conflict, match=r"holds 1 container: c1 .*node rm --force n1"):
            await api(controller).remove(removal())
        assert is_ready(controller.cache, N1)
        answer = await api(controller).remove(removal("r2", force=True))
        assert list(answer.lost) == [id_]
        await one.until(lambda: one.error is not None)
    assert is_lost(controller, id_)
    assert not controller.cache.addresses
    assert not controller.cache.holders(id_)
    # Its name is another's at once, and removing what is lost leaves that alone.
    async with agent(controller, "n2"):
        second = container_id(2)
        spec = ContainerSpec()
        spec.CopyFrom(controller.cache.containers[id_].spec.value)  # type: ignore[union-attr]
        spec.id = second
        await rig.put(keys.container_spec(CONTAINERS, second), encode(spec))
        await rig.put(keys.name(CONTAINERS, "container", "c1"), encode(second))
        await controller.until(lambda: state_of(controller.cache, second) == RUNNING)
        await rig.update(id_, desired=DesiredState.DESIRED_STATE_REMOVED)
        await controller.until(lambda: id_ not in controller.cache.containers)
        assert controller.cache.names[(CONTAINERS, "container", "c1")].value == second
        assert controller.cache.tombstones[(CONTAINERS, id_)].value.run == 1
        check_bookings(controller.cache)


async def test_an_agent_that_comes_back_after_a_forced_removal_is_told(rig: Rig, controller: Controller) -> None:
    disk = Disk()
    async with agent(controller, disk=disk) as one:
        id_ = await rig.create(1)
        await controller.until(lambda: state_of(controller.cache, id_) == RUNNING)
        await one.until(lambda: not one.unacknowledged)
    await api(controller).remove(removal(force=True))
    revision = controller.cache.revision
    async with agent(controller, disk=disk) as back:
        assert isinstance(back.error, Revoked)
        assert "node n1 was removed from the cluster" in back.error.message
        assert back.sets == 0
    # It has written nothing, and what it runs is its own affair: it was told of no set without it.
    assert controller.cache.revision == revision
    assert disk.assignments[id_].desired == DesiredState.DESIRED_STATE_RUNNING


async def test_runs_that_race_a_removal_end_on_another_node_or_are_lost(rig: Rig, controller: Controller) -> None:
    async with agent(controller), agent(controller, "n2") as two:
        updates = api(controller)

        async def remove() -> None:
            # Placements come in between: it is tried until it falls into a gap, or by force.
            for number in range(5):
                try:
                    await updates.remove(removal(f"r{number}"))
                except Conflict:
                    continue
                return
            await updates.remove(removal("forced", force=True))

        async with asyncio.TaskGroup() as group:
            made = [group.create_task(rig.create(number)) for number in range(1, 41)]
            group.create_task(remove())
        ids = [task.result() for task in made]
        await controller.until(
            lambda: all(is_lost(controller, id_) or state_of(controller.cache, id_) == RUNNING for id_ in ids)
        )
        await two.until(lambda: not two.unacknowledged)
        assert N1 not in controller.cache.nodes
        for id_ in ids:
            placement = controller.cache.containers[id_].placement
            assert placement is not None
            assert is_lost(controller, id_) == (placement.value.node == N1)
            assert controller.cache.holders(id_) == (frozenset() if is_lost(controller, id_) else {NODES["n2"]})
        check_bookings(controller.cache)


async def test_a_removal_goes_on_under_the_next_leader(rig: Rig) -> None:
    async with rig.controller().serving() as first, rig.controller().serving() as second:
        ids = await fill(rig, first, 300)
        # What the API writes; the first leader dies as soon as it has begun.
        updates = api(second)
        removing = asyncio.create_task(updates.remove(removal(force=True)), name="remove")
        await second.until(lambda: (Role.NODE, N1) in second.cache.revoked)
        await rig.elect(first)
        await second.until(lambda: any(is_lost(second, id_) for id_ in ids), seconds=30)
        await first.step_down()
        entry = second.cache.nodes.get(N1)
        left = len(entry.holds) if entry is not None else 0
        lost = sum(is_lost(second, id_) for id_ in ids)
        # Never one transaction for all, and never one without the other.
        assert lost + left == 300
        assert left > 0
        for id_ in ids:
            assert is_lost(second, id_) is (N1 not in second.cache.holders(id_))
        assert len(second.cache.addresses) == left
        await rig.elect(second)
        await second.until(lambda: N1 not in second.cache.nodes, seconds=30)
        assert sorted((await removing).lost) == sorted(ids)
        assert all(is_lost(second, id_) for id_ in ids)
        assert not second.cache.addresses
        assert {kind for _, kind, _ in second.cache.names} == set()


async def test_a_node_that_was_found_empty_loses_nothing(rig: Rig, controller: Controller) -> None:
    """Not by any API: what a hold says that should not be there counts more than the wish to remove the node."""
    await fill(rig, controller, 1)
    entry = controller.cache.nodes[N1].spec
    assert entry is not None
    spec = NodeSpec()
    spec.CopyFrom(entry.value)
    spec.removal = NodeRemoval.NODE_REMOVAL_EMPTY
    await rig.put(keys.node_spec(N1), encode(spec))
    async with agent(controller, "n2"):
        other = await rig.create(2)
        await controller.until(lambda: state_of(controller.cache, other) == RUNNING)
    assert controller.cache.holders(container_id(1)) == {N1}
    answer = await api(controller).remove(removal("r2", force=True))
    assert list(answer.lost) == [container_id(1)]
