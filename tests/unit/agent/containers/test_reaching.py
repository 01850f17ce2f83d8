"""Files of a container that does not run: its root is mounted for whoever asks, and its state stays what it was."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from shoal_agent.core import planning
from shoal_agent.core.lifecycle import EXITED, PREPARING, READY, RUNNING
from shoal_agent.core.model import Observed, Remembered, TaskState
from shoal_agent.paths import NodePaths
from shoal_common.errors import Conflict, NotFound, Unavailable
from shoal_proto.v1.container_pb2 import ContainerState, DesiredState
from shoal_proto.v1.node_pb2 import HoldRole
from tests.fakes.container_host import FakeHost
from tests.parts import planned
from tests.unit.agent.containers.test_worker import ID, STOPPED, Agent, agent, assignment

CREATED = DesiredState.DESIRED_STATE_CREATED
WANTED = replace(planned.WANTED, desired=STOPPED)
ASKED = Observed(task=TaskState.ABSENT, reach=True)


def remembered(state: ContainerState) -> Remembered:
    return replace(planned.RECORD, state=state)


@pytest.mark.parametrize("state", [READY, EXITED])
def test_a_root_is_mounted_for_whoever_asks(state: ContainerState) -> None:
    assert planning.plan(remembered(state), WANTED, ASKED, 0) == planning.Reach()
    assert planning.plan(remembered(state), WANTED, replace(ASKED, reach=False), 0) == planning.Wait()


def test_a_start_goes_before_who_asks_for_files() -> None:
    wanted = replace(WANTED, desired=DesiredState.DESIRED_STATE_RUNNING, run_admitted=2)
    assert planning.plan(remembered(EXITED), wanted, ASKED, 0) == planning.BeginAttempt()


def test_nothing_is_mounted_of_what_must_go_or_of_another_placement() -> None:
    for role in (HoldRole.HOLD_ROLE_RETIRED, HoldRole.HOLD_ROLE_REMOVE):
        assert planning.plan(remembered(EXITED), replace(WANTED, role=role), ASKED, 0) != planning.Reach()
    assert planning.plan(remembered(EXITED), replace(WANTED, generation=2), ASKED, 0) == planning.Supersede()
    assert planning.plan(replace(remembered(EXITED), removing=True), WANTED, ASKED, 0) == planning.Remove()


async def ended(one: Agent) -> None:
    one.node.apply_set([assignment()])
    await one.state(RUNNING)
    one.node.apply_change([assignment(desired=STOPPED)], [])
    await one.state(EXITED)


async def test_the_next_agent_reaches_what_the_one_before_left(paths: NodePaths, host: FakeHost) -> None:
    async with agent(paths, host) as one:
        await ended(one)
    host.reboot()
    async with agent(paths, host) as one:
        one.node.apply_set([assignment(desired=STOPPED)])
        before = one.stored()
        async with asyncio.timeout(5):
            await asyncio.gather(one.node.worker(ID).reach(), one.node.worker(ID).reach())
            await one.node.worker(ID).reach()
        assert host.placements == {(ID, 1)}
        assert one.stored() == before, "its state is not what it was"


@pytest.mark.parametrize("problem", [Unavailable("no registry"), NotFound("no image"), OSError(5, "the disk")])
async def test_what_can_not_be_mounted_is_told_to_who_asked_and_recorded_nowhere(
    paths: NodePaths, host: FakeHost, problem: Exception
) -> None:
    async with agent(paths, host) as one:
        await ended(one)
    async with agent(paths, host) as one:
        one.node.apply_set([assignment(desired=STOPPED)])
        host.problems.append(problem)
        before = one.stored()
        async with asyncio.timeout(5):
            with pytest.raises(type(problem)):
                await one.node.worker(ID).reach()
            assert one.stored() == before
            await one.node.worker(ID).reach()


async def test_who_asks_for_files_of_what_is_removed_is_told(paths: NodePaths, host: FakeHost) -> None:
    async with agent(paths, host) as one:
        await ended(one)
    async with agent(paths, host) as one:
        one.node.apply_set([assignment(desired=STOPPED)])
        host.preparing = asyncio.Event()
        asking = asyncio.create_task(one.node.worker(ID).reach())
        await asyncio.sleep(0)
        one.node.apply_change([assignment(role=HoldRole.HOLD_ROLE_REMOVE, desired=STOPPED)], [])
        async with asyncio.timeout(20):
            with pytest.raises(Conflict, match="is being taken down"):
                await asking


async def test_what_is_still_prepared_is_not_disturbed(paths: NodePaths, host: FakeHost) -> None:
    host.preparing = asyncio.Event()
    async with agent(paths, host) as one:
        one.node.apply_set([assignment(desired=CREATED, run_admitted=0)])
        await one.state(PREPARING)
        asking = asyncio.create_task(one.node.worker(ID).reach())
        host.preparing.set()
        await one.state(READY)
        async with asyncio.timeout(5):
            await asking
