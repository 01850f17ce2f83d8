"""The next thing to do for one container: a total function of its record, its assignment and what was seen.

Facts come first (an end that was seen, a process that has to be found again), wishes after them. What is carried out
one action at a time is planned anew after each, so that every crash resumes from the record.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shoal_agent.core.lifecycle import ACTIVE, ENDED, NONE, PREPARING, READY, RUNNING, STARTING, STOPPING
from shoal_agent.core.model import Observed, Remembered, TaskState, Wanted
from shoal_proto.v1.container_pb2 import DesiredState, HealthState, RestartMode
from shoal_proto.v1.node_pb2 import HoldRole

_STOPPED: Final = frozenset({DesiredState.DESIRED_STATE_STOPPED, DesiredState.DESIRED_STATE_REMOVED})
_RUNNING: Final = DesiredState.DESIRED_STATE_RUNNING


#: Policies under which nothing is started again; one that was decided under another is taken back.
_NO_RESTARTS: Final = frozenset({RestartMode.RESTART_MODE_UNSPECIFIED, RestartMode.RESTART_MODE_NO})


class EndCause(StrEnum):
    """Why a process is known to have ended."""

    #: Its supervisor wrote down how.
    SEEN = "seen"
    REBOOT = "reboot"
    #: It is gone, and so is whoever could tell how it ended.
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do until something changes, or until a time."""

    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Adopt:
    """Find out what has become of the attempt that an agent process before this one left."""


@dataclass(frozen=True, slots=True)
class NoteRunning:
    """Record that the process of a start whose end this agent did not see is running."""


@dataclass(frozen=True, slots=True)
class NoteEnd:
    """Record that the process has ended."""

    cause: EndCause


@dataclass(frozen=True, slots=True)
class NoteInterrupted:
    """Record that a start was cut short before anything ran."""


@dataclass(frozen=True, slots=True)
class NoteCancelled:
    """Record that a run was asked for and taken back before it started."""

    run: int


@dataclass(frozen=True, slots=True)
class NoteDataLost:
    """Record that the data of a container that was READY here is gone."""

    run: int


@dataclass(frozen=True, slots=True)
class BeginAttempt:
    """Record an attempt that is to be prepared."""


@dataclass(frozen=True, slots=True)
class Prepare:
    """Fetch the image; set up sandbox and root file system."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Do what `Prepare` does for somebody who wants to get at the files; nothing is recorded, whatever comes of it."""


@dataclass(frozen=True, slots=True)
class NoteReady:
    """Record that it could start at once."""


@dataclass(frozen=True, slots=True)
class Start:
    """Record the start, then make it."""

    run: int
    by_policy: bool = False


@dataclass(frozen=True, slots=True)
class CancelRestart:
    """Record that the restart which was due is not made: a user wants the container stopped, or not restarted."""


@dataclass(frozen=True, slots=True)
class RebaseRestart:
    """Record that the pause before a restart begins anew: the host was restarted during it."""


@dataclass(frozen=True, slots=True)
class BeginStop:
    """Record the stop, then send the stop signal."""

    kill_due_ms: int


@dataclass(frozen=True, slots=True)
class Hasten:
    """Record that SIGKILL is due earlier."""

    kill_due_ms: int


@dataclass(frozen=True, slots=True)
class SendStopSignal:
    """Send the stop signal of a stop that an agent process before this one recorded."""


@dataclass(frozen=True, slots=True)
class Kill:
    """Send SIGKILL."""


@dataclass(frozen=True, slots=True)
class Evict:
    """Record why its process is killed: the node is about to be exhausted."""

    reason: str


@dataclass(frozen=True, slots=True)
class Freeze:
    """Freeze all processes, then record it."""


@dataclass(frozen=True, slots=True)
class Thaw:
    """Let all processes go on, then record it."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Hold what runs to its limits as they are now, then record what it is held to."""


@dataclass(frozen=True, slots=True)
class NoteHealth:
    """Record that its health has changed."""


@dataclass(frozen=True, slots=True)
class Tidy:
    """Delete what the runtime still has of an attempt that has ended."""


