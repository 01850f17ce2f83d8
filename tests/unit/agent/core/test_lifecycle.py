"""Properties of the agent's pure core, against a model of a host that crashes, reboots and loses its leader."""

from __future__ import annotations

from dataclasses import replace

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shoal_agent.core import lifecycle, planning, restarts
from shoal_agent.core.lifecycle import ACTIVE, ENDED, EXITED, FAILED, NONE, READY, RUNNING, STARTING, STOPPING
from shoal_agent.core.model import Observed, Remembered, TaskState, Wanted, remembered, wanted
from shoal_common.status import order
from shoal_proto.v1.agent_pb2 import ContainerRecord
from shoal_proto.v1.container_pb2 import ContainerState, ContainerStatus, DesiredState, RestartMode, RestartPolicy
from shoal_proto.v1.dispatcher_pb2 import Assignment
from shoal_proto.v1.image_pb2 import ImageConfig
from shoal_proto.v1.node_pb2 import HoldRole
from tests.parts.planned import RECORD, WANTED

NOW = Timestamp(seconds=1_700_000_000)
CREATED = DesiredState.DESIRED_STATE_CREATED
WANT_RUNNING = DesiredState.DESIRED_STATE_RUNNING
STOPPED = DesiredState.DESIRED_STATE_STOPPED
REMOVED = DesiredState.DESIRED_STATE_REMOVED
CURRENT = HoldRole.HOLD_ROLE_CURRENT
RETIRED = HoldRole.HOLD_ROLE_RETIRED
REMOVE = HoldRole.HOLD_ROLE_REMOVE


