"""Workers that freeze and thaw, killed at every step of it."""

from __future__ import annotations

import pytest

from shoal_agent.core.lifecycle import EXITED, RUNNING
from shoal_agent.paths import NodePaths
from shoal_common.errors import Unavailable
from shoal_proto.v1.container_pb2 import ContainerConfig, DesiredState
from shoal_proto.v1.node_pb2 import HoldRole
from tests.fakes.container_host import FakeHost, Killed
from tests.unit.agent.containers.test_worker import agent, assignment, until

STOPPED = DesiredState.DESIRED_STATE_STOPPED


async def test_pauses_and_goes_on(paths: NodePaths, host: FakeHost) -> None:
    async with agent(paths, host) as one:
        one.node.apply_set([assignment()])
        before = await one.state(RUNNING)
        one.node.apply_change([assignment(paused=True)], [])
        frozen = await one.reached(lambda status: status.paused)
        assert (frozen.state, frozen.report) == (RUNNING, before.report + 1)
        assert frozen.HasField("paused_at")
        assert host.frozen_keys
        one.node.apply_change([assignment()], [])
        await one.reached(lambda status: not status.paused)
        assert not host.frozen_keys


@pytest.mark.parametrize("wish", [{"desired": STOPPED}, {"desired": STOPPED, "stop_grace_ms": 0}, {"run_admitted": 2}])
async def test_what_is_frozen_is_let_go_before_it_is_stopped(
    paths: NodePaths, host: FakeHost, wish: dict[str, object]
) -> None:
    """The fake host refuses signals to what is frozen."""
    async with agent(paths, host) as one:
        one.node.apply_set([assignment(paused=True)])
        await one.reached(lambda status: status.paused)
        one.node.apply_change([assignment(**wish)], [])
        status = await one.reached(lambda status: status.state == EXITED or status.attempt == 2)
        assert not status.paused


async def test_what_is_frozen_is_let_go_before_it_is_removed(paths: NodePaths, host: FakeHost) -> None:
    async with agent(paths, host) as one:
        one.node.apply_set([assignment(paused=True)])
        await one.reached(lambda status: status.paused)
        gone = assignment(role=HoldRole.HOLD_ROLE_REMOVE, desired=DesiredState.DESIRED_STATE_REMOVED, stop_grace_ms=0)
        one.node.apply_change([gone], [])
        await one.node.worker("ab" * 32).until(lambda record: record.removed or None)


@pytest.mark.parametrize("step", ["before freeze", "after freeze", "before thaw", "after thaw"])
@pytest.mark.parametrize("wished", [True, False], ids=["still-paused", "not-any-more"])
async def test_an_agent_killed_while_it_freezes_or_thaws(
    paths: NodePaths, host: FakeHost, step: str, *, wished: bool
) -> None:
    died: list[str] = []

    def kill(at: str) -> None:
        if at == step:
            died.append(at)
            raise Killed

    async with agent(paths, host) as one:
        one.node.apply_set([assignment()])
        await one.state(RUNNING)
        if "thaw" in step:
            one.node.apply_change([assignment(paused=True)], [])
            await one.reached(lambda status: status.paused)
        host.on_step = kill
        one.node.apply_change([assignment(paused="freeze" in step)], [])
        await until(lambda: bool(died))
    host.on_step = lambda step: None
    async with agent(paths, host) as two:
        two.node.apply_set([assignment(paused=wished)])
        await two.reached(lambda status: status.state == RUNNING and status.paused == wished)
        await until(lambda: bool(host.frozen_keys) == wished)


async def test_a_paused_one_whose_spec_is_lost_stays_as_it_is(paths: NodePaths, host: FakeHost) -> None:
    async with agent(paths, host) as one:
        one.node.apply_set([assignment(paused=True)])
        await one.reached(lambda status: status.paused)
        lost = assignment(desired=DesiredState.DESIRED_STATE_UNSPECIFIED, name="told")
        lost.ClearField("config")
        one.node.apply_change([lost], [])
        record = await one.node.worker("ab" * 32).until(
            lambda record: record if record.assignment.desired == lost.desired else None
        )
        assert record.assignment.config != ContainerConfig()
        assert record.assignment.paused
        assert host.frozen_keys
        # Nor is one that no set names at all.
        one.node.apply_set([])
        assert host.frozen_keys


async def test_what_can_not_be_frozen_now_is_tried_again(paths: NodePaths, host: FakeHost) -> None:
    tries: list[str] = []

    def refuse(step: str) -> None:
        if step == "before freeze":
            tries.append(step)
            if len(tries) == 1:
                raise Unavailable("a process can't be frozen")

    host.on_step = refuse
    async with agent(paths, host) as one:
        one.node.apply_set([assignment(paused=True)])
        await one.state(RUNNING)
        await until(lambda: bool(tries))
        one.node.look_again()
        assert (await one.reached(lambda status: status.paused)).state == RUNNING
    assert len(tries) == 2
