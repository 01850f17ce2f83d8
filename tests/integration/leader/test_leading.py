"""Whole stories: a real controller that leads, agents that connect over mutual TLS, containers that come and go."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest

from shoal_common.errors import Conflict, InvalidSpec, NotFound, NotLeader, Superseded, Unavailable
from shoal_controller.core.explain import pending_reason
from shoal_controller.leader.projection import Projector
from shoal_controller.state.changes import Change
from shoal_proto.v1.container_pb2 import ContainerState, ContainerStatus, DesiredState
from shoal_proto.v1.dispatcher_pb2 import StatusReport
from shoal_proto.v1.node_pb2 import HoldRole
from tests.fakes.agent import Disk, SimulatedAgent
from tests.fakes.leading import CONTAINERS, NODES, Controller, Rig, check_bookings, container_id, is_ready, state_of

RUNNING = ContainerState.CONTAINER_STATE_RUNNING
EXITED = ContainerState.CONTAINER_STATE_EXITED
REMOVED = DesiredState.DESIRED_STATE_REMOVED
GIB = 1 << 30


@asynccontextmanager
async def agent(
    controller: Controller, name: str = "n1", *, process: str = "p1", **more: object
) -> AsyncIterator[SimulatedAgent]:
    """An agent process with a connection of its own."""
    async with controller.channel(NODES[name]) as channel:
        made = SimulatedAgent(channel, NODES[name], process_id=process, **more)  # type: ignore[arg-type]
        async with made:
            yield made


def runs(controller: Controller, *ids: str) -> Callable[[], bool]:
    return lambda: all(state_of(controller.cache, id_) == RUNNING for id_ in ids)


def reason(controller: Controller, id_: str) -> str:
    snapshot = Projector(controller.cache).snapshot()
    return pending_reason(snapshot, snapshot.containers[id_])


async def test_agents_are_told_when_controllers_come_and_go(controller: Controller) -> None:
    async with agent(controller) as one:
        assert one.opened is not None
        assert list(one.opened.controllers) == ["127.0.0.1:1"]
        controller.controllers = ("127.0.0.1:1", "127.0.0.1:2")
        controller.dispatcher.publish(Change(controller.cache.revision, membership=True))
        with suppress(TimeoutError):
            await one.until(lambda: bool(one.controllers))
        assert one.controllers == ["127.0.0.1:1", "127.0.0.1:2"]


async def settled(controller: Controller, simulated: SimulatedAgent) -> None:
    await simulated.until(lambda: not simulated.unacknowledged)
    check_bookings(controller.cache)


async def test_a_container_is_placed_run_and_acknowledged(rig: Rig, controller: Controller) -> None:
    async with agent(controller) as one:
        assert one.opened is not None
        assert (one.opened.session_epoch, one.opened.subnet, one.opened.gateway) == (1, "10.88.0.0/16", "10.88.0.1")
        assert one.opened.heartbeat_ms == 2000
        id_ = await rig.create(1, memory=GIB, env=("SECRET=x",))
        await controller.until(runs(controller, id_))
        await settled(controller, one)
        assignment = one.disk.assignments[id_]
        assert list(assignment.config.env) == ["SECRET=x"]
        assert assignment.addresses[0].ip == "10.88.0.2"
        assert assignment.addresses[0].mac == "02:42:0a:58:00:02"
        assert one.disk.starts == [(id_, 1)]


async def test_sixty_that_arrive_at_once_spread_evenly(rig: Rig, controller: Controller) -> None:
    async with AsyncExitStack() as stack:
        agents = [await stack.enter_async_context(agent(controller, name, process=name)) for name in NODES]
        ids = await asyncio.gather(*(rig.create(number, memory=GIB // 16) for number in range(1, 61)))
        await controller.until(runs(controller, *ids))
        for each in agents:
            await settled(controller, each)
            assert len(each.disk.assignments) == 20
            assert [run for _, run in each.disk.starts] == [1] * 20
            assert each.revisions == sorted(each.revisions)
    nodes = Counter(controller.cache.containers[id_].placement.value.node for id_ in ids)  # type: ignore[union-attr]
    assert set(nodes.values()) == {20}


async def test_a_container_that_ends_gives_room_to_one_that_waits(rig: Rig, controller: Controller) -> None:
    async with agent(controller, memory=8 * GIB) as one:
        first = await rig.create(1, memory=5 * GIB)
        await controller.until(runs(controller, first))
        second = await rig.create(2, memory=5 * GIB)
        third = await rig.create(3)
        # The third came after the second: when it runs, the second was looked at and found no room.
        await controller.until(runs(controller, third))
        assert reason(controller, second) == "3 nodes: 2 are down, 1 lacks memory (needs 5 GiB, most free 3 GiB)"
        await one.end(first, code=3)
        await controller.until(runs(controller, second))
        await settled(controller, one)
        # Started again, the first waits in turn: its node has filled up.
        await rig.update(first, run=2)
        fourth = await rig.create(4)
        await controller.until(runs(controller, fourth))
        assert state_of(controller.cache, first) == EXITED
        assert reason(controller, first) == "1 node: 1 lacks memory (needs 5 GiB, most free 3 GiB)"
        await rig.update(second, desired=DesiredState.DESIRED_STATE_STOPPED)
        await controller.until(runs(controller, first))
        await settled(controller, one)
        assert one.disk.starts.count((first, 2)) == 1


async def test_removal_leaves_a_tombstone_and_nothing_else(rig: Rig, controller: Controller) -> None:
    async with agent(controller) as one:
        id_ = await rig.create(1, memory=GIB)
        await controller.until(runs(controller, id_))
        await one.end(id_, code=7)
        await rig.update(id_, desired=REMOVED)
        await controller.until(lambda: id_ not in controller.cache.containers)
        tombstone = controller.cache.tombstones[(CONTAINERS, id_)].value
        assert (tombstone.status.exit_code, tombstone.request_mac, tombstone.run) == (7, b"mac", 1)
        assert not controller.cache.addresses
        assert not controller.cache.names
        assert not controller.cache.holders(id_)
        await one.until(lambda: id_ not in one.disk.assignments)
        await settled(controller, one)


async def test_what_never_found_a_node_is_removed_without_one(rig: Rig, controller: Controller) -> None:
    id_ = await rig.create(1)
    await rig.update(id_, desired=REMOVED)
    await controller.until(lambda: id_ not in controller.cache.containers)
    assert (CONTAINERS, id_) in controller.cache.tombstones
    assert not controller.cache.names


async def test_auto_remove_ends_with_the_exit_code_in_the_tombstone(rig: Rig, controller: Controller) -> None:
    async with agent(controller) as one:
        id_ = await rig.create(1, auto_remove=True)
        await controller.until(runs(controller, id_))
        await one.end(id_, code=7)
        await controller.until(lambda: id_ not in controller.cache.containers)
        assert controller.cache.tombstones[(CONTAINERS, id_)].value.status.exit_code == 7


async def test_a_forced_removal_on_a_node_that_is_away_waits_for_it_but_frees_the_name(
    rig: Rig, controller: Controller
) -> None:
    disk = Disk()
    async with agent(controller, disk=disk):
        id_ = await rig.create(1)
        await controller.until(runs(controller, id_))
    # As the API does for `rm -f`.
    await rig.update(id_, desired=REMOVED, stop_grace_ms=0)
    await rig.delete(f"/shoal/v1/names/{CONTAINERS}/container/c1")
    node = NODES["n1"]
    await controller.until(
        lambda: (
            controller.cache.nodes[node].holds[id_].value.role == HoldRole.HOLD_ROLE_REMOVE
            and not controller.cache.names
        )
    )
    async with agent(controller, disk=disk, process="p2") as again:
        await controller.until(lambda: id_ not in controller.cache.containers)
        await settled(controller, again)


async def test_an_agent_that_comes_back_with_its_set_gets_no_set(rig: Rig, controller: Controller) -> None:
    disk = Disk()
    async with agent(controller, disk=disk) as one:
        ids = [await rig.create(number) for number in range(1, 4)]
        await controller.until(runs(controller, *ids))
        await settled(controller, one)
        # Each status makes the assignment say that it was ready.
        await one.until(lambda: all(each.ever_ready for each in disk.assignments.values()))
    revision = controller.cache.nodes[NODES["n1"]].session
    async with agent(controller, disk=disk) as again:
        assert again.opened is not None
        assert again.opened.set_matches
        assert again.sets == 0
        assert controller.cache.nodes[NODES["n1"]].session == revision
    disk.assignments.popitem()
    async with agent(controller, disk=disk) as third:
        await third.until(lambda: third.sets == 1)
        assert third.opened is not None
        assert not third.opened.set_matches
    assert len(disk.starts) == 3


async def test_a_newer_process_supersedes_the_older(rig: Rig, controller: Controller) -> None:
    disk = Disk()
    async with (
        agent(controller, process="old", disk=disk) as old,
        agent(controller, process="new", disk=disk) as new,
    ):
        await old.until(lambda: old.error is not None)
        assert isinstance(old.error, Superseded)
        assert new.opened is not None
        assert new.opened.session_epoch == 2
        with pytest.raises(NotFound, match="no session of this process"):
            await old.beat()
        await new.beat()
        async with agent(controller, process="old") as zombie:
            assert isinstance(zombie.error, Superseded)
        await new.beat()


async def test_another_controller_names_the_leader(rig: Rig, controller: Controller) -> None:
    async with rig.controller().serving() as other, agent(other) as lost:
        assert isinstance(lost.error, NotLeader)
        assert lost.error.metadata == {"leader": controller.address}
        with pytest.raises(NotLeader):
            await lost.beat()


async def test_a_change_of_leader_starts_nothing_twice(rig: Rig, controller: Controller) -> None:
    disk = Disk()
    async with agent(controller, disk=disk) as one:
        ids = [await rig.create(number) for number in range(1, 4)]
        await controller.until(runs(controller, *ids))
        await settled(controller, one)
        session = controller.cache.nodes[NODES["n1"]].session
        await controller.step_down()
        await one.until(lambda: one.error is not None)
        assert isinstance(one.error, NotLeader)
    fourth = await rig.create(4)
    async with rig.controller().serving() as next_:
        await rig.elect(next_)
        async with agent(next_, disk=disk) as again:
            await next_.until(runs(next_, *ids, fourth))
            await settled(next_, again)
            assert next_.cache.nodes[NODES["n1"]].session == session
            assert sorted(disk.starts) == sorted((id_, 1) for id_ in [*ids, fourth])
            assert again.disk.assignments[fourth].addresses[0].ip == "10.88.0.5"


async def test_a_lost_term_writes_nothing(rig: Rig, controller: Controller) -> None:
    async with agent(controller, obeys=False):
        await controller.until(lambda: is_ready(controller.cache, NODES["n1"]))
        # Somebody else leads, and this controller does not know yet.
        await rig.delete("/shoal/v1/leader")
        revision = await rig.put("/shoal/v1/leader", b"")
        id_ = await rig.create(1)
        async with rig.controller().serving() as watcher:
            await controller.cache.reached(revision)
            await rig.elect(watcher)
            await watcher.until(lambda: watcher.cache.containers[id_].placement is not None)
            placement = watcher.cache.containers[id_].placement
            assert placement is not None
            assert placement.value.generation == 1


async def test_without_the_cluster_key_nothing_is_placed_and_nothing_dispatched(
    rig: Rig, controller: Controller
) -> None:
    async with agent(controller) as one:
        kept = await rig.create(1)
        await controller.until(runs(controller, kept))
        await settled(controller, one)
        await rig.delete("/shoal/v1/cluster")
        id_ = await rig.create(2)
        await controller.until(lambda: id_ in controller.cache.containers and controller.cache.cluster is None)
        assert "no identity in etcd" in reason(controller, id_)
        assert one.disk.assignments.keys() == {kept}
    async with agent(controller) as refused:
        assert isinstance(refused.error, Unavailable)
    assert controller.cache.containers[id_].placement is None


async def test_an_agent_of_another_cluster_is_refused(controller: Controller) -> None:
    async with agent(controller, cluster_id="d" * 32) as foreign:
        assert isinstance(foreign.error, Conflict)


async def test_a_host_that_has_not_joined_is_refused(rig: Rig, controller: Controller) -> None:
    await rig.delete(f"/shoal/v1/nodes/{NODES['n1']}/spec")
    await controller.until(lambda: NODES["n1"] not in controller.cache.nodes)
    async with agent(controller) as foreign:
        assert isinstance(foreign.error, NotFound)


async def test_capacity_and_labels_follow_the_agent(rig: Rig, controller: Controller) -> None:
    async with agent(controller, memory=2 * GIB) as one:
        large = await rig.create(1, memory=4 * GIB, constraints=("node.labels.ssd==true",))
        small = await rig.create(2, memory=GIB)
        await controller.until(runs(controller, small))
        assert controller.cache.containers[large].placement is None
        one.description.capacity.memory_bytes = 8 * GIB
        one.description.labels["ssd"] = "true"
        await one.describe()
        await controller.until(runs(controller, large))
        ledger = controller.cache.nodes[NODES["n1"]].ledger
        assert ledger is not None
        assert ledger.value.capacity.memory_bytes == 8 * GIB
        await settled(controller, one)


async def test_strays_are_told_and_left_alone(rig: Rig, controller: Controller) -> None:
    async with agent(controller) as one:
        stray = container_id(99)
        await one.tell_strays(stray)

        def told() -> bool:
            status = controller.cache.nodes[NODES["n1"]].status
            return status is not None and list(status.value.strays) == [stray]

        await controller.until(told)
        assert stray not in one.disk.assignments


async def test_reports_that_cannot_be_are_not_stored(rig: Rig, controller: Controller) -> None:
    async with agent(controller) as one:
        id_ = await rig.create(1)
        await controller.until(runs(controller, id_))
        await settled(controller, one)
        # Removed without being asked; of a generation that never was; of an attempt that is past.
        for status, removed in (
            (ContainerStatus(generation=1, report=90), True),
            (ContainerStatus(generation=5, attempt=9, state=EXITED, report=91), False),
            (ContainerStatus(generation=1, attempt=0, state=EXITED, report=92), False),
        ):
            await one.report(StatusReport(namespace=CONTAINERS, id=id_, status=status, removed=removed))
        second = await rig.create(2)
        await controller.until(runs(controller, second))
        assert state_of(controller.cache, id_) == RUNNING
        await one.report(StatusReport(id="../../leader"))
        await one.until(lambda: one.error is not None)
        assert isinstance(one.error, InvalidSpec)


async def test_a_node_cut_in_the_middle_of_a_burst_starts_each_once(rig: Rig, controller: Controller) -> None:
    disk = Disk()
    ids = [container_id(number) for number in range(1, 31)]
    async with agent(controller, disk=disk, process="a") as one:
        for number in range(1, 31):
            await rig.create(number)
        await one.until(lambda: len(disk.starts) >= 5)
    async with agent(controller, disk=disk, process="b") as again:
        await controller.until(runs(controller, *ids))
        await settled(controller, again)
    assert sorted(disk.starts) == sorted((id_, 1) for id_ in ids)


async def test_an_idle_leader_places_at_once(rig: Rig, controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between a create and its assignment no time is waited for, whatever the machine takes for the work itself."""
    waited: list[str] = []
    loop = asyncio.get_running_loop()
    real = loop.call_at

    def call_at(when: float, callback: Callable[..., object], *arguments: object, **more: object) -> object:
        task = asyncio.current_task()
        name = task.get_name() if task is not None else ""

        def due() -> None:
            waited.append(name)
            callback(*arguments)

        return real(when, due, **more)  # type: ignore[arg-type]

    async with agent(controller) as one:
        await controller.until(lambda: is_ready(controller.cache, NODES["n1"]))
        monkeypatch.setattr(loop, "call_at", call_at)
        for number in range(1, 21):
            id_ = await rig.create(number)
            await one.until(lambda id_=id_: id_ in one.disk.assignments)
        monkeypatch.undo()
    # Only this one looks again and again, for nodes that are silent.
    assert set(waited) <= {"leader-liveness"}


