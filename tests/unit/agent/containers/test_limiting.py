"""Workers that hold what runs to other limits, killed at every step of it."""

from __future__ import annotations

import pytest

from shoal_agent.core.lifecycle import EXITED, RUNNING
from shoal_agent.paths import NodePaths
from shoal_proto.v1.container_pb2 import DesiredState
from shoal_proto.v1.dispatcher_pb2 import Assignment
from tests.fakes.container_host import FakeHost, Killed
from tests.unit.agent.containers.test_worker import agent, assignment, until

MIB = 1 << 20


def limited(change: int, memory: int, **fields: object) -> Assignment:
    wanted = assignment(limits_changed=change, **fields)
    wanted.config.resources.memory_bytes = memory * MIB
    return wanted


def set_to(host: FakeHost) -> list[int]:
    return [memory // MIB for _, memory in host.limits]


async def test_limits_are_set_once_and_told(paths: NodePaths, host: FakeHost) -> None:
    async with agent(paths, host) as one:
        one.node.apply_set([limited(0, 64)])
        first = await one.state(RUNNING)
        assert (first.limits.memory_bytes, first.limits_served) == (64 * MIB, 0)
        one.node.apply_change([limited(1, 128)], [])
        told = await one.reached(lambda status: status.limits_served == 1)
        assert (told.state, told.limits.memory_bytes, told.warning) == (RUNNING, 128 * MIB, "")
        # Anything else that changes sets them no second time.
        one.node.apply_change([limited(1, 128, paused=True)], [])
        await one.reached(lambda status: status.paused)
        assert set_to(host) == [128]


async def test_a_start_has_the_limits_of_its_time(paths: NodePaths, host: FakeHost) -> None:
    async with agent(paths, host) as one:
        one.node.apply_set([limited(0, 64, desired=DesiredState.DESIRED_STATE_CREATED, run_admitted=0)])
        await one.reached(lambda status: status.ever_ready)
        one.node.apply_change([limited(3, 32)], [])
        status = await one.state(RUNNING)
        assert (status.limits_served, status.limits.memory_bytes) == (3, 32 * MIB)
        assert set_to(host) == []
        one.node.apply_change([limited(3, 32, desired=DesiredState.DESIRED_STATE_STOPPED)], [])
        await one.state(EXITED)


async def test_what_could_not_be_set_is_told_until_the_next_start(paths: NodePaths, host: FakeHost) -> None:
    host.limit_warning = "memory stays as it was"
    async with agent(paths, host) as one:
        one.node.apply_set([limited(0, 64)])
        await one.state(RUNNING)
        one.node.apply_change([limited(1, 16)], [])
        told = await one.reached(lambda status: status.limits_served == 1)
        assert told.warning == "memory stays as it was"
        one.node.apply_change([limited(1, 16, run_admitted=2)], [])
        again = await one.reached(lambda status: status.attempt == 2 and status.state == RUNNING)
        assert (again.warning, again.limits.memory_bytes) == ("", 16 * MIB)


@pytest.mark.parametrize("step", ["before limit", "after limit"])
async def test_an_agent_killed_while_it_limits(paths: NodePaths, host: FakeHost, step: str) -> None:
    died: list[str] = []

    def kill(at: str) -> None:
        if at == step:
            died.append(at)
            raise Killed

    async with agent(paths, host) as one:
        one.node.apply_set([limited(0, 64)])
        await one.state(RUNNING)
        host.on_step = kill
        one.node.apply_change([limited(1, 128)], [])
        await until(lambda: bool(died))
    host.on_step = lambda step: None
    async with agent(paths, host) as two:
        two.node.apply_set([limited(1, 128)])
        told = await two.reached(lambda status: status.limits_served == 1)
        assert (told.state, told.limits.memory_bytes) == (RUNNING, 128 * MIB)
        assert set_to(host)[-1] == 128


async def test_a_change_that_comes_while_another_is_made_is_made_next(paths: NodePaths, host: FakeHost) -> None:
    async with agent(paths, host) as one:

        def again(step: str) -> None:
            if step == "after limit" and len(host.limits) == 1:
                one.node.apply_change([limited(2, 32)], [])

        one.node.apply_set([limited(0, 64)])
        await one.state(RUNNING)
        host.on_step = again
        one.node.apply_change([limited(1, 128)], [])
        told = await one.reached(lambda status: status.limits_served == 2)
        assert told.limits.memory_bytes == 32 * MIB
        assert set_to(host) == [128, 32]


async def test_limits_of_one_whose_spec_is_lost_stay(paths: NodePaths, host: FakeHost) -> None:
    async with agent(paths, host) as one:
        one.node.apply_set([limited(1, 64)])
        await one.state(RUNNING)
        lost = assignment(desired=DesiredState.DESIRED_STATE_UNSPECIFIED, name="told")
        lost.ClearField("config")
        one.node.apply_change([lost], [])
        record = await one.node.worker("ab" * 32).until(
            lambda record: record if record.assignment.desired == lost.desired else None
        )
        assert record.assignment.limits_changed == 1
        assert record.assignment.config.resources.memory_bytes == 64 * MIB
