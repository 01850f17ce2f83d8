"""What a container is doing, joined from what was asked (spec), decided (placement) and seen (status). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shoal_common.status import is_over, is_terminal, restarts
from shoal_controller.state.store import ContainerEntry
from shoal_proto.v1.container_pb2 import (
    Attempt,
    ContainerPhase,
    ContainerState,
    ContainerStatus,
    DesiredState,
    Tombstone,
    WaitCondition,
)

#: Exit codes of a run that Shoal could not start, and of one whose process was killed with its container.
NEVER_RAN: Final = 125
KILLED: Final = 137
#: Why a run of a lost container counts as ended.
LOST: Final = "lost: its node was removed from the cluster by force"

_OF_STATE: Final[Mapping[int, ContainerPhase]] = {
    ContainerState.CONTAINER_STATE_UNSPECIFIED: ContainerPhase.CONTAINER_PHASE_PREPARING,
    ContainerState.CONTAINER_STATE_PREPARING: ContainerPhase.CONTAINER_PHASE_PREPARING,
    ContainerState.CONTAINER_STATE_READY: ContainerPhase.CONTAINER_PHASE_CREATED,
    ContainerState.CONTAINER_STATE_STARTING: ContainerPhase.CONTAINER_PHASE_STARTING,
    ContainerState.CONTAINER_STATE_RUNNING: ContainerPhase.CONTAINER_PHASE_RUNNING,
    ContainerState.CONTAINER_STATE_STOPPING: ContainerPhase.CONTAINER_PHASE_STOPPING,
    ContainerState.CONTAINER_STATE_EXITED: ContainerPhase.CONTAINER_PHASE_EXITED,
    ContainerState.CONTAINER_STATE_FAILED: ContainerPhase.CONTAINER_PHASE_FAILED,
}
_LIVE: Final = frozenset(
    {
        ContainerState.CONTAINER_STATE_STARTING,
        ContainerState.CONTAINER_STATE_RUNNING,
        ContainerState.CONTAINER_STATE_STOPPING,
    }
)
#: Phases that `ps` shows without -a: it runs, or is on its way to.
ACTIVE: Final = frozenset(
    {
        ContainerPhase.CONTAINER_PHASE_PENDING,
        ContainerPhase.CONTAINER_PHASE_PREPARING,
        ContainerPhase.CONTAINER_PHASE_STARTING,
        ContainerPhase.CONTAINER_PHASE_RUNNING,
        ContainerPhase.CONTAINER_PHASE_STOPPING,
        ContainerPhase.CONTAINER_PHASE_RESTARTING,
        ContainerPhase.CONTAINER_PHASE_PAUSED,
    }
)
_NAMES: Final[Mapping[int, str]] = {
    number: name.removeprefix("CONTAINER_PHASE_").lower() for name, number in ContainerPhase.items()
}


def phase_name(phase: int) -> str:
    """Return a phase as messages write it, such as "running"."""
    return _NAMES.get(phase, "unknown")


def present_status(entry: ContainerEntry) -> ContainerStatus | None:
    """Return what was seen of the container where it is placed now; None if nothing was yet."""
    if entry.status is None or entry.placement is None:
        return None
    status = entry.status.value
    return status if status.generation == entry.placement.value.generation else None


def is_lost(entry: ContainerEntry) -> bool:
    """Say whether its node was removed from the cluster by force: what it has of the container is given up."""
    return entry.placement is not None and entry.placement.value.HasField("lost_at")


def run_served(entry: ContainerEntry) -> int:
    """Return the highest run that was started, or that failed before it could be."""
    return entry.status.value.run_served if entry.status is not None else 0


def is_live(entry: ContainerEntry) -> bool:
    """Say whether the node was last seen with a process of it."""
    status = present_status(entry)
    return status is not None and status.state in _LIVE and not is_lost(entry)


def is_restarting(entry: ContainerEntry) -> bool:
    """Say whether it has ended and its node was last seen waiting to start it again."""
    status = present_status(entry)
    return status is not None and restarts(status) and not is_lost(entry)


def is_going(entry: ContainerEntry) -> bool:
    """Say whether it runs, or will: a run is asked for, or its restart policy makes it run again."""
    return is_live(entry) or is_restarting(entry) or is_wanted(entry)


def is_wanted(entry: ContainerEntry) -> bool:
    """Say whether a run is asked for that was not served yet."""
    if entry.spec is None or is_lost(entry):
        return False
    spec = entry.spec.value
    return spec.desired == DesiredState.DESIRED_STATE_RUNNING and spec.run > run_served(entry)


def is_admitted(entry: ContainerEntry) -> bool:
    """Say whether there is a place, and room for the newest run."""
    return (
        entry.spec is not None
        and entry.placement is not None
        and entry.placement.value.run_admitted >= entry.spec.value.run
    )


def has_known_state(status: ContainerStatus) -> bool:
    """Say whether this version knows the state; a newer controller may have stored one that it doesn't."""
    return status.state in _OF_STATE


