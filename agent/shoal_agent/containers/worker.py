"""One container's worker: plans the next action, carries it out, and so on, one at a time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Final, TypeVar

from shoal_agent.containers.ends import Ends
from shoal_agent.containers.host import task_key
from shoal_agent.containers.preparing import while_wanted
from shoal_agent.containers.probing import Prober
from shoal_agent.containers.surroundings import Surroundings
from shoal_agent.core import health, lifecycle, planning, restarts
from shoal_agent.core.health import Health
from shoal_agent.core.model import Observed, Remembered, TaskState, Wanted, remembered, wanted
from shoal_agent.runtime.failures import StartFailed
from shoal_agent.runtime.tasks import Exited, Running, TaskKey
from shoal_common.errors import Conflict, ShoalError
from shoal_common.ids import SHORT_ID
from shoal_common.log_context import bind
from shoal_common.tracing import set_trace
from shoal_proto.v1.agent_pb2 import ContainerRecord
from shoal_proto.v1.dispatcher_pb2 import Assignment, StatusReport

log = logging.getLogger(__name__)

_T = TypeVar("_T")
#: Seconds until preparing is tried again: doubled each time, with as much jitter again.
RETRY_FIRST: Final = 1.0
RETRY_MOST: Final = 30.0
#: Milliseconds after which SIGKILL is sent again to what has not ended.
KILL_AGAIN_MS: Final = 2_000
#: Seconds until a worker goes on after a fault (a full disk, say).
FAULT_PAUSE: Final = 5.0
#: Actions that are told when something went wrong.
_HISTORY: Final = 32


class Worker:
    """Brings one container to where its assignment wants it.

    Nothing is done before the record that says so is durable, and nothing but this worker writes the record.

    Args:
        record: what the node remembers, or `lifecycle.new_record`.
        stored: the record is on disk already.
        held: see `Observed.held`.
    """

    def __init__(self, around: Surroundings, record: ContainerRecord, *, stored: bool, held: bool = True) -> None:
        self.id = record.assignment.id
        self._around = around
        self._ends = Ends(around.clock, around.host.boot_id)
        self._record = record
        self._saved = record if stored else None
        self._observed = Observed(
            held=held, mounted=around.host.mounted(record), litter=stored and around.host.litter(record)
        )
        self._exited: Exited | None = None
        self._seen_ms: int | None = None
        self._running: Running | None = None
        self._retries = 0
        self._closing = False
        self._reached: asyncio.Future[None] | None = None
        self._wake = asyncio.Event()
        self._moved = asyncio.Event()
        self._accepted = record.report_accepted
        self._health: Health | None = None
        self._prober = Prober(around.host, around.clock, self._checked)
        self._history: deque[str] = deque(maxlen=_HISTORY)

    # What others ask and tell.

    @property
    def record(self) -> ContainerRecord:
        """The record as it stands; not to be changed."""
        return self._record

    @property
    def stored(self) -> ContainerRecord | None:
        """The record as it is on disk: what may be told to the leader and to clients."""
        return self._saved

    @property
    def held(self) -> bool:
        """Whether the leader's set names the container."""
        return self._observed.held

    def assign(self, assignment: Assignment) -> None:
        """Take what the leader wants now. An older generation's wish is refused."""
        self._observed = replace(self._observed, held=True)
        if assignment.generation < self._record.assignment.generation:
            log.warning(
                "container %s: refused an assignment of generation %d, this node is at %d",
                self.id[:12],
                assignment.generation,
                self._record.assignment.generation,
            )
        elif assignment != self._record.assignment:
            if not lifecycle.same_place(self._record.assignment, assignment):
                # A recovery gave its address or its port to another: it is set up anew before its next start.
                self._observed = replace(self._observed, prepared=False)
            self._record = lifecycle.assigned(self._record, assignment)
        self._wake.set()

    def unhold(self) -> None:
        """No hold names the container any more: leave it as it is."""
        self._observed = replace(self._observed, held=False)
        self._wake.set()

    def exited(self, key: TaskKey, exit_status: Exited) -> None:
        """Take the news that an attempt has ended."""
        if key == task_key(self._record):
            self._exited, self._seen_ms = exit_status, self._around.clock.boot_ms()
            self._observed = replace(self._observed, task=TaskState.ENDED, litter=True)
            self._wake.set()

    def _checked(self, key: TaskKey, found: Health) -> None:
        """Take the news of the container's health."""
        if key == task_key(self._record):
            self._health = found
            self._observed = replace(self._observed, health=found.state)
            self._wake.set()

    def report(self) -> StatusReport | None:
        """Return what the leader has not stored yet; None if that is nothing."""
        saved = self._saved
        if saved is None or saved.status.report <= self._accepted:
            return None
        return StatusReport(
            namespace=saved.assignment.namespace, id=self.id, status=saved.status, removed=saved.removed
        )

    def accepted(self, generation: int, report: int) -> None:
        """The leader has stored what was reported up to `report`."""
        if generation == self._record.status.generation:
            self._accepted = max(self._accepted, report)
            self._wake.set()

    def report_again(self) -> None:
        """Whatever the leader had stored is gone: report it again."""
        self._accepted = 0
        self._around.changed(self.id)

    def evict(self, reason: str) -> None:
        """Kill its process, if it has one, so that the node is not exhausted; `reason` is what people are told."""
        if self._record.status.state in lifecycle.ACTIVE:
            self._observed = replace(self._observed, eviction=reason)
            self._wake.set()

    def press(self, *, tight: bool) -> None:
        """The node is short of memory or disk, or is not any more."""
        if self._observed.tight != tight:
            self._observed = replace(self._observed, tight=tight)
            self._wake.set()

    def look_again(self) -> None:
        """What it waits for may have come: don't wait for the next try of it."""
        self._observed = replace(self._observed, retry_at_ms=0)
        self._wake.set()

    async def until(self, condition: Callable[[ContainerRecord], _T | None]) -> _T:
        """Wait until `condition` of the record on disk is no longer None, and return it."""
        while True:
            moved = self._moved
            if self._saved is not None and (value := condition(self._saved)) is not None:
                return value
            await moved.wait()

    async def reach(self) -> None:
        """Have the root file system of a container that does not run mounted. Give it a time limit.

        Raises:
            ShoalError, OSError: it can't be mounted; the container's state is as it was.
        """
        if self._observed.prepared:
            return
        if self._reached is None:
            self._reached = asyncio.get_running_loop().create_future()
        self._observed = replace(self._observed, reach=True)
        self._wake.set()
        # Others may wait for the same.
        await asyncio.shield(self._reached)

    def close(self) -> None:
        """End after the action under way; preparing is broken off."""
        self._closing = True
        self._wake.set()

    # Doing it.

    async def run(self) -> None:
        """Work until the record is gone, or until `close`."""
        bind(container=self.id[:SHORT_ID])
        try:
            while not self._closing:
                try:
                    if await self._step():
                        return
                except (ShoalError, OSError) as error:
                    log.error("container %s: %s (after %s)", self.id[:12], error, ", ".join(self._history) or "nothing")
                    await self._pause(FAULT_PAUSE)
                except Exception:
                    log.exception("container %s: a fault after %s", self.id[:12], ", ".join(self._history) or "nothing")
                    await self._pause(FAULT_PAUSE)
        finally:
            await self._prober.stop()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    def _views(self) -> tuple[Remembered, Wanted]:
        seen = remembered(self._record, boot_id=self._around.host.boot_id)
        return replace(seen, report_accepted=self._accepted), wanted(self._record.assignment)

    async def _step(self) -> bool:
        if not self._closing:
            self._wake.clear()
        set_trace(self._record.assignment.trace_id)
        record, wish = self._views()
        now = self._around.clock.boot_ms()
        await self._prober.attend(self._record, live=planning.is_checked(record, wish, self._observed))
        action = planning.plan(record, wish, self._observed, now)
        if isinstance(action, planning.Wait):
            if self._record is not self._saved and self._dirty():
                await self._save(self._record)
                return False
            until = None if action.until_ms is None else max(0, action.until_ms - now) / 1000
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(until):
                    await self._wake.wait()
            return False
        self._history.append(type(action).__name__)
        log.log(_level(action), "container %s: %s", self.id[:12], action)
        return await self._carry_out(action)

    def _dirty(self) -> bool:
        return self._saved is None or self._record.assignment != self._saved.assignment

    async def _save(self, record: ContainerRecord) -> None:
        """Make `record` durable and current. A newer assignment that came meanwhile is kept."""
        record.report_accepted = self._accepted
        before = self._record.assignment
        await self._around.records.save(record)
        told = self._saved is None or record.status.report > self._saved.status.report
        self._saved = record
        latest = self._record.assignment
        self._record = record if latest is before or latest == before else lifecycle.assigned(record, latest)
        if told:
            self._around.changed(self.id)
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def _carry_out(self, action: planning.Action) -> bool:
        around, record = self._around, self._record
        now = around.clock.timestamp
        match action:
            case planning.Wait():
                pass
            case planning.Adopt():
                await self._adopt()
            case planning.NoteRunning():
                await self._note_running()
            case planning.NoteEnd(cause):
                await self._save(self._ends.exited(record, cause, seen=self._exited, seen_ms=self._seen_ms))
                self._observed = replace(self._observed, stop_signalled=False, kill_again_ms=0, frozen=False)
            case planning.NoteInterrupted():
                again = self._ends.pause(record.restart_pause_ms, due_in=0)
                await self._save(lifecycle.interrupted(record, now=now(), again=again))
            case planning.NoteCancelled(run):
                code, reason = lifecycle.EXIT_NOT_STARTED, "stopped before it was started"
                await self._save(lifecycle.failed(record, run=run, code=code, reason=reason, now=now()))
            case planning.NoteDataLost(run):
                log.error("container %s: the leader knows it as prepared here, no record of it is left", self.id[:12])
                await self._save(lifecycle.data_lost(record, run=run, now=now()))
            case planning.BeginAttempt():
                self._retries = 0
                self._observed = replace(self._observed, retry_at_ms=0)
                await self._save(lifecycle.begun(record))
            case planning.Prepare():
                await self._prepare()
            case planning.Reach():
                await self._reach()
            case planning.NoteReady():
                await self._save(lifecycle.ready(record))
            case planning.Start():
                await self._start(action)
            case planning.CancelRestart():
                await self._save(restarts.cancelled(record))
            case planning.RebaseRestart():
                await self._save(restarts.rebased(record, self._ends.pause(record.restart_pause_ms)))
            case planning.BeginStop(kill_due_ms):
                await self._save(lifecycle.stopping(record, kill_due_ms=kill_due_ms))
                await self._send_stop_signal()
            case planning.Hasten(kill_due_ms):
                await self._save(lifecycle.hastened(record, kill_due_ms=kill_due_ms))
            case planning.SendStopSignal():
                await self._send_stop_signal()
            case planning.Kill():
                self._observed = replace(self._observed, kill_again_ms=around.clock.boot_ms() + KILL_AGAIN_MS)
                await around.host.kill(record)
            case planning.Evict(reason):
                await self._save(lifecycle.evicting(record, reason))
                self._observed = replace(self._observed, eviction="")
            case planning.Freeze():
                await self._freeze()
            case planning.Thaw():
                await self._thaw()
            case planning.Limit():
                await self._limit()
            case planning.NoteHealth():
                await self._note_health()
            case planning.Tidy():
                await around.host.tidy(record)
                self._observed = replace(self._observed, litter=False)
            case planning.Release():
                await around.host.release(record)
                self._observed = replace(self._observed, litter=False, mounted=False, prepared=False)
            case planning.Supersede():
                await around.host.release(record)
                self._observed = Observed(held=self._observed.held)
                self._accepted = 0
                await self._save(lifecycle.superseded(record))
            case planning.Remove():
                await self._remove()
            case planning.Forget():
                await around.records.drop(self.id)
                around.settled(self.id)
                return True
        return False

    async def _adopt(self) -> None:
        found = await self._around.host.adopt(self._record)
        match found:
            case Running():
                self._running = found
                task = TaskState.ALIVE
            case Exited():
                self._exited = found
                task = TaskState.ENDED
            case None:
                task = TaskState.ABSENT
        # The end may have been told while adopting.
        if self._observed.task is TaskState.UNKNOWN:
            frozen = task is TaskState.ALIVE and self._around.host.frozen(self._record)
            self._observed = replace(self._observed, task=task, litter=True, mounted=True, frozen=frozen)

    async def _note_running(self) -> None:
        running = self._running
        assert running is not None, "a task that is alive was started or adopted by this process"
        await self._save(
            lifecycle.running(
                self._record,
                pid=running.pid,
                pid_start=running.pid_start,
                conmon_pid=running.conmon_pid,
                conmon_start=running.conmon_start,
                now=self._around.clock.timestamp(),
            )
        )

    async def _prepare(self) -> None:
        self._observed = replace(self._observed, mounted=True)
        before = self._record.assignment
        try:
            found = await self._while_wanted(self._around.host.prepare(self._record))
        except ShoalError as error:
            if error.retryable:
                await self._retry_later(error.message)
            else:
                await self._fail(lifecycle.EXIT_NOT_STARTED, error.message)
            return
        except OSError as error:
            await self._retry_later(f"the host refused: {error}")
            return
        if found is None:
            return
        self._retries = 0
        same = lifecycle.same_place(before, self._record.assignment)
        self._observed = replace(self._observed, prepared=same, retry_at_ms=0)
        self._record = lifecycle.prepared(
            self._record,
            image=found.image,
            layers=found.layers,
            uid_base=found.uid_base,
            command=found.command,
            now=self._around.clock.timestamp(),
        )

    async def _reach(self) -> None:
        waiting, self._reached = self._reached, None
        assert waiting is not None, "somebody asked for it"
        self._observed = replace(self._observed, mounted=True, reach=False)
        if self._observed.prepared:
            waiting.set_result(None)
            return
        try:
            found = await self._while_wanted(self._around.host.prepare(self._record))
        except (ShoalError, OSError) as error:
            self._turn_away(waiting, error)
            return
        if found is None:
            self._turn_away(waiting)
            return
        self._observed = replace(self._observed, prepared=True, retry_at_ms=0)
        waiting.set_result(None)

    def _turn_away(self, waiting: asyncio.Future[None], error: Exception | None = None) -> None:
        """Tell whoever waits for the files why they can't be reached; left out: they go."""
        waiting.set_exception(error or Conflict(f"container {self.id[:12]} is being taken down"))
        # Whoever asked may have given up meanwhile.
        waiting.exception()

    async def _while_wanted(self, preparing: Coroutine[None, None, _T]) -> _T | None:
        def wanted() -> bool:
            record, wish = self._views()
            return not self._closing and planning.wants_preparation(record, wish, held=self._observed.held)

        return await while_wanted(preparing, self._wake, wanted, name=self.id[:12])

    async def _retry_later(self, reason: str) -> None:
        delay = min(RETRY_MOST, RETRY_FIRST * 2**self._retries) * (1 + self._around.jitter()) / 2
        self._retries += 1
        at = self._around.clock.boot_ms() + int(delay * 1000)
        self._observed = replace(self._observed, retry_at_ms=at)
        log.warning("container %s: %s; tried again in %.1f s", self.id[:12], reason, delay)
        if self._record.status.reason != reason:
            await self._save(lifecycle.delayed(self._record, reason))

    async def _fail(self, code: int, reason: str) -> None:
        log.warning("container %s failed: %s", self.id[:12], reason)
        await self._save(self._ends.unprepared(self._record, code=code, reason=reason))

    async def _start(self, action: planning.Start) -> None:
        around = self._around
        async with around.restarts if action.by_policy else contextlib.nullcontext(), around.starts:
            # What the wait for a turn has changed is planned anew.
            record, wish = self._views()
            if planning.plan(record, wish, self._observed, around.clock.boot_ms()) != action:
                return
            await self._save(
                lifecycle.starting(
                    self._record,
                    run=action.run,
                    boot_id=around.host.boot_id,
                    now=around.clock.timestamp(),
                    by_policy=action.by_policy,
                )
            )
            self._exited = self._seen_ms = None
            self._observed = replace(
                self._observed,
                task=TaskState.UNKNOWN,
                stop_signalled=False,
                kill_again_ms=0,
                frozen=False,
                health=health.UNKNOWN,
            )
            try:
                running = await around.host.start(self._record)
            except StartFailed as error:
                self._observed = replace(self._observed, task=TaskState.ABSENT)
                await self._fail_start(error)
                return
        self._running = running
        # A short program may have ended, and that been told, before this line.
        if self._observed.task is TaskState.UNKNOWN:
            self._observed = replace(self._observed, task=TaskState.ALIVE)
        await self._note_running()

    async def _fail_start(self, error: StartFailed) -> None:
        log.warning("container %s could not be started: %s", self.id[:12], error.message)
        await self._save(self._ends.unstarted(self._record, code=error.code, reason=error.message))

    async def _send_stop_signal(self) -> None:
        self._observed = replace(self._observed, stop_signalled=True)
        await self._around.host.stop_signal(self._record)

    async def _note_health(self) -> None:
        assert self._health is not None, "health is observed with all that is known of it"
        log.info("container %s is %s", self.id[:12], health.name(self._health.state))
        await self._save(health.noted(self._record, self._health, now=self._around.clock.timestamp()))

    async def _freeze(self) -> None:
        await self._around.host.freeze(self._record)
        self._observed = replace(self._observed, frozen=True)
        if not self._record.status.paused:
            await self._save(lifecycle.paused(self._record, frozen=True, now=self._around.clock.timestamp()))

    async def _thaw(self) -> None:
        await self._around.host.thaw(self._record)
        self._observed = replace(self._observed, frozen=False)
        if self._record.status.paused:
            await self._save(lifecycle.paused(self._record, frozen=False, now=self._around.clock.timestamp()))

    async def _limit(self) -> None:
        served = self._record.assignment.limits_changed
        found = await self._around.host.limit(self._record)
        if found.warning:
            log.warning("container %s: %s", self.id[:12], found.warning)
        # A newer change may have come meanwhile: it is acted on next.
        await self._save(lifecycle.limited(self._record, served=served, limits=found.limits, warning=found.warning))

    async def _remove(self) -> None:
        waiting, self._reached = self._reached, None
        if waiting is not None:
            self._observed = replace(self._observed, reach=False)
            self._turn_away(waiting)
        if not self._record.removing:
            await self._save(lifecycle.removing(self._record))
        await self._around.host.remove(self._record)
        self._observed = replace(self._observed, litter=False, mounted=False, prepared=False)
        await self._save(lifecycle.removed(self._record))


def _level(action: planning.Action) -> int:
    """Return how an action is logged: what a user would follow, for everybody."""
    told = (
        planning.Evict,
        planning.BeginAttempt,
        planning.Start,
        planning.NoteRunning,
        planning.NoteEnd,
        planning.BeginStop,
    )
    return logging.INFO if isinstance(action, (*told, planning.Remove)) else logging.DEBUG