async def test_a_node_that_says_too_much_does_not_stop_the_others(rig: Rig, controller: Controller) -> None:
    async with agent(controller) as one, agent(controller, "n2") as two:
        first = await rig.create(1, constraints=("node.name==n1",))
        await controller.until(runs(controller, first))
        status = ContainerStatus(generation=1, attempt=1, state=EXITED, report=10**6, run_served=1)
        status.reason = "x" * 3_000_000
        status.finished_at.seconds = 2**62
        await one.report(StatusReport(namespace="default", id=first, status=status))
        await controller.until(lambda: state_of(controller.cache, first) == EXITED)
        second = await rig.create(2, constraints=("node.name==n2",))
        await controller.until(runs(controller, second))
        await settled(controller, two)
        one.description.labels["long"] = "x" * 3_000_000
        await one.describe()
        await one.until(lambda: one.error is not None)
        assert isinstance(one.error, InvalidSpec)
        third = await rig.create(3, constraints=("node.name==n2",))
        await controller.until(runs(controller, third))


async def test_reports_of_what_a_node_does_not_hold_wait_for_nobody(rig: Rig, controller: Controller) -> None:
    node = NODES["n1"]
    id_ = await rig.create(1)
    async with SimulatedAgent(controller.channel(node), node, process_id="one") as agent:
        await controller.until(lambda: state_of(controller.cache, id_) == RUNNING)
        term = controller.dispatcher._term
        assert term is not None
        most = 0
        for number in range(2_000):
            status = ContainerStatus(generation=number + 2, report=number, reason="x" * 1_000)
            status.state = ContainerState.CONTAINER_STATE_RUNNING
            of = container_id(1_000 + number) if number % 2 else id_
            agent.unacknowledged[(of, status.generation, False)] = StatusReport(id=of, status=status)
            await agent.report(StatusReport(id=of, status=status))
            most = max(most, len(term.inbox.reports()))
        await agent.until(lambda: not agent.unacknowledged)
        assert most <= 1
        assert state_of(controller.cache, id_) == RUNNING
