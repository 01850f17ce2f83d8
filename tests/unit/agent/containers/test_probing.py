"""Health checks by workers: told on a change, kept by the next agent, not made while nothing can answer."""

from __future__ import annotations

import asyncio

import pytest

from shoal_agent.containers.probing import watch
from shoal_agent.core.health import HEALTHY, STARTING, UNHEALTHY, UNKNOWN, Answer, Check, Health
from shoal_agent.core.lifecycle import EXITED, RUNNING
from shoal_agent.paths import NodePaths
from shoal_agent.runtime.failures import StartFailed
from shoal_common.errors import Conflict
from shoal_proto.v1.container_pb2 import DesiredState
from shoal_proto.v1.dispatcher_pb2 import Assignment
from tests.fakes.container_host import FakeHost
from tests.unit.agent.containers.test_worker import agent, assignment, until

GOOD, BAD = Answer(ok=True, output="fine"), Answer(ok=False, output="no answer")


def checked(**fields: object) -> Assignment:
    wanted = assignment(**fields)
    wanted.config.health.test.extend(("CMD", "check"))
    wanted.config.health.interval_ms = 1
    wanted.config.health.retries = 2
    return wanted


async def test_waits_between_checks_and_tells_changes_only() -> None:
    check = Check(args=("x",), interval_ms=1_000, start_period_ms=5_000, start_interval_ms=100, retries=2)
    age, slept, told = 0, [], list[Health]()
    answers: list[Answer | Exception] = [
        *(BAD, GOOD, GOOD, BAD, GOOD, BAD),
        # Neither a check that could not be made because it ends, nor one that waits, is an answer.
        Conflict("it is not running"),
        StartFailed(127, "no shell"),
        OSError(28, "no space"),
    ]

    async def sleep(seconds: float) -> None:
        nonlocal age
        slept.append(seconds)
        age += int(seconds * 1000)
        if not answers:
            raise asyncio.CancelledError

    async def probe(check: Check) -> Answer:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.raises(asyncio.CancelledError):
        await watch(check, Health(STARTING), age_ms=lambda: age, probe=probe, tell=told.append, sleep=sleep)
    assert slept == [0.1, 0.1, *[1.0] * 8]
    assert [each.state for each in told] == [HEALTHY, UNHEALTHY]
    assert told[-1].output == "no shell"


async def test_what_changes_with_every_check_is_checked_once_a_second() -> None:
    slept: list[float] = []
    answers = [GOOD, BAD, GOOD, GOOD, BAD]

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if not answers:
            raise asyncio.CancelledError

    async def probe(check: Check) -> Answer:
        return answers.pop(0)

    check = Check(args=("x",), interval_ms=1, retries=1)
    with pytest.raises(asyncio.CancelledError):
        await watch(check, Health(STARTING), age_ms=lambda: 0, probe=probe, tell=lambda _: None, sleep=sleep)
    assert slept == [0.001, 1.0, 1.0, 1.0, 0.001, 1.0]


async def test_health_is_told_when_it_changes(paths: NodePaths, host: FakeHost) -> None:
    host.answers = [BAD]
    async with agent(paths, host) as one:
        one.node.apply_set([checked()])
        assert (await one.state(RUNNING)).health == STARTING
        status = await one.reached(lambda status: status.health == UNHEALTHY)
        assert (status.health_output, status.HasField("health_at")) == ("no answer", True)
        probes = host.probes
        await until(lambda: host.probes > probes + 3)
        assert one.node.worker(status_id()).record.status.report == status.report
        host.answers = [GOOD]
        assert (await one.reached(lambda status: status.health == HEALTHY)).health_output == "fine"


async def test_the_next_agent_goes_on_from_what_was_told(paths: NodePaths, host: FakeHost) -> None:
    host.answers = [GOOD]
    async with agent(paths, host) as one:
        one.node.apply_set([checked()])
        before = await one.reached(lambda status: status.health == HEALTHY)
    probes = host.probes
    async with agent(paths, host) as two:
        await until(lambda: host.probes > probes + 1)
        assert two.node.worker(status_id()).record.status == before


async def test_what_is_stopped_is_not_asked_any_more_and_a_new_run_starts_anew(
    paths: NodePaths, host: FakeHost
) -> None:
    host.answers = [GOOD]
    async with agent(paths, host) as one:
        one.node.apply_set([checked()])
        await one.reached(lambda status: status.health == HEALTHY)
        one.node.apply_change([checked(desired=DesiredState.DESIRED_STATE_STOPPED)], [])
        await one.state(EXITED)
        probes = host.probes
        await asyncio.sleep(0.02)
        assert host.probes == probes
        host.answers = [BAD]
        one.node.apply_change([checked(run_admitted=2)], [])
        status = await one.reached(lambda status: status.attempt == 2 and status.state == RUNNING)
        assert (status.health, status.health_output) == (STARTING, "")
        await one.reached(lambda status: status.health == UNHEALTHY)


async def test_what_is_frozen_is_not_asked(paths: NodePaths, host: FakeHost) -> None:
    """The fake host refuses to."""
    host.answers = [GOOD]
    async with agent(paths, host) as one:
        one.node.apply_set([checked()])
        await one.reached(lambda status: status.health == HEALTHY)
        one.node.apply_change([checked(paused=True)], [])
        await one.reached(lambda status: status.paused)
        probes = host.probes
        await asyncio.sleep(0.02)
        assert host.probes == probes
        one.node.apply_change([checked()], [])
        await until(lambda: host.probes > probes + 1)
        assert (await one.reached(lambda status: not status.paused)).health == HEALTHY


async def test_without_a_check_nothing_is_asked(paths: NodePaths, host: FakeHost) -> None:
    async with agent(paths, host) as one:
        one.node.apply_set([assignment()])
        assert (await one.state(RUNNING)).health == UNKNOWN
    assert host.probes == 0


def status_id() -> str:
    return "ab" * 32