class Host(RuleBasedStateMachine):
    """One container on one node. Every action is recorded first; a crash may come between record and deed."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000
        self.boot = "a"
        self.assignment = Assignment(
            id="c" * 64, generation=1, role=CURRENT, desired=WANT_RUNNING, run_admitted=1, stop_grace_ms=1_000
        )
        self.assignment.config.image = "box"
        self.record: ContainerRecord | None = None
        self.disk: ContainerRecord | None = None
        self.observed = Observed()
        #: (generation, attempt) of the process that lives, and when it began.
        self.began = 0
        self.alive: tuple[int, int] | None = None
        #: The kernel holds it frozen.
        self.frozen = False
        self.ended: set[tuple[int, int]] = set()
        self.begun: list[tuple[int, int]] = []
        self.reported = ContainerStatus()
        self.gone = False

    @initialize(mode=st.sampled_from(RestartMode.values()), most=st.integers(0, 3))
    def assigned(self, mode: RestartMode, most: int) -> None:
        self.assignment.config.restart.CopyFrom(RestartPolicy(mode=mode, maximum_retries=most))
        self.record = lifecycle.new_record(self.assignment)

    # What the agent does.

    def _save(self, record: ContainerRecord) -> None:
        if self.disk is not None and record.status != self.disk.status:
            assert order(record.status) > order(self.disk.status), "a status went back"
            assert record.status.run_served >= self.disk.status.run_served or (
                record.status.generation > self.disk.status.generation
            )
        self.record = self.disk = record
        self.reported = record.status

    def _ended(self, *, code: int, started: bool, by_policy: bool, restarted: int, run: int) -> restarts.Pause | None:
        """Return what the policy makes of an end."""
        assert self.record is not None
        ran = self.now - self.began if started else 0
        end = restarts.End(run=run, code=code, started=started, by_policy=by_policy, restarts=restarted, ran_ms=ran)
        view, wish = remembered(self.record, boot_id=self.boot), wanted(self.record.assignment)
        length = restarts.pause_after(end, view, wish)
        if length is None:
            return None
        assert wish.desired == WANT_RUNNING
        assert length in (100, 2 * view.restart_pause_ms, 60_000)
        assert restarts.PAUSE_FIRST_MS <= length <= restarts.PAUSE_MOST_MS
        return self._pause(length)

    def _pause(self, length: int, *, left: int | None = None) -> restarts.Pause:
        due = self.now + (length if left is None else left)
        return restarts.Pause(length_ms=length, due_ms=due, boot_id=self.boot, until=NOW)

    def _fail(self, run: int, *, by_policy: bool) -> None:
        assert self.record is not None
        restarted = self.record.status.restarts + (self.record.status.state in ENDED)
        pause = self._ended(code=125, started=False, by_policy=by_policy, restarted=restarted, run=run)
        assert pause is None or by_policy, "a user's start that failed was made again"
        self._save(
            lifecycle.failed(self.record, run=run, code=125, reason="no", now=NOW, pause=pause, by_policy=by_policy)
        )

    def _key(self) -> tuple[int, int]:
        assert self.record is not None
        return self.record.status.generation, self.record.status.attempt

    @precondition(lambda self: not self.gone)
    @rule(crash=st.sampled_from([None, "before the deed", "after the deed"]), fails=st.booleans())
    def step(self, crash: str | None, *, fails: bool) -> None:
        assert self.record is not None
        record, see = self.record, self.observed
        view, wish = remembered(record, boot_id=self.boot), wanted(record.assignment)
        action = planning.plan(view, wish, see, self.now)
        key = self._key()
        if not see.held:
            assert not isinstance(action, planning.Prepare | planning.Start | planning.Supersede | planning.BeginStop)
        match action:
            case planning.Wait(until_ms):
                assert until_ms is None or until_ms > self.now
            case planning.Adopt():
                state = TaskState.ALIVE if self.alive == key else TaskState.ABSENT
                state = TaskState.ENDED if key in self.ended else state
                self.observed = replace(see, task=state, litter=True, frozen=self.frozen)
            case planning.NoteRunning():
                self._save(lifecycle.running(record, pid=1, pid_start=1, conmon_pid=1, conmon_start=1, now=NOW))
            case planning.NoteEnd():
                assert self.alive != key
                code, last = self.now % 2, record.status.attempts[-1]
                pause = self._ended(
                    code=code, started=True, by_policy=last.by_policy, restarted=record.status.restarts, run=last.run
                )
                assert pause is None or (record.status.state != STOPPING and not record.removing)
                self._save(lifecycle.exited(record, code=code, oom_killed=False, finished=NOW, pause=pause))
                self.observed = replace(see, stop_signalled=False, kill_again_ms=0, frozen=False)
                assert not self.record.status.paused, "what has ended was called paused"
            case planning.NoteInterrupted():
                assert key not in self.begun, "what had run was called interrupted"
                again = self._pause(record.restart_pause_ms, left=0)
                self._save(lifecycle.interrupted(record, now=NOW, again=again))
            case planning.NoteCancelled(run):
                self._save(lifecycle.failed(record, run=run, code=125, reason="cancelled", now=NOW))
            case planning.NoteDataLost(run):
                assert record.status.state == NONE
                self._save(lifecycle.data_lost(record, run=run, now=NOW))
            case planning.BeginAttempt():
                self._save(lifecycle.begun(record))
            case planning.Prepare():
                if fails:
                    run = record.assignment.run_admitted
                    again_by_policy = bool(record.restart_due_ms) and run <= record.status.run_served
                    self._fail(run, by_policy=again_by_policy)
                else:
                    self.observed = replace(see, prepared=True, mounted=True)
                    self.record = lifecycle.prepared(
                        record, image=ImageConfig(), layers=["l"], uid_base=1, command=["true"], now=NOW
                    )
            case planning.NoteReady():
                self._save(lifecycle.ready(record))
            case planning.Start(run, by_policy):
                self._start(run, crash, fails=fails, by_policy=by_policy)
                crash = None
            case planning.CancelRestart():
                assert record.assignment.desired != WANT_RUNNING
                self._save(restarts.cancelled(record))
            case planning.RebaseRestart():
                assert record.boot_id != self.boot
                self._save(restarts.rebased(record, self._pause(record.restart_pause_ms)))
            case planning.Freeze():
                assert self.alive == key
                assert record.assignment.paused, "frozen unasked"
                self._freeze(crash, frozen=True)
                crash = None
            case planning.Thaw():
                assert self.alive == key
                self._freeze(crash, frozen=False)
                crash = None
            case planning.BeginStop(due):
                assert not self.frozen, "what is frozen hears no signal"
                self._save(lifecycle.stopping(record, kill_due_ms=due))
                self.observed = replace(self.observed, stop_signalled=True)
            case planning.Hasten(due):
                assert due < record.kill_due_ms
                self._save(lifecycle.hastened(record, kill_due_ms=due))
            case planning.SendStopSignal():
                assert not self.frozen, "what is frozen hears no signal"
                self.observed = replace(see, stop_signalled=True)
            case planning.Kill():
                assert not self.frozen, "what is frozen does not die"
                self.observed = replace(see, kill_again_ms=self.now + 2_000)
            case planning.Tidy():
                assert self.alive is None
                self.observed = replace(see, litter=False)
            case planning.Release():
                assert self.alive is None
                self.observed = replace(see, litter=False, mounted=False, prepared=False)
            case planning.Supersede():
                assert self.alive is None
                self.observed = Observed(held=see.held)
                self._save(lifecycle.superseded(record))
            case planning.Remove():
                assert self.alive is None
                assert record.removing or record.assignment.role == REMOVE
                self._save(lifecycle.removed(lifecycle.removing(record)))
            case planning.Forget():
                assert record.removed
                assert record.report_accepted >= record.status.report or not see.held
                self.gone = True
        if crash:
            self._crash()

    def _freeze(self, crash: str | None, *, frozen: bool) -> None:
        assert self.record is not None
        if crash == "before the deed":
            self._crash()
            return
        self.frozen = frozen
        if crash == "after the deed":
            self._crash()
            return
        self.observed = replace(self.observed, frozen=frozen)
        if self.record.status.paused != frozen:
            self._save(lifecycle.paused(self.record, frozen=frozen, now=NOW))

    def _start(self, run: int, crash: str | None, *, fails: bool, by_policy: bool) -> None:
        assert self.record is not None
        assert self.alive is None, "a second process of one container"
        assert self.record.assignment.role == CURRENT
        assert self.record.assignment.generation == self.record.status.generation
        assert self.record.assignment.desired == WANT_RUNNING, "started what a user wants stopped"
        if by_policy:
            assert run == self.record.status.run_served, "a restart is of the run that was served"
            assert self.record.restart_due_ms, "a restart that nobody decided"
            assert self.now >= self.record.restart_due_ms, "a pause was cut short"
            assert self.record.boot_id == self.boot
        else:
            assert run > self.record.status.run_served
        before = self.record.status.restarts
        self._save(lifecycle.starting(self.record, run=run, boot_id=self.boot, now=NOW, by_policy=by_policy))
        assert self.record.status.restarts == (before + 1 if by_policy else 0)
        assert not self.record.restart_due_ms
        self.observed = replace(
            self.observed, task=TaskState.UNKNOWN, stop_signalled=False, kill_again_ms=0, frozen=False
        )
        if crash == "before the deed":
            self._crash()
            return
        if fails:
            self.observed = replace(self.observed, task=TaskState.ABSENT)
            self._fail(run, by_policy=by_policy)
            return
        self.begun.append(self._key())
        self.began = self.now
        self.alive = self._key()
        if crash == "after the deed":
            self._crash()
            return
        self.observed = replace(self.observed, task=TaskState.ALIVE)

    def _crash(self) -> None:
        """kill -9 and a new agent process."""
        if self.disk is None:
            self.record = lifecycle.new_record(self.assignment)
            self.observed = Observed()
            return
        self.record = self.disk
        self.observed = Observed(litter=bool(self.ended), mounted=True)

    # What happens to it.

    @rule()
    def much_time_passes(self) -> None:
        self.now += 70_001

    @rule()
    def process_ends(self) -> None:
        if self.alive is not None:
            self.ended.add(self.alive)
            if self.observed.task is TaskState.ALIVE and self.alive == self._key():
                self.observed = replace(self.observed, task=TaskState.ENDED, litter=True)
            self.alive, self.frozen = None, False

    @rule()
    def host_reboots(self) -> None:
        self.boot += "x"
        self.alive, self.frozen = None, False
        self.ended.clear()
        self._crash()
        self.observed = replace(self.observed, litter=False, mounted=False)

    @rule(milliseconds=st.integers(0, 5_000))
    def time_passes(self, milliseconds: int) -> None:
        self.now += milliseconds

    @precondition(lambda self: not self.gone)
    @rule(
        desired=st.sampled_from([CREATED, WANT_RUNNING, STOPPED, REMOVED]),
        more=st.integers(0, 1),
        role=st.sampled_from([CURRENT, CURRENT, CURRENT, RETIRED, REMOVE]),
        grace=st.sampled_from([0, 500, 10_000]),
        newer=st.booleans(),
        paused=st.booleans(),
    )
    def leader_assigns(
        self, desired: DesiredState, more: int, role: HoldRole, grace: int, *, newer: bool, paused: bool
    ) -> None:
        assert self.record is not None
        changed = Assignment()
        changed.CopyFrom(self.assignment)
        changed.desired, changed.role, changed.stop_grace_ms = desired, role, grace
        changed.paused = paused
        if newer:
            changed.generation += 1
            changed.run_admitted = 1
        elif desired == WANT_RUNNING:
            changed.run_admitted += more
        self.assignment = changed
        self.record = lifecycle.assigned(self.record, changed)
        self.observed = replace(self.observed, held=True)

    @rule()
    def leader_forgets(self) -> None:
        self.observed = replace(self.observed, held=False)

    @precondition(lambda self: not self.gone and self.disk is not None)
    @rule()
    def leader_accepts(self) -> None:
        assert self.record is not None
        self.record = lifecycle.accepted(self.record, self.reported.report)

    # What always holds.

    @invariant()
    def restarts_as_often_as_allowed(self) -> None:
        if self.disk is not None and self.assignment.config.restart.maximum_retries:
            policy = self.assignment.config.restart
            if policy.mode == RestartMode.RESTART_MODE_ON_FAILURE:
                assert self.disk.status.restarts <= policy.maximum_retries

    @invariant()
    def says_of_a_restart_what_it_remembers(self) -> None:
        if self.disk is not None:
            assert self.disk.status.HasField("restart_at") == bool(self.disk.restart_due_ms)
            assert not self.disk.restart_due_ms or self.disk.status.state in ENDED

    @invariant()
    def is_as_it_should_be_once_nothing_is_left_to_do(self) -> None:
        if self.record is None or self.gone or self.alive is None:
            return
        view, wish = remembered(self.record, boot_id=self.boot), wanted(self.record.assignment)
        waits = planning.plan(view, wish, self.observed, self.now) == planning.Wait()
        if waits and self.observed.held and self.record.status.state == RUNNING:
            assert self.frozen == self.record.assignment.paused == self.record.status.paused

    @invariant()
    def never_starts_a_run_twice(self) -> None:
        assert len(self.begun) == len(set(self.begun))

    @invariant()
    def never_more_than_one_process(self) -> None:
        assert self.record is None or self.alive is None or self.alive[0] <= self.record.status.generation

    @invariant()
    def what_runs_is_on_record(self) -> None:
        if self.alive is not None:
            assert self.disk is not None
            assert (self.disk.status.generation, self.disk.status.attempt) == self.alive
            assert self.disk.status.state in ACTIVE


Host.TestCase.settings = settings(stateful_step_count=40)
test_never_starts_a_run_twice = Host.TestCase


def _record(**fields: int) -> Remembered:
    return replace(RECORD, **{"generation": 2, **fields})  # type: ignore[arg-type]


def _wish(**fields: int) -> Wanted:
    return replace(WANTED, **{"generation": 2, **fields})  # type: ignore[arg-type]


ALIVE = Observed(task=TaskState.ALIVE)


@pytest.mark.parametrize("wish", [_wish(generation=1, role=REMOVE), _wish(generation=1, desired=STOPPED)])
def test_never_acts_for_an_older_generation(wish: Wanted) -> None:
    assert planning.plan(_record(), wish, ALIVE, 0) == planning.Wait()
    assert planning.plan(_record(state=EXITED), wish, Observed(), 0) == planning.Wait()


@pytest.mark.parametrize("wish", [_wish(role=REMOVE), _wish(desired=STOPPED), _wish(generation=3)])
def test_never_acts_on_absence(wish: Wanted) -> None:
    assert planning.plan(_record(), wish, replace(ALIVE, held=False), 0) == planning.Wait()
    assert planning.plan(_record(state=EXITED), wish, Observed(held=False, mounted=True), 0) == planning.Wait()


def test_newer_generation_stops_what_is_older_first() -> None:
    assert planning.plan(_record(), _wish(generation=3), ALIVE, 0) == planning.BeginStop(10_000)
    assert planning.plan(_record(state=EXITED), _wish(generation=3), Observed(), 0) == planning.Supersede()


def test_starts_only_what_is_admitted() -> None:
    seen = Observed(prepared=True)
    assert planning.plan(_record(state=EXITED), _wish(), seen, 0) == planning.Wait()
    assert planning.plan(_record(state=EXITED), _wish(run_admitted=2), seen, 0) == planning.Start(2)
    assert planning.plan(_record(state=READY, run_served=1), _wish(), seen, 0) == planning.Wait()


def test_restart_stops_then_starts() -> None:
    assert planning.plan(_record(), _wish(run_admitted=2), ALIVE, 7) == planning.BeginStop(10_007)


def test_kill_is_due_after_the_grace_also_for_the_next_agent() -> None:
    stopping = _record(state=STOPPING, kill_due_ms=10_000)
    wish = _wish(desired=STOPPED)
    assert planning.plan(stopping, wish, ALIVE, 9_000) == planning.SendStopSignal()
    signalled = replace(ALIVE, stop_signalled=True)
    assert planning.plan(stopping, wish, signalled, 9_000) == planning.Wait(10_000)
    assert planning.plan(stopping, wish, signalled, 10_000) == planning.Kill()
    assert planning.plan(stopping, wish, replace(signalled, kill_again_ms=12_000), 11_000) == planning.Wait(12_000)


def test_shorter_grace_hastens_the_kill() -> None:
    stopping = _record(state=STOPPING, kill_due_ms=10_000)
    hurried = planning.plan(stopping, _wish(role=REMOVE, stop_grace_ms=0), replace(ALIVE, stop_signalled=True), 3_000)
    assert hurried == planning.Hasten(3_000)


def test_new_boot_means_everything_exited() -> None:
    for state in ACTIVE:
        view = _record(state=state, this_boot=False)
        assert planning.plan(view, _wish(), Observed(), 0) == planning.NoteEnd(planning.EndCause.REBOOT)


def test_hold_that_was_ready_without_a_record_is_lost() -> None:
    fresh = _record(state=NONE, attempt=0, run_served=0, ever_ready=False, report=0)
    assert planning.plan(fresh, _wish(run_admitted=3), Observed(), 0) == planning.NoteDataLost(3)
    lost = lifecycle.data_lost(lifecycle.new_record(Assignment(id="a", generation=2)), run=3, now=NOW)
    assert (lost.status.state, lost.status.exit_code, lost.status.run_served) == (FAILED, 125, 3)
    assert lost.status.attempt > 3


def test_removal_is_forgotten_only_after_it_was_accepted() -> None:
    gone = _record(state=EXITED, removing=True, removed=True, report=6)
    wish = _wish(role=REMOVE, desired=REMOVED)
    assert planning.plan(gone, wish, Observed(), 0) == planning.Wait()
    assert planning.plan(replace(gone, report_accepted=6), wish, Observed(), 0) == planning.Forget()
    assert planning.plan(gone, wish, Observed(held=False), 0) == planning.Forget()


def test_cluster_that_lost_its_wishes_changes_nothing() -> None:
    known = lifecycle.new_record(Assignment(id="a", generation=1, image_digest="sha256:1"))
    known.assignment.config.env.append("SECRET=fish")
    changed = lifecycle.assigned(known, Assignment(id="a", generation=1, role=CURRENT))
    assert list(changed.assignment.config.env) == ["SECRET=fish"]
    assert changed.assignment.image_digest == "sha256:1"
    unspecified = _wish(desired=DesiredState.DESIRED_STATE_UNSPECIFIED)
    assert planning.plan(_record(), unspecified, ALIVE, 0) == planning.Wait()
    assert planning.plan(_record(state=NONE), unspecified, Observed(), 0) == planning.Wait()


def test_invalid_transition_tells_the_whole_story_without_secrets() -> None:
    record = lifecycle.new_record(Assignment(id="abc", generation=7))
    record.assignment.config.env.append("SECRET=fish")
    with pytest.raises(lifecycle.InvalidTransition) as raised:
        lifecycle.exited(record, code=0, oom_killed=False, finished=NOW)
    assert "from UNSPECIFIED to EXITED" in raised.value.message
    assert "generation: 7" in raised.value.message
    assert "fish" not in raised.value.message
    assert "\n" not in raised.value.message


def test_states_only_advance_within_an_attempt() -> None:
    for state, following in lifecycle.WITHIN_ATTEMPT.items():
        assert all(later > state for later in following)
    assert set(lifecycle.WITHIN_ATTEMPT) == set(ContainerState.values())
    assert all(not lifecycle.WITHIN_ATTEMPT[state] for state in ENDED)


def test_keeps_the_last_sixteen_attempts() -> None:
    record = lifecycle.begun(lifecycle.new_record(Assignment(id="a", generation=1)))
    for run in range(1, 21):
        record = lifecycle.starting(record, run=run, boot_id="a", now=NOW)
        record = lifecycle.running(record, pid=1, pid_start=1, conmon_pid=1, conmon_start=1, now=NOW)
        record = lifecycle.exited(record, code=run, oom_killed=False, finished=NOW)
    assert [attempt.number for attempt in record.status.attempts] == list(range(5, 21))
    assert record.status.state == EXITED
    assert STARTING < RUNNING


def test_what_vanished_has_ended_and_is_not_started_again() -> None:
    absent = Observed(task=TaskState.ABSENT)
    assert planning.plan(_record(), _wish(), absent, 0) == planning.NoteEnd(planning.EndCause.LOST)
    pending = _record(state=STARTING, start_pending=True, run_served=0)
    assert planning.plan(pending, _wish(), absent, 0) == planning.NoteInterrupted()