def phase_of(entry: ContainerEntry) -> ContainerPhase:
    """Return what the container is doing."""
    if entry.spec is None or entry.spec.value.desired == DesiredState.DESIRED_STATE_REMOVED:
        return ContainerPhase.CONTAINER_PHASE_REMOVING
    if is_lost(entry):
        return ContainerPhase.CONTAINER_PHASE_LOST
    wanted = is_wanted(entry)
    if entry.placement is None:
        if entry.spec.value.desired == DesiredState.DESIRED_STATE_STOPPED:
            return ContainerPhase.CONTAINER_PHASE_CREATED
        return ContainerPhase.CONTAINER_PHASE_PENDING
    status = present_status(entry)
    if status is None:
        return ContainerPhase.CONTAINER_PHASE_PREPARING
    phase = _OF_STATE.get(status.state, ContainerPhase.CONTAINER_PHASE_UNSPECIFIED)
    if status.state in _LIVE:
        leaving = entry.spec.value.desired == DesiredState.DESIRED_STATE_STOPPED
        if leaving:
            return ContainerPhase.CONTAINER_PHASE_STOPPING
        paused = status.paused and status.state == ContainerState.CONTAINER_STATE_RUNNING
        return ContainerPhase.CONTAINER_PHASE_PAUSED if paused else phase
    if wanted and not is_admitted(entry):
        return ContainerPhase.CONTAINER_PHASE_PENDING
    if wanted and (status.state == ContainerState.CONTAINER_STATE_READY or is_terminal(status)):
        return ContainerPhase.CONTAINER_PHASE_STARTING
    if restarts(status):
        stopped = entry.spec.value.desired == DesiredState.DESIRED_STATE_STOPPED
        return ContainerPhase.CONTAINER_PHASE_STOPPING if stopped else ContainerPhase.CONTAINER_PHASE_RESTARTING
    return phase


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended.

    Attributes:
        reason: one line, or nothing.
        ran: whether a process of it was ever asked for, as far as is known.
    """

    exit_code: int
    reason: str = ""
    oom_killed: bool = False
    ran: bool = True


def never_ran(reason: str) -> RunEnd:
    """Return the end of a run of which nothing was started."""
    return RunEnd(NEVER_RAN, reason, ran=False)


def run_end(status: ContainerStatus | None, run: int) -> RunEnd | None:
    """Return how a run ended, as far as a status tells; None if it does not tell of an end.

    A run that its policy starts again goes on.
    """
    if status is not None and restarts(status) and run in (0, status.run_served):
        return None
    return _last_end(status, run)


def _last_end(status: ContainerStatus | None, run: int) -> RunEnd | None:
    if status is None:
        return None
    attempt = next((attempt for attempt in reversed(status.attempts) if attempt.run == run), None)
    if status.run_served == run or run == 0:
        return end_as_told(status) if is_terminal(status) else None
    if status.run_served < run:
        return None
    if attempt is None:
        return never_ran(f"run {run} was followed by run {status.run_served} before it started")
    return _end_of(attempt)


def end_as_told(status: ContainerStatus) -> RunEnd:
    """Return the end that a final status tells of."""
    ran = status.state != ContainerState.CONTAINER_STATE_FAILED
    return RunEnd(status.exit_code, status.reason, status.oom_killed, ran)


def _end_of(attempt: Attempt) -> RunEnd:
    return RunEnd(attempt.exit_code, attempt.reason, attempt.oom_killed)


def tombstone_end(tombstone: Tombstone, run: int) -> RunEnd:
    """Return how a run of a removed container ended."""
    status = tombstone.status if tombstone.HasField("status") else None
    end = _last_end(status, run)
    if end is not None:
        return end
    if status is not None and status.state in _LIVE:
        return RunEnd(KILLED, "it was killed and removed")
    return never_ran("it was removed before it ran")


def cancelled_end(entry: ContainerEntry, run: int) -> RunEnd | None:
    """Return the end of a run that was taken back before anything was started for it; None if that can't be said.

    A run that was admitted may have been started on its node without the news having arrived: its node will say.
    """
    if entry.spec is None or entry.spec.value.desired != DesiredState.DESIRED_STATE_STOPPED:
        return None
    if run == 0 or run_served(entry) >= run:
        return None
    if entry.placement is not None and entry.placement.value.run_admitted >= run:
        return None
    return never_ran("it was stopped before it could start")


def lost_end(entry: ContainerEntry) -> RunEnd | None:
    """Return the end of a run of a lost container of which no end was seen; None if it isn't lost."""
    return never_ran(LOST) if is_lost(entry) else None


def may_be_cancelled(entry: ContainerEntry, run: int) -> bool:
    """Say whether a run was admitted and taken back, and nothing has been seen of it: so far, it did not start."""
    return (
        entry.spec is not None
        and entry.spec.value.desired == DesiredState.DESIRED_STATE_STOPPED
        and run > 0
        and run_served(entry) < run
        and not is_live(entry)
    )


def is_settled(entry: ContainerEntry) -> bool:
    """Say whether a container that runs is frozen, or not, as was asked last."""
    status = present_status(entry)
    if status is None or entry.spec is None or status.state != ContainerState.CONTAINER_STATE_RUNNING:
        return False
    return status.paused == entry.spec.value.paused


def is_limited(entry: ContainerEntry) -> bool:
    """Say whether a container is held to the limits asked for last, if its node could do that, or has no process."""
    status = present_status(entry)
    if status is None or entry.spec is None or not is_live(entry):
        return True
    return status.limits_served >= entry.spec.value.limits_changed


def condition_met(entry: ContainerEntry, condition: int, run: int) -> bool:
    """Say whether what a wait is for, other than the end of a run, holds of a container that exists."""
    if condition == WaitCondition.WAIT_CONDITION_READY:
        # A container that can't be prepared will not get any readier.
        return present_status(entry) is not None and phase_of(entry) not in (
            ContainerPhase.CONTAINER_PHASE_PREPARING,
            ContainerPhase.CONTAINER_PHASE_PENDING,
        )
    if condition == WaitCondition.WAIT_CONDITION_RUNNING:
        status = present_status(entry)
        # Started once, it counts as running until it ends for good, also between two attempts.
        return status is not None and status.run_served >= run and not is_over(status)
    if condition == WaitCondition.WAIT_CONDITION_SETTLED:
        return is_settled(entry)
    if condition == WaitCondition.WAIT_CONDITION_LIMITED:
        return is_limited(entry)
    return False