@dataclass(frozen=True, slots=True)
class Release:
    """Unmount the root file system and give the sandbox back; the data stays."""


@dataclass(frozen=True, slots=True)
class Supersede:
    """Release the older generation and record the newer one in its place."""


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove everything but the record."""


@dataclass(frozen=True, slots=True)
class Forget:
    """Drop the record: the leader knows that nothing is left."""


Action = (
    Wait
    | Adopt
    | NoteRunning
    | NoteEnd
    | NoteInterrupted
    | NoteCancelled
    | NoteDataLost
    | BeginAttempt
    | Prepare
    | Reach
    | NoteReady
    | Start
    | CancelRestart
    | RebaseRestart
    | BeginStop
    | Hasten
    | SendStopSignal
    | Kill
    | Evict
    | Freeze
    | Thaw
    | Limit
    | NoteHealth
    | Tidy
    | Release
    | Supersede
    | Remove
    | Forget
)


def plan(record: Remembered, wanted: Wanted, observed: Observed, now: int) -> Action:
    """Return what to do next.

    Args:
        record: what the node remembers.
        wanted: what the leader last said.
        observed: what this agent process knows.
        now: milliseconds since the host booted, suspension included.
    """
    fact = _fact(record, observed)
    if fact is not None:
        return fact
    superseded = wanted.generation > record.generation
    obeys = _obeys(record, wanted, observed)
    if record.state in ACTIVE:
        if observed.eviction and not record.evicted:
            return Evict(observed.eviction)
        stop = record.state == STOPPING or record.removing or record.evicted or (obeys and _wants_stop(record, wanted))
        if stop:
            return _stop(record, wanted, observed, now, obeys=obeys)
        if observed.health not in (HealthState.HEALTH_STATE_UNSPECIFIED, record.health):
            return NoteHealth()
        if obeys and wanted.limits_changed > record.limits_served:
            return Limit()
        return _pause(record, wanted, observed) if obeys else Wait()
    if obeys and superseded:
        return Supersede()
    if record.removed:
        settled = record.report_accepted >= record.report or not observed.held
        return Forget() if settled else Wait()
    if record.removing or (obeys and wanted.role == HoldRole.HOLD_ROLE_REMOVE):
        return Remove()
    if observed.litter:
        return Tidy()
    if not obeys:
        return Wait()
    if wanted.role == HoldRole.HOLD_ROLE_RETIRED:
        return Release() if observed.mounted else Wait()
    if wanted.role != HoldRole.HOLD_ROLE_CURRENT:
        return Wait()
    return _current(record, wanted, observed, now)


def wants_preparation(record: Remembered, wanted: Wanted, *, held: bool) -> bool:
    """Say whether a preparation under way is still of use."""
    return (
        held
        and not record.removing
        and wanted.generation == record.generation
        and wanted.role == HoldRole.HOLD_ROLE_CURRENT
        and wanted.desired != DesiredState.DESIRED_STATE_REMOVED
        and not (
            wanted.desired == DesiredState.DESIRED_STATE_STOPPED
            and (wanted.run_admitted > record.run_served or record.restart_due_ms)
        )
    )


def _obeys(record: Remembered, wanted: Wanted, observed: Observed) -> bool:
    """Say whether what is wanted counts: what no hold names is left alone, and so is what an older one names."""
    return observed.held and wanted.generation >= record.generation


def _fact(record: Remembered, observed: Observed) -> Action | None:
    """Return what has to be recorded or found out before anything is wished for."""
    if record.state not in ACTIVE:
        return None
    if not record.this_boot:
        return NoteEnd(EndCause.REBOOT)
    match observed.task:
        case TaskState.UNKNOWN:
            return Adopt()
        case TaskState.ENDED:
            return NoteEnd(EndCause.SEEN)
        case TaskState.ABSENT:
            return NoteInterrupted() if record.start_pending else NoteEnd(EndCause.LOST)
        case TaskState.ALIVE:
            return NoteRunning() if record.state == STARTING else None


def _wants_stop(record: Remembered, wanted: Wanted) -> bool:
    return (
        wanted.generation > record.generation
        or wanted.role in (HoldRole.HOLD_ROLE_REMOVE, HoldRole.HOLD_ROLE_RETIRED)
        or wanted.desired in _STOPPED
        or (wanted.desired == _RUNNING and wanted.run_admitted > record.run_served)
    )


def _stop(record: Remembered, wanted: Wanted, observed: Observed, now: int, *, obeys: bool) -> Action:
    """Go on with a stop, or begin it; the process lives."""
    if observed.frozen or record.paused:
        # What is frozen hears no signal, and is not even killed where control groups are of version 1.
        return Thaw()
    if observed.kill_again_ms:
        return Kill() if now >= observed.kill_again_ms else Wait(observed.kill_again_ms)
    if record.evicted:
        return Kill()
    hurried = obeys and _wants_stop(record, wanted)
    if record.state == RUNNING:
        grace = wanted.stop_grace_ms if hurried else 0
        return BeginStop(now + grace) if grace else Kill()
    if hurried and now + wanted.stop_grace_ms < record.kill_due_ms:
        return Hasten(now + wanted.stop_grace_ms)
    if now >= record.kill_due_ms:
        return Kill()
    return Wait(record.kill_due_ms) if observed.stop_signalled else SendStopSignal()


def is_checked(record: Remembered, wanted: Wanted, observed: Observed) -> bool:
    """Say whether the container's health can be found out: it runs, and is not to be frozen or stopped."""
    return (
        record.state == RUNNING
        and record.this_boot
        and observed.task is TaskState.ALIVE
        and not (record.removing or observed.frozen)
        and not (_obeys(record, wanted, observed) and (wanted.paused or _wants_stop(record, wanted)))
    )


