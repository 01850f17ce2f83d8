"""Workers and the node, with real records on disk and a fake host; killed at every step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from shoal_agent.clock import Clock
from shoal_agent.core.lifecycle import EXITED, FAILED, PREPARING, RUNNING, STARTING, STOPPING
from shoal_agent.node import Node
from shoal_agent.paths import NodePaths
from shoal_agent.records import Records
from shoal_agent.runtime.failures import StartFailed
from shoal_common.errors import NotFound, Unavailable
from shoal_common.sealing import Sealer
from shoal_proto.v1.agent_pb2 import ContainerRecord
from shoal_proto.v1.container_pb2 import ContainerStatus, DesiredState
from shoal_proto.v1.dispatcher_pb2 import AcceptedReport, Assignment
from shoal_proto.v1.node_pb2 import HoldRole
from tests.fakes.container_host import FakeHost, Killed

ID = "ab" * 32
STOPPED = DesiredState.DESIRED_STATE_STOPPED


@pytest.fixture
def paths(tmp_path: Path) -> NodePaths:
    return NodePaths(data=tmp_path, run=tmp_path / "run")


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


def assignment(**fields: object) -> Assignment:
    wanted = Assignment(
        namespace="default",
        id=ID,
        generation=1,
        role=HoldRole.HOLD_ROLE_CURRENT,
        desired=DesiredState.DESIRED_STATE_RUNNING,
        run_admitted=1,
        stop_grace_ms=60_000,
        image_digest="sha256:1",
    )
    wanted.config.env.append("SECRET=fish")
    for name, value in fields.items():
        setattr(wanted, name, value)
    return wanted


class Agent:
    """One agent process: a node over the same disk and host as the one before."""

    def __init__(self, paths: NodePaths, host: FakeHost) -> None:
        self.records = Records(paths, Sealer(b"k" * 32))
        self.boot_ms = 1_000
        clock = Clock(boot_ms=lambda: self.boot_ms, wall=lambda: 1_700_000_000.0)
        self.node = Node(host, self.records, clock, asyncio.Semaphore(4))
        self.closing = asyncio.Event()

    async def reached(self, condition: Callable[[ContainerStatus], bool]) -> ContainerStatus:
        """Wait until what is on disk fits."""
        async with asyncio.timeout(5):
            worker = await self.node.appeared(ID, timeout=5)
            return await worker.until(lambda r: r.status if condition(r.status) else None)

    async def state(self, state: int) -> ContainerStatus:
        return await self.reached(lambda status: status.state == state)


@asynccontextmanager
async def agent(paths: NodePaths, host: FakeHost) -> AsyncIterator[Agent]:
    """Run an agent; `Killed` anywhere in it ends it like kill -9."""
    one = Agent(paths, host)
    await one.node.open()
    running = asyncio.create_task(one.node.run(one.closing), name="node")
    try:
        yield one
    finally:
        one.closing.set()
        await asyncio.wait([running])
        one.records.close()
        if not running.cancelled() and (error := running.exception()) is not None:
            assert isinstance(error, BaseExceptionGroup)
            assert error.split(Killed)[1] is None, error


async def test_runs_stops_and_runs_again(paths: NodePaths, host: FakeHost) -> None:
    async with agent(paths, host) as one:
        one.node.apply_set([assignment()])
        status = await one.state(RUNNING)
        assert (status.attempt, status.run_served, status.uid_base) == (1, 1, 524288)
        one.node.apply_change([assignment(desired=STOPPED)], [])
        assert (await one.state(EXITED)).exit_code == 0
        one.node.apply_change([assignment(run_admitted=2)], [])
        assert (await one.state(RUNNING)).attempt == 2
        assert [str(key)[-3:] for key in host.started] == ["1-1", "1-2"]


async def test_environment_is_sealed_on_disk(paths: NodePaths, host: FakeHost) -> None:
    async with agent(paths, host) as one:
        one.node.apply_set([assignment()])
        await one.state(RUNNING)
    assert b"fish" not in paths.record(ID).read_bytes()
    async with agent(paths, host) as two:
        assert list(two.node.worker(ID).record.assignment.config.env) == ["SECRET=fish"]
        assert two.node.digest() == one.node.digest()


async def test_removal_waits_for_the_acknowledgement(paths: NodePaths, host: FakeHost) -> None:
    async with agent(paths, host) as one:
        one.node.apply_set([assignment()])
        await one.state(RUNNING)
        gone = assignment(role=HoldRole.HOLD_ROLE_REMOVE, desired=DesiredState.DESIRED_STATE_REMOVED, stop_grace_ms=0)
        one.node.apply_change([gone], [])
        worker = one.node.worker(ID)
        async with asyncio.timeout(5):
            await worker.until(lambda record: record.removed or None)
        (report,) = one.node.reports(everything=True)
        assert report.removed
        assert not host.data
        assert paths.record(ID).exists()
        one.node.accepted([AcceptedReport(id=ID, generation=1, report=report.status.report)])
        await until(lambda: not paths.record(ID).parent.exists())
    assert list(paths.containers.iterdir()) == []


async def test_what_no_set_names_is_a_stray_and_lives(paths: NodePaths, host: FakeHost) -> None:
    async with agent(paths, host) as one:
        one.node.apply_set([assignment()])
        await one.state(RUNNING)
        one.node.apply_set([])
        assert one.node.strays() == [ID]
        assert len(host.alive) == 1
        one.node.apply_set([assignment(desired=STOPPED)])
        assert one.node.strays() == []
        await one.state(EXITED)


async def test_older_generation_is_refused_and_newer_supersedes(paths: NodePaths, host: FakeHost) -> None:
    async with agent(paths, host) as one:
        one.node.apply_set([assignment(generation=2)])
        await one.state(RUNNING)
        one.node.apply_change([assignment(generation=1, desired=STOPPED)], [])
        assert one.node.worker(ID).record.assignment.generation == 2
        one.node.apply_change([assignment(generation=3, stop_grace_ms=0)], [])
        status = await one.reached(lambda s: s.generation == 3 and s.state == RUNNING)
        assert status.attempt == 1
        assert [key.generation for key in host.started] == [2, 3]
        assert host.placements == {(ID, 3)}
        assert host.data == {(ID, 2), (ID, 3)}, "superseded data stays until it is pruned"


async def test_transient_errors_are_told_and_retried(paths: NodePaths, host: FakeHost) -> None:
    host.problems = [Unavailable("registry 10.0.0.1:5000 does not answer")]
    async with agent(paths, host) as one:
        one.node.apply_set([assignment()])
        status = await one.reached(lambda s: bool(s.reason))
        assert (status.state, status.reason) == (PREPARING, "registry 10.0.0.1:5000 does not answer")
        one.boot_ms += 60_000
        one.node.apply_change([assignment(run_admitted=2)], [])
        assert not (await one.state(RUNNING)).reason


@pytest.mark.parametrize(
    ("error", "code"), [(NotFound("image is gone"), 125), (StartFailed(127, "no such program"), 127)]
)
async def test_permanent_errors_fail_the_run(paths: NodePaths, host: FakeHost, error: Exception, code: int) -> None:
    if isinstance(error, StartFailed):
        host.on_step = lambda step: host.problems.append(error) if step == "before start" else None
    else:
        host.problems = [error]
    async with agent(paths, host) as one:
        one.node.apply_set([assignment()])
        status = await one.state(FAILED)
        assert (status.exit_code, status.reason, status.run_served) == (code, str(error), 1)


async def test_preparation_is_given_up_when_nobody_wants_it(paths: NodePaths, host: FakeHost) -> None:
    host.preparing = asyncio.Event()
    async with agent(paths, host) as one:
        one.node.apply_set([assignment()])
        await one.state(PREPARING)
        one.node.apply_change([assignment(desired=STOPPED)], [])
        status = await one.state(FAILED)
        assert status.reason == "stopped before it was started"
        assert host.started == []


async def test_kill_due_survives_the_agent(paths: NodePaths, host: FakeHost) -> None:
    host.ignores_stop = True
    async with agent(paths, host) as one:
        one.node.apply_set([assignment()])
        await one.state(RUNNING)
        one.node.apply_change([assignment(desired=STOPPED)], [])
        await one.state(STOPPING)
    async with agent(paths, host) as two:
        two.boot_ms = 61_000
        assert (await two.state(EXITED)).exit_code == 137
    assert [what for _, what in host.signals] == ["stop", "kill"]


async def test_reboot_means_everything_exited(paths: NodePaths, host: FakeHost) -> None:
    async with agent(paths, host) as one:
        one.node.apply_set([assignment()])
        await one.state(RUNNING)
    host.reboot()
    async with agent(paths, host) as two:
        status = await two.state(EXITED)
        assert (status.exit_code, status.reason) == (255, "the host was restarted")


async def test_unreadable_record_is_a_stray(paths: NodePaths, host: FakeHost) -> None:
    path = paths.record(ID)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\xff\xff")
    async with agent(paths, host) as one:
        one.node.apply_set([])
        assert one.node.strays() == [ID]
    assert path.exists()


async def test_a_start_is_on_record_before_it_is_made(paths: NodePaths, host: FakeHost) -> None:
    seen: list[tuple[int, bool]] = []

    def look(step: str) -> None:
        if step == "before start":
            record = ContainerRecord.FromString(paths.record(ID).read_bytes())
            seen.append((record.status.state, record.start_pending))

    host.on_step = look
    async with agent(paths, host) as one:
        one.node.apply_set([assignment()])
        await one.state(RUNNING)
    assert seen == [(STARTING, True)]


#: Where agents are killed, one after the other.
STEPS = (
    ["prepare"],
    ["before start"],
    ["before start", "adopt", "before start"],
    ["after start"],
    ["after start", "adopt", "adopt"],
    ["after start", "stop signal"],
    ["tidy", "remove"],
)


@pytest.mark.parametrize("steps", STEPS, ids=", ".join)
async def test_killed_at_any_step_starts_nothing_twice(paths: NodePaths, host: FakeHost, steps: list[str]) -> None:
    """Run, stop and remove a container by agents that are killed at some steps."""
    left = list(steps)
    died = asyncio.Event()

    def die(now: str) -> None:
        if left and now == left[0]:
            left.pop(0)
            died.set()
            raise Killed

    host.on_step = die
    gone = assignment(role=HoldRole.HOLD_ROLE_REMOVE, desired=DesiredState.DESIRED_STATE_REMOVED)
    await _bring(paths, host, died, assignment(), lambda record: record.status.state == RUNNING)
    await _bring(paths, host, died, assignment(desired=STOPPED), lambda record: record.status.state == EXITED)
    await _bring(paths, host, died, gone, lambda record: record.removed)
    assert left == []
    assert len(host.started) == 1
    assert not host.alive
    assert not host.data


async def _bring(
    paths: NodePaths,
    host: FakeHost,
    died: asyncio.Event,
    wish: Assignment,
    done: Callable[[ContainerRecord], bool],
) -> None:
    """Bring a container to where it fits, with another agent whenever one dies."""

    async def reached(one: Agent) -> None:
        worker = await one.node.appeared(ID, timeout=5)
        await worker.until(lambda record: done(record) or None)

    for _ in range(4):
        died.clear()
        async with agent(paths, host) as one:
            one.node.apply_set([wish])
            tasks = [asyncio.create_task(reached(one), name="reached"), asyncio.create_task(_set(died), name="died")]
            finished, unfinished = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED, timeout=5)
            for task in unfinished:
                task.cancel()
        if any(task.get_name() == "reached" for task in finished):
            return
    pytest.fail("it was not reached")


async def _set(event: asyncio.Event) -> None:
    await event.wait()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that nobody tells of."""
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not come")
