"""The store and the nodes misbehave; what is booked and started stays right."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from shoal_common.errors import ShoalError
from shoal_controller.core import liveness
from shoal_controller.state.kv import CompareFailed
from shoal_proto.v1.container_pb2 import ContainerState, DesiredState
from shoal_proto.v1.node_pb2 import NodeState
from tests.fakes.agent import Disk, SimulatedAgent
from tests.fakes.kv import FakeKV
from tests.fakes.leading import NODES, Controller, Rig, check_bookings, is_ready, state_of

GIB = 1 << 30
RUNNING = ContainerState.CONTAINER_STATE_RUNNING


@pytest.fixture
def fake() -> FakeKV:
    return FakeKV()


@pytest.fixture
async def led(fake: FakeKV) -> AsyncIterator[tuple[Rig, Controller]]:
    rig = Rig(fake)
    await rig.make_cluster()
    await rig.join("n1")
    async with rig.controller().serving() as controller:
        await rig.elect(controller)
        yield rig, controller


def connect(controller: Controller, disk: Disk | None = None) -> SimulatedAgent:
    return SimulatedAgent(controller.channel(NODES["n1"]), NODES["n1"], process_id="p", disk=disk)


async def test_a_placement_that_lands_late_doubles_nothing(fake: FakeKV, led: tuple[Rig, Controller]) -> None:
    rig, controller = led
    async with connect(controller) as one:
        # The transaction that places it gets no answer, and is still on its way when it is made again.
        id_ = await rig.create(1, memory=5 * GIB)
        fake.delay_commits = 1
        await controller.until(lambda: state_of(controller.cache, id_) == RUNNING)
        await one.until(lambda: not one.unacknowledged)
        assert fake.late
        for late in fake.late:
            with pytest.raises(CompareFailed):
                late.land()
        check_bookings(controller.cache)
        assert one.disk.starts == [(id_, 1)]


@pytest.mark.parametrize("lost", [1, 5, 20])
async def test_answers_that_are_lost_cost_nothing_but_time(
    fake: FakeKV, led: tuple[Rig, Controller], lost: int
) -> None:
    rig, controller = led
    async with connect(controller) as one:
        ids = [await rig.create(number, memory=GIB // 8) for number in range(1, 21)]
        fake.lose_answers = lost
        await controller.until(lambda: all(state_of(controller.cache, id_) == RUNNING for id_ in ids))
        for id_ in ids:
            await one.end(id_)
        for id_ in ids:
            while True:
                try:
                    await rig.update(id_, desired=DesiredState.DESIRED_STATE_REMOVED)
                except ShoalError:
                    continue  # The API's own answer was lost, or the leader was faster; it reads and tries again.
                break
        await controller.until(lambda: not controller.cache.containers)
        await one.until(lambda: not one.unacknowledged)
        check_bookings(controller.cache)
        assert sorted(one.disk.starts) == sorted((id_, 1) for id_ in ids)


async def test_a_store_that_was_away_is_found_again(fake: FakeKV, led: tuple[Rig, Controller]) -> None:
    rig, controller = led
    async with connect(controller) as one:
        first = await rig.create(1)
        await controller.until(lambda: state_of(controller.cache, first) == RUNNING)
        await one.until(lambda: not one.unacknowledged)
        fake.interrupt()
        await one.end(first, code=9)
        await one.beat()
        fake.restore()
        await controller.until(lambda: state_of(controller.cache, first) == ContainerState.CONTAINER_STATE_EXITED)
        await one.until(lambda: not one.unacknowledged)


async def test_a_user_who_removes_while_it_is_placed_wins(fake: FakeKV, led: tuple[Rig, Controller]) -> None:
    rig, controller = led
    async with connect(controller) as one:
        ids = [await rig.create(number) for number in range(1, 31)]
        await asyncio.gather(*(_remove(rig, id_) for id_ in ids))
        await controller.until(lambda: not controller.cache.containers)
        await one.until(lambda: not one.unacknowledged and not one.disk.assignments)
        assert not controller.cache.addresses
        assert not controller.cache.nodes[NODES["n1"]].holds


async def _remove(rig: Rig, id_: str) -> None:
    while True:
        try:
            await rig.update(id_, desired=DesiredState.DESIRED_STATE_REMOVED)
        except CompareFailed:
            continue
        return


async def test_a_silent_node_is_down_and_its_containers_stay(led: tuple[Rig, Controller]) -> None:
    rig, controller = led
    loop = asyncio.get_running_loop()
    node = NODES["n1"]
    async with connect(controller) as one:
        id_ = await rig.create(1)
        await controller.until(lambda: state_of(controller.cache, id_) == RUNNING)
        await one.until(lambda: not one.unacknowledged)
        await one.beat()
        beaten = loop.time()
        await controller.until(lambda: not is_ready(controller.cache, node))
        assert loop.time() - beaten > 5.5
        status = controller.cache.nodes[node].status
        assert status is not None
        assert status.value.state == NodeState.NODE_STATE_DOWN
        assert status.value.reason == "no heartbeat for 6 s"
        assert state_of(controller.cache, id_) == RUNNING
        revision = controller.cache.revision
        await one.beat()
        await controller.until(lambda: is_ready(controller.cache, node))
        # One transition, one write; further beats write nothing.
        for _ in range(20):
            await one.beat()
        assert controller.cache.revision == revision + 1
        assert one.disk.starts == [(id_, 1)]


async def test_a_leader_that_was_stopped_does_not_call_its_nodes_down(led: tuple[Rig, Controller]) -> None:
    _, controller = led
    node = NODES["n1"]
    async with connect(controller) as one:
        await one.beat()
        # From inside, a controller that was stopped looks like this: nothing runs for longer than a term.
        time.sleep(6.5)  # noqa: ASYNC251
        # Two looks at the terms, of which the first finds the leader's own lag.
        await asyncio.sleep(2.5 * liveness.TICK)
        assert is_ready(controller.cache, node)
        await one.beat()
