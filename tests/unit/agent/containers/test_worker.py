"""Workers and the node, with real records on disk and a fake host; killed at every step."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from shoal_agent.clock import Clock
from shoal_agent.containers.node import Node
from shoal_agent.containers.records import Records
from shoal_agent.core.lifecycle import EXITED, FAILED, PREPARING, RUNNING, STARTING, STOPPING
from shoal_agent.disk import Spares
from shoal_agent.paths import NodePaths
from shoal_agent.runtime.consoles import Consoles
from shoal_agent.runtime.failures import StartFailed
from shoal_agent.service import AgentService
from shoal_common.errors import NotFound, Unavailable
from shoal_common.sealing import Sealer
from shoal_proto.v1.agent_pb2 import ContainerRecord
from shoal_proto.v1.container_pb2 import ContainerStatus, DesiredState, RestartMode, RestartPolicy
from shoal_proto.v1.dispatcher_pb2 import AcceptedReport, Assignment
from shoal_proto.v1.node_pb2 import HoldRole
from tests.fakes.container_host import FakeHost, Killed

if TYPE_CHECKING:
    from shoal_agent.care.clearing import Clearing
    from shoal_agent.care.usage import DiskUsage
    from shoal_agent.containers.watching import Watching
    from shoal_agent.copying.commits import Commits
    from shoal_agent.copying.copies import Copies
    from shoal_agent.images.store import Images
    from shoal_agent.runtime.tasks import Tasks

ID = "ab" * 32
STOPPED = DesiredState.DESIRED_STATE_STOPPED


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
        self.records = Records(paths, Sealer(b"k" * 32), Spares(paths.spares))
        self.boot_ms = 1_000
        self.wall = 1_700_000_000.0
        clock = Clock(boot_ms=lambda: self.boot_ms, wall=lambda: self.wall)
        host.ticks = lambda: self.boot_ms * os.sysconf("SC_CLK_TCK") // 1000
        host.now = lambda: self.wall
        self.node = Node(host, self.records, clock, starts=asyncio.Semaphore(4), restarts=asyncio.Semaphore(2))
        self.closing = asyncio.Event()

    def pass_time(self, milliseconds: int) -> None:
        """Let time pass; whoever waits for it looks again."""
        self.boot_ms += milliseconds
        self.wall += milliseconds / 1000
        self.node.look_again()

    def stored(self) -> ContainerRecord | None:
        """Return what is on disk of the container, if the node has it."""
        try:
            return self.node.worker(ID).stored
        except NotFound:
            return None

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


async def test_another_address_or_port_is_set_up_before_the_next_start(paths: NodePaths, host: FakeHost) -> None:
    steps: list[str] = []
    host.on_step = steps.append
    async with agent(paths, host) as one:
        one.node.apply_set([assignment()])
        await one.state(RUNNING)
        # What stays where it is needs no more than another start.
        one.node.apply_set([assignment(run_admitted=2, stop_grace_ms=0)])
        await one.reached(lambda status: status.state == RUNNING and status.run_served == 2)
        assert steps.count("prepare") == 1
        moved = assignment(run_admitted=2, stop_grace_ms=0)
        moved.ports.add(host_port=8080, container_port=80, protocol="tcp")
        one.node.apply_set([moved])
        again = assignment(run_admitted=3, stop_grace_ms=0)
        again.ports.extend(moved.ports)
        one.node.apply_set([again])
        await one.reached(lambda status: status.state == RUNNING and status.run_served == 3)
        assert steps.count("prepare") == 2


async def test_a_signal_waits_for_a_start_under_way(paths: NodePaths, host: FakeHost) -> None:
    """What the program wrote first may be read, and answered, before its start is on record."""
    host.starting = asyncio.Event()
    async with agent(paths, host) as one:
        service = AgentService(
            paths,
            one.node,
            cast("Tasks", SimpleNamespace(consoles=Consoles())),
            cast("Images", None),
            cast("Copies", None),
            cast("Commits", None),
            cast("DiskUsage", None),
            cast("Clearing", None),
            cast("Watching", None),
        )
        one.node.apply_set([assignment()])
        await one.state(STARTING)
        asked = asyncio.create_task(service._running(ID, 1), name="signal")
        await asyncio.sleep(0)
        assert not asked.done()
        host.starting.set()
        assert (await asked).status.state == RUNNING
        service.close()


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
        assert (status.exit_code, status.reason) == (137, "the host was restarted")


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


def restarting(mode: RestartMode = RestartMode.RESTART_MODE_ALWAYS, most: int = 0, **fields: object) -> Assignment:
    wanted = assignment(**fields)
    wanted.config.restart.CopyFrom(RestartPolicy(mode=mode, maximum_retries=most))
    return wanted


async def test_restarts_without_a_leader_after_pauses_that_double(paths: NodePaths, host: FakeHost) -> None:
    host.lives = False
    async with agent(paths, host) as one:
        one.node.apply_set([restarting()])
        pauses = []
        for count in range(4):
            status = await one.reached(lambda s, n=count: s.HasField("restart_at") and s.restarts == n)  # type: ignore[misc]
            assert (status.state, status.run_served, status.exit_code) == (EXITED, 1, 3)
            record = one.node.worker(ID).record
            pauses.append(record.restart_pause_ms)
            assert record.restart_due_ms == one.boot_ms + record.restart_pause_ms
            one.pass_time(record.restart_pause_ms)
        assert pauses == [100, 200, 400, 800]
        status = await one.reached(lambda s: s.restarts == 4)
        assert [attempt.by_policy for attempt in status.attempts] == [False, True, True, True, True]
        assert {attempt.run for attempt in status.attempts} == {1}


async def test_a_stop_in_the_pause_ends_it(paths: NodePaths, host: FakeHost) -> None:
    host.lives = False
    async with agent(paths, host) as one:
        one.node.apply_set([restarting()])
        await one.reached(lambda s: s.HasField("restart_at"))
        one.node.apply_change([restarting(desired=STOPPED)], [])
        status = await one.reached(lambda s: not s.HasField("restart_at"))
        assert (status.state, status.exit_code) == (EXITED, 3)
        one.pass_time(100_000)
        one.node.apply_change([restarting(desired=STOPPED, stop_grace_ms=5)], [])
        await until(lambda: one.node.worker(ID).stored == one.node.worker(ID).record)
    assert len(host.started) == 1


async def test_a_pause_goes_on_under_the_next_agent(paths: NodePaths, host: FakeHost) -> None:
    host.lives = False
    async with agent(paths, host) as one:
        one.node.apply_set([restarting()])
        await one.reached(lambda s: s.HasField("restart_at"))
        due = one.node.worker(ID).record.restart_due_ms
    async with agent(paths, host) as two:
        await two.state(EXITED)
        assert two.node.worker(ID).record.restart_due_ms == due
        assert len(host.started) == 1
        two.pass_time(due - two.boot_ms)
        await two.reached(lambda s: s.restarts == 1 and s.HasField("restart_at"))
        assert two.node.worker(ID).record.restart_pause_ms == 200


async def test_restarts_fail_up_to_the_limit_and_stay_failed(paths: NodePaths, host: FakeHost) -> None:
    host.lives = False
    async with agent(paths, host) as one:
        one.node.apply_set([restarting(RestartMode.RESTART_MODE_ON_FAILURE, 2)])
        await one.reached(lambda s: s.HasField("restart_at"))
        host.on_step = lambda step: (
            host.problems.append(StartFailed(127, "no such program")) if step == "before start" else None
        )
        one.pass_time(100)
        status = await one.reached(lambda s: s.restarts == 1 and s.state == FAILED)
        assert (status.exit_code, status.HasField("restart_at")) == (127, True)
        one.pass_time(200)
        status = await one.reached(lambda s: s.restarts == 2 and s.state == FAILED)
        assert not status.HasField("restart_at")


async def test_a_reboot_counts_as_a_failure_and_what_was_stopped_stays_so(paths: NodePaths, host: FakeHost) -> None:
    on_failure = restarting(RestartMode.RESTART_MODE_ON_FAILURE)
    async with agent(paths, host) as one:
        one.node.apply_set([on_failure])
        await one.state(RUNNING)
    host.reboot()
    async with agent(paths, host) as two:
        status = await two.reached(lambda s: s.HasField("restart_at"))
        assert (status.exit_code, status.reason) == (137, "the host was restarted")
        two.pass_time(100)
        await two.state(RUNNING)
        two.node.apply_set([restarting(RestartMode.RESTART_MODE_ON_FAILURE, desired=STOPPED)])
        await two.state(EXITED)
    host.reboot()
    async with agent(paths, host) as three:
        assert not (await three.state(EXITED)).HasField("restart_at")
    assert len(host.started) == 2


async def test_what_runs_well_is_restarted_after_the_first_pause_again(paths: NodePaths, host: FakeHost) -> None:
    async with agent(paths, host) as one:
        one.node.apply_set([restarting()])
        pauses = []
        for ran in (50, 50, 50, 11_000, 50):
            await one.state(RUNNING)
            (key,) = host.alive
            # The wall clock goes back by an hour meanwhile: nothing is counted by it.
            one.wall -= 3_600
            one.boot_ms += ran
            host.end(key, 1)
            await one.reached(lambda s: s.HasField("restart_at"))
            pauses.append(one.node.worker(ID).record.restart_pause_ms)
            one.pass_time(pauses[-1])
        assert pauses == [100, 200, 400, 100, 200]


#: Where agents are killed during a restart, one after the other.
RESTART_STEPS = (
    ["tidy"],
    ["before start", "before start"],
    ["before start", "after start"],
    ["before start", "before start", "adopt", "before start"],
    ["before start", "after start", "adopt"],
)


@pytest.mark.parametrize("steps", RESTART_STEPS, ids=", ".join)
async def test_killed_at_any_step_of_a_restart_restarts_once(
    paths: NodePaths, host: FakeHost, steps: list[str]
) -> None:
    """The program ends at once; agents are killed at some steps, and the third restart comes as it would have."""
    # The first "before start" is the user's own start: nobody dies there.
    left, seen = list(steps[1:] if steps[0] == "before start" else steps), []
    died = asyncio.Event()

    def die(now: str) -> None:
        seen.append(now)
        if left and now == left[0] and seen.count("before start") + ("tidy" in steps) > 1:
            left.pop(0)
            died.set()
            raise Killed

    host.on_step = die
    host.lives = False
    boot_ms = 1_000
    for _ in range(6):
        died.clear()
        async with agent(paths, host) as one:
            one.boot_ms = boot_ms
            one.node.apply_set([restarting()])
            for _ in range(500):
                if died.is_set():
                    break
                record = one.stored()
                if record is not None and record.status.restarts == 3 and record.restart_due_ms:
                    break
                one.pass_time(10)
                await asyncio.sleep(0.002)
            boot_ms = one.boot_ms
        if not died.is_set():
            break
    assert left == []
    record = ContainerRecord.FromString(paths.record(ID).read_bytes())
    assert record.status.restarts == 3
    assert record.restart_pause_ms == 800
    assert len(host.started) == 4
    assert [attempt.number for attempt in record.status.attempts if attempt.HasField("started_at")] == [
        key.attempt for key in host.started
    ]


async def test_crash_loops_leave_room_for_what_users_start(paths: NodePaths, host: FakeHost) -> None:
    """Half of the starts are the users', however many restarts wait."""
    together: list[int] = []
    gate = asyncio.Event()
    host.lives = False
    async with agent(paths, host) as one:
        loops = []
        for number in range(8):
            loop = restarting(id=f"{number:02x}" * 32)
            loops.append(loop)
        one.node.apply_set(loops)
        await until(lambda: len(host.started) == 8)
        await until(lambda: all(one.node.worker(each.id).record.restart_due_ms for each in loops))
        host.starting = gate
        one.pass_time(100)
        await until(lambda: host.at_once == 2)
        one.node.apply_change([assignment()], [])
        await until(lambda: host.at_once == 3)
        together.append(host.at_once)
        gate.set()
        await one.reached(lambda s: s.run_served == 1)
    assert together == [3]


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
