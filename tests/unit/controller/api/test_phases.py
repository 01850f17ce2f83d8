from __future__ import annotations

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from shoal_controller.api.containers import phases
from shoal_controller.state.store import ContainerEntry, Stored
from shoal_proto.v1.container_pb2 import (
    Attempt,
    ContainerPhase,
    ContainerPlacement,
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    DesiredState,
    Tombstone,
    WaitCondition,
)

S, D, P = ContainerState, DesiredState, ContainerPhase
RUN, STOP, CREATE = D.DESIRED_STATE_RUNNING, D.DESIRED_STATE_STOPPED, D.DESIRED_STATE_CREATED


def entry(
    desired: DesiredState, run: int, admitted: int | None = None, state: int | None = None, served: int = 0, **more: int
) -> ContainerEntry:
    placement = ContainerPlacement(schema=1, node="n", generation=1, run_admitted=admitted or 0)
    status = ContainerStatus(schema=1, generation=1, state=state or 0, run_served=served, **more)  # type: ignore[arg-type]
    return ContainerEntry(
        "default",
        "a" * 64,
        Stored(ContainerSpec(schema=1, id="a" * 64, name="web", desired=desired, run=run), 3, 3),
        None if admitted is None else Stored(placement, 4, 4),
        None if state is None else Stored(status, 5, 5),
    )


@pytest.mark.parametrize(
    ("of", "phase"),
    [
        (entry(RUN, 1), P.CONTAINER_PHASE_PENDING),
        (entry(STOP, 1), P.CONTAINER_PHASE_CREATED),
        (entry(RUN, 1, 1), P.CONTAINER_PHASE_PREPARING),
        (entry(RUN, 1, 1, S.CONTAINER_STATE_READY), P.CONTAINER_PHASE_STARTING),
        (entry(CREATE, 0, 0, S.CONTAINER_STATE_READY), P.CONTAINER_PHASE_CREATED),
        (entry(RUN, 1, 0, S.CONTAINER_STATE_READY), P.CONTAINER_PHASE_PENDING),
        (entry(RUN, 1, 1, S.CONTAINER_STATE_RUNNING, 1), P.CONTAINER_PHASE_RUNNING),
        (entry(STOP, 1, 1, S.CONTAINER_STATE_RUNNING, 1), P.CONTAINER_PHASE_STOPPING),
        (entry(STOP, 1, 1, S.CONTAINER_STATE_EXITED, 1), P.CONTAINER_PHASE_EXITED),
        (entry(RUN, 2, 1, S.CONTAINER_STATE_EXITED, 1), P.CONTAINER_PHASE_PENDING),
        (entry(RUN, 2, 2, S.CONTAINER_STATE_EXITED, 1), P.CONTAINER_PHASE_STARTING),
        (entry(RUN, 2, 1, S.CONTAINER_STATE_RUNNING, 1), P.CONTAINER_PHASE_RUNNING),
        (entry(RUN, 1, 1, S.CONTAINER_STATE_RUNNING, 1, paused=True), P.CONTAINER_PHASE_PAUSED),
        (entry(STOP, 1, 1, S.CONTAINER_STATE_RUNNING, 1, paused=True), P.CONTAINER_PHASE_STOPPING),
        (entry(RUN, 1, 1, S.CONTAINER_STATE_FAILED, 1), P.CONTAINER_PHASE_FAILED),
        (entry(D.DESIRED_STATE_REMOVED, 1, 1, S.CONTAINER_STATE_RUNNING, 1), P.CONTAINER_PHASE_REMOVING),
    ],
)
def test_joins_the_phase(of: ContainerEntry, phase: ContainerPhase) -> None:
    assert phases.phase_of(of) == phase


def restarting(desired: DesiredState = RUN, state: int = S.CONTAINER_STATE_EXITED) -> ContainerEntry:
    again = entry(desired, 1, 1, state, 1, exit_code=3, restarts=2)
    assert again.status is not None
    again.status.value.restart_at.FromSeconds(1)
    return again


def test_what_its_policy_starts_again_is_restarting_and_counts_as_running() -> None:
    for state in (S.CONTAINER_STATE_EXITED, S.CONTAINER_STATE_FAILED):
        again = restarting(state=state)
        assert again.status is not None
        assert phases.phase_of(again) == P.CONTAINER_PHASE_RESTARTING
        assert phases.is_going(again)
        assert not phases.is_live(again)
        assert phases.run_end(again.status.value, 1) is None
        assert phases.run_end(again.status.value, 0) is None
        assert phases.condition_met(again, WaitCondition.WAIT_CONDITION_RUNNING, 1)
    assert phases.phase_of(restarting(STOP)) == P.CONTAINER_PHASE_STOPPING
    assert P.CONTAINER_PHASE_RESTARTING in phases.ACTIVE


def test_what_was_removed_in_a_pause_ended_as_it_had() -> None:
    again = restarting()
    assert again.status is not None
    assert phases.tombstone_end(Tombstone(status=again.status.value, run=1), 1).exit_code == 3


def test_tells_how_a_run_ended_and_no_other() -> None:
    status = ContainerStatus(
        generation=1,
        state=S.CONTAINER_STATE_EXITED,
        run_served=3,
        exit_code=7,
        attempts=[Attempt(number=1, run=1, exit_code=4, started_at=Timestamp(seconds=1))],
    )
    assert phases.run_end(status, 3) == phases.RunEnd(7)
    assert phases.run_end(status, 1) == phases.RunEnd(4)
    assert phases.run_end(status, 4) is None
    skipped = phases.run_end(status, 2)
    assert skipped is not None
    assert skipped.exit_code == phases.NEVER_RAN
    status.state = S.CONTAINER_STATE_RUNNING
    assert phases.run_end(status, 3) is None
    assert phases.run_end(status, 1) == phases.RunEnd(4)
    status.state, status.exit_code, status.reason = S.CONTAINER_STATE_FAILED, 125, "no such program"
    assert phases.run_end(status, 3) == phases.RunEnd(125, "no such program", ran=False)


def test_says_that_a_run_was_taken_back_only_where_it_cannot_have_begun() -> None:
    assert phases.cancelled_end(entry(STOP, 1), 1) is not None
    assert phases.cancelled_end(entry(STOP, 1, 0), 1) is not None
    assert phases.cancelled_end(entry(STOP, 1, 1), 1) is None
    assert phases.may_be_cancelled(entry(STOP, 1, 1), 1)
    assert phases.cancelled_end(entry(RUN, 1), 1) is None
    assert not phases.may_be_cancelled(entry(STOP, 1, 1, S.CONTAINER_STATE_EXITED, 1), 1)


def test_reads_the_end_from_a_tombstone() -> None:
    ended = ContainerStatus(state=S.CONTAINER_STATE_EXITED, run_served=1, exit_code=3)
    end = phases.tombstone_end(Tombstone(status=ended, run=1), 1)
    assert (end.exit_code, end.ran) == (3, True)
    ended.state = S.CONTAINER_STATE_RUNNING
    assert phases.tombstone_end(Tombstone(status=ended, run=1), 1).exit_code == phases.KILLED
    never = phases.tombstone_end(Tombstone(run=1), 1)
    assert (never.exit_code, never.ran) == (phases.NEVER_RAN, False)
