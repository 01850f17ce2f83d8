"""Which ends a restart policy answers with a start, after which pause."""

from __future__ import annotations

from dataclasses import replace

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from shoal_agent.core import lifecycle, planning, restarts
from shoal_agent.core.lifecycle import EXITED, READY, STOPPING
from shoal_agent.core.model import Observed, Wanted, remembered
from shoal_agent.core.restarts import End, Pause, pause_after
from shoal_proto.v1.agent_pb2 import ContainerRecord
from shoal_proto.v1.container_pb2 import DesiredState, RestartMode
from shoal_proto.v1.dispatcher_pb2 import Assignment
from shoal_proto.v1.node_pb2 import HoldRole
from tests.parts.planned import RECORD, WANTED

NOW = Timestamp(seconds=1_700_000_000)
NO = RestartMode.RESTART_MODE_NO
ON_FAILURE = RestartMode.RESTART_MODE_ON_FAILURE
ALWAYS = RestartMode.RESTART_MODE_ALWAYS
UNLESS_STOPPED = RestartMode.RESTART_MODE_UNLESS_STOPPED
STOPPED = DesiredState.DESIRED_STATE_STOPPED

WISH = replace(WANTED, restart_mode=ALWAYS)
END = End(run=1, code=1, started=True, by_policy=False, restarts=0, ran_ms=50)


@pytest.mark.parametrize(
    ("mode", "code", "again"),
    [
        (RestartMode.RESTART_MODE_UNSPECIFIED, 1, False),
        (NO, 1, False),
        (ON_FAILURE, 0, False),
        (ON_FAILURE, 1, True),
        (ON_FAILURE, 137, True),
        (ALWAYS, 0, True),
        (UNLESS_STOPPED, 0, True),
        (99, 1, False),
    ],
)
def test_the_policy_says_which_ends_are_answered(mode: RestartMode, code: int, *, again: bool) -> None:
    assert (pause_after(replace(END, code=code), RECORD, replace(WISH, restart_mode=mode)) is not None) is again


def test_at_most_as_many_restarts_as_were_allowed() -> None:
    wish = replace(WISH, restart_mode=ON_FAILURE, restart_retries=3)
    allowed = [pause_after(replace(END, restarts=count), RECORD, wish) is not None for count in range(5)]
    assert allowed == [True, True, True, False, False]


@pytest.mark.parametrize(
    "wish",
    [
        replace(WISH, desired=STOPPED),
        replace(WISH, desired=DesiredState.DESIRED_STATE_REMOVED),
        replace(WISH, role=HoldRole.HOLD_ROLE_RETIRED),
        replace(WISH, generation=2),
        replace(WISH, run_admitted=2),
    ],
)
def test_never_restarts_what_is_to_stop(wish: Wanted) -> None:
    assert pause_after(END, RECORD, wish) is None


def test_never_restarts_what_ended_because_it_was_stopped() -> None:
    # The next run is asked for and not admitted yet: what ends here ends by the stop before it.
    assert pause_after(END, replace(RECORD, state=STOPPING), WISH) is None


def test_a_first_start_that_fails_is_told_and_a_restart_that_fails_is_made_again() -> None:
    failed = replace(END, code=127, started=False)
    assert pause_after(failed, RECORD, WISH) is None
    assert pause_after(replace(failed, by_policy=True), RECORD, WISH) == 100
    wish = replace(WISH, restart_mode=ON_FAILURE)
    assert pause_after(replace(failed, by_policy=True), RECORD, wish) == 100


def test_pauses_double_up_to_a_minute() -> None:
    record, pauses = RECORD, []
    for _ in range(13):
        pause = pause_after(END, record, WISH)
        assert pause is not None
        pauses.append(pause)
        record = replace(record, restart_pause_ms=pause)
    assert pauses == [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000, 60000]


@given(before=st.integers(0, 60_000), ran=st.integers(0, 20_000))
def test_a_pause_is_never_shorter_than_the_one_before_unless_it_ran_well(before: int, ran: int) -> None:
    pause = pause_after(replace(END, ran_ms=ran), replace(RECORD, restart_pause_ms=before), WISH)
    assert pause is not None
    assert 100 <= pause <= 60_000
    assert pause == 100 if ran >= 10_000 else pause >= before


def _in_pause(*, due: int = 5_000) -> ContainerRecord:
    record = lifecycle.begun(lifecycle.new_record(Assignment(id="a", generation=1)))
    record = lifecycle.starting(record, run=1, boot_id="b", now=NOW)
    record = lifecycle.running(record, pid=1, pid_start=1, conmon_pid=1, conmon_start=1, now=NOW)
    pause = Pause(length_ms=400, due_ms=due, boot_id="b", until=NOW)
    return lifecycle.exited(record, code=3, oom_killed=False, finished=NOW, reason="why", pause=pause)