def _pause(record: Remembered, wanted: Wanted, observed: Observed) -> Action:
    """Freeze or thaw what runs and is to go on running."""
    if wanted.paused:
        # An agent may have thawed it, and ended before it could record that.
        return Wait() if observed.frozen and record.paused else Freeze()
    return Thaw() if observed.frozen or record.paused else Wait()


def _current(record: Remembered, wanted: Wanted, observed: Observed, now: int) -> Action:
    """Advance a container of this generation that has no process."""
    if wanted.desired in (DesiredState.DESIRED_STATE_REMOVED, DesiredState.DESIRED_STATE_UNSPECIFIED):
        # The hold's role follows; or the cluster has lost what was wanted, which is no reason to do anything.
        return Wait()
    if record.state == NONE and wanted.ever_ready:
        return NoteDataLost(wanted.run_admitted)
    asked = wanted.run_admitted > record.run_served
    if asked and wanted.desired == DesiredState.DESIRED_STATE_STOPPED:
        return NoteCancelled(wanted.run_admitted)
    due = asked and wanted.desired == _RUNNING
    if observed.reach and not due and record.state in (READY, *ENDED):
        return Reach()
    if record.state in ENDED:
        if due:
            return Start(wanted.run_admitted) if observed.prepared else BeginAttempt()
        return _restart(record, wanted, observed, now) if record.restart_due_ms else Wait()
    if record.state == NONE:
        return BeginAttempt()
    if record.state == READY and not due:
        return Wait()
    if not observed.prepared:
        return Prepare() if now >= observed.retry_at_ms else Wait(observed.retry_at_ms)
    if due:
        return Start(wanted.run_admitted)
    return NoteReady() if record.state == PREPARING else Wait()


def _restart(record: Remembered, wanted: Wanted, observed: Observed, now: int) -> Action:
    """Go on with the restart that a policy has decided. Until it is made, the attempt before it stays the newest."""
    if wanted.desired != _RUNNING or wanted.restart_mode in _NO_RESTARTS:
        return CancelRestart()
    if not record.this_boot:
        return RebaseRestart()
    if now < record.restart_due_ms:
        return Wait(record.restart_due_ms)
    if record.evicted and observed.tight:
        # It would be evicted again.
        return Wait()
    if not observed.prepared:
        return Prepare() if now >= observed.retry_at_ms else Wait(observed.retry_at_ms)
    return Start(record.run_served, by_policy=True)
