"""Restart policies with real programs: one function each; `scenarios` runs them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from shoal_proto.v1.agent_pb2 import AgentLogsRequest
from shoal_proto.v1.container_pb2 import ContainerState, ContainerStatus, DesiredState, RestartMode, RestartPolicy
from shoal_proto.v1.dispatcher_pb2 import Assignment
from tests.integration.agent.machine import Machine

RUNNING: Final = ContainerState.CONTAINER_STATE_RUNNING
EXITED: Final = ContainerState.CONTAINER_STATE_EXITED
STOPPED: Final = DesiredState.DESIRED_STATE_STOPPED
ALWAYS: Final = RestartMode.RESTART_MODE_ALWAYS
ON_FAILURE: Final = RestartMode.RESTART_MODE_ON_FAILURE
#: Crash loops of the storm, and starts that a user makes meanwhile.
LOOPS: Final = 40
STARTS: Final = 8
#: Restarts that may be made during one of those: some are under way, and they need no place in a line of all loops.
PASSED: Final = LOOPS // 2


def restarting(host: Machine, *args: str, mode: RestartMode = ALWAYS, most: int = 0) -> Assignment:
    """A container with a policy."""
    one = host.assignment(*args)
    one.config.restart.CopyFrom(RestartPolicy(mode=mode, maximum_retries=most))
    return one


def last(host: Machine, one: Assignment) -> ContainerStatus:
    """What was reported last of a container."""
    history = host.leader.statuses.get(one.id)
    return history[-1] if history else ContainerStatus()


async def restarts_by_policy(host: Machine) -> None:
    """What ends is started again by itself, also while no leader is there; a stop ends that, in the pause as well."""
    crashing = restarting(host, "sh", "-c", "echo begun; exit 3")
    limited = restarting(host, "sh", "-c", "exit 4", mode=ON_FAILURE, most=2)
    good = restarting(host, "true", mode=ON_FAILURE)
    missing = restarting(host, "no-such-program")
    async with host.service() as service:
        logs = service.Logs(AgentLogsRequest(id=crashing.id, follow=True, run=1))
        await host.leader.put(crashing, limited, good, missing)
        await host.leader.until(lambda: last(host, crashing).restarts >= 3, "three restarts")
        await host.leader.until(lambda: last(host, limited).restarts == 2 and not _again(host, limited), "the limit")
        assert [a.exit_code for a in last(host, limited).attempts] == [4, 4, 4]
        assert [a.by_policy for a in last(host, limited).attempts] == [False, True, True]
        await host.leader.until(lambda: last(host, good).state == EXITED, "a good end")
        assert (last(host, good).restarts, _again(host, good)) == (0, False)
        await host.leader.until(lambda: last(host, missing).exit_code == 127, "a failure")
        assert (last(host, missing).restarts, _again(host, missing)) == (0, False)
        await host.leader.until(lambda: _again(host, crashing), "a pause")
        stopped = await host.change(crashing, desired=STOPPED)
        await host.leader.until(lambda: last(host, stopped).state == EXITED and not _again(host, stopped), "the stop")
        attempts = last(host, stopped).attempt
        # The reader who followed the run has seen each of its attempts, and is told of the end.
        entries = [entry.data async for response in logs for entry in response.entries]
        assert entries == [b"begun\n"] * attempts
    # Killed in a pause, and once more while starting: neither is a restart lost nor made twice.
    again = await host.change(stopped, desired=DesiredState.DESIRED_STATE_RUNNING, run_admitted=2)
    await host.leader.until(lambda: last(host, again).restarts >= 4, "restarts of the second run")
    before = last(host, again)
    host.kill_agent()
    host.start_agent()
    await host.leader.until(lambda: last(host, again).restarts > before.restarts, "a restart by the next agent")
    done = await host.change(again, desired=STOPPED)
    await host.leader.until(lambda: last(host, done).state == EXITED and not _again(host, done), "the stop")
    begun = [host.output(done, attempt) for attempt in range(1, last(host, done).attempt + 1)]
    assert all(lines in (["begun"], []) for lines in begun)
    assert len([lines for lines in begun if not lines]) <= 1, "more than the one start that a kill interrupted"
    await host.remove(done, limited, good, missing)
    host.check_clean()


def _restarts(host: Machine, those: list[Assignment]) -> int:
    return sum(last(host, one).restarts for one in those)


def _again(host: Machine, one: Assignment) -> bool:
    return last(host, one).HasField("restart_at")


async def crash_loops_starve_nobody(host: Machine) -> None:
    """Many containers crash in a loop; what users start meanwhile starts at once."""
    # The image is there before anything is measured.
    first = host.assignment("true")
    await host.leader.put(first)
    await host.leader.until(lambda: last(host, first).state == EXITED, "the image")
    loops = [restarting(host, "false") for _ in range(LOOPS)]
    await host.leader.put(*loops)
    # Their first starts were a user's as well, and take their turn.
    await host.leader.until(lambda: all(last(host, one).run_served for one in loops), "their first starts", seconds=40)
    passed: list[int] = []
    users = []
    for _ in range(STARTS):
        one = host.assignment("sleep", "1000")
        users.append(one)
        before = _restarts(host, loops)
        await host.leader.put(one)
        await host.leader.until(lambda one=one: last(host, one).state == RUNNING, "a user's start")  # type: ignore[misc]
        passed.append(_restarts(host, loops) - before)
        await asyncio.sleep(0)
    assert max(passed) < PASSED
    await host.remove(first, *loops, *users)
    host.check_clean()


RESTARTS: Final[tuple[Callable[[Machine], Awaitable[None]], ...]] = (restarts_by_policy, crash_loops_starve_nobody)