def test_the_end_and_the_pause_after_it_are_one_record() -> None:
    record = _in_pause()
    assert record.status.state == EXITED
    assert (record.restart_due_ms, record.restart_pause_ms, record.status.restart_at) == (5_000, 400, NOW)


def test_waits_for_the_pause_then_restarts_the_same_run() -> None:
    view, ready = remembered(_in_pause(), boot_id="b"), Observed(prepared=True)
    assert planning.plan(view, WISH, ready, 4_999) == planning.Wait(5_000)
    assert planning.plan(view, WISH, ready, 5_000) == planning.Start(1, by_policy=True)
    # An agent process that has nothing mounted yet mounts first; the attempt before stays the newest meanwhile.
    assert planning.plan(view, WISH, Observed(), 5_000) == planning.Prepare()
    again = lifecycle.starting(_in_pause(), run=1, boot_id="b", now=NOW, by_policy=True)
    assert (again.status.attempt, again.status.restarts, again.status.run_served) == (2, 1, 1)
    assert again.status.attempts[-1].by_policy
    assert not again.status.HasField("restart_at")


def test_a_stop_in_the_pause_cancels_the_restart() -> None:
    view = remembered(_in_pause(), boot_id="b")
    stop = replace(WISH, desired=STOPPED)
    assert planning.plan(view, stop, Observed(prepared=True), 9_000) == planning.CancelRestart()
    assert not planning.wants_preparation(view, stop, held=True)
    record = restarts.cancelled(_in_pause())
    assert (record.status.state, record.status.exit_code, record.status.reason) == (EXITED, 3, "why")
    assert record.status.report == _in_pause().status.report + 1
    assert planning.plan(remembered(record, boot_id="b"), WISH, Observed(prepared=True), 9_000) == planning.Wait()


@pytest.mark.parametrize("mode", [NO, RestartMode.RESTART_MODE_UNSPECIFIED])
def test_a_policy_that_is_taken_back_takes_back_the_restart_that_is_due(mode: RestartMode) -> None:
    view = remembered(_in_pause(), boot_id="b")
    for now in (0, 9_000):
        assert planning.plan(view, replace(WISH, restart_mode=mode), Observed(), now) == planning.CancelRestart()


def test_a_users_start_in_the_pause_counts_restarts_anew() -> None:
    view = remembered(_in_pause(), boot_id="b")
    wish = replace(WISH, run_admitted=2)
    assert planning.plan(view, wish, Observed(prepared=True), 0) == planning.Start(2)
    record = lifecycle.starting(_in_pause(), run=2, boot_id="b", now=NOW)
    assert (record.restart_pause_ms, record.restart_due_ms, record.status.restarts) == (0, 0, 0)


def test_a_reboot_begins_the_pause_anew() -> None:
    view = remembered(_in_pause(), boot_id="c")
    assert planning.plan(view, WISH, Observed(prepared=True), 9_000) == planning.RebaseRestart()
    pause = Pause(length_ms=400, due_ms=700, boot_id="c", until=NOW)
    view = remembered(restarts.rebased(_in_pause(), pause), boot_id="c")
    assert planning.plan(view, WISH, Observed(prepared=True), 699) == planning.Wait(700)


def test_nothing_that_no_hold_names_is_restarted() -> None:
    view = remembered(_in_pause(), boot_id="b")
    assert planning.plan(view, WISH, Observed(prepared=True, held=False), 9_000) == planning.Wait()


def test_an_interrupted_restart_is_made_again_at_once_and_counted_once() -> None:
    starting = lifecycle.starting(_in_pause(), run=1, boot_id="b", now=NOW, by_policy=True)
    at_once = Pause(length_ms=400, due_ms=6_000, boot_id="b", until=NOW)
    record = lifecycle.interrupted(starting, now=NOW, again=at_once)
    assert (record.status.restarts, record.restart_pause_ms) == (0, 400)
    view = remembered(record, boot_id="b")
    assert planning.plan(view, WISH, Observed(prepared=True), 6_000) == planning.Start(1, by_policy=True)


def test_tells_when_an_attempt_was_ready_asked_for_and_running() -> None:
    times = [Timestamp(seconds=second) for second in (1, 2, 3, 4)]
    record = lifecycle.begun(lifecycle.new_record(Assignment(id="a", generation=1)))
    record = lifecycle.prepared(record, image=record.image_config, layers=[], uid_base=1, command=[], now=times[0])
    record = lifecycle.ready(record)
    assert record.status.state == READY
    record = lifecycle.starting(record, run=1, boot_id="b", now=times[1])
    assert not record.status.attempts[-1].HasField("started_at")
    record = lifecycle.running(record, pid=1, pid_start=1, conmon_pid=1, conmon_start=1, now=times[2])
    record = lifecycle.exited(record, code=0, oom_killed=False, finished=times[3])
    (attempt,) = record.status.attempts
    assert [attempt.ready_at, attempt.starting_at, attempt.started_at, attempt.finished_at] == times
