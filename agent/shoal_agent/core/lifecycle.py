"""The states of a container on its node, and every change that a record goes through.

A change is a pure function from a record to a new one. Each raises the report number, so that the leader hears of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from google.protobuf import text_format
from google.protobuf.timestamp_pb2 import Timestamp

from shoal_agent.core import health, restarts
from shoal_agent.core.restarts import Pause
from shoal_common.errors import Internal
from shoal_common.messages import copied
from shoal_proto.v1.agent_pb2 import ContainerRecord
from shoal_proto.v1.container_pb2 import Attempt, ContainerState, ContainerStatus
from shoal_proto.v1.dispatcher_pb2 import Assignment
from shoal_proto.v1.image_pb2 import ImageConfig
from shoal_proto.v1.resources_pb2 import Resources

NONE: Final = ContainerState.CONTAINER_STATE_UNSPECIFIED
PREPARING: Final = ContainerState.CONTAINER_STATE_PREPARING
READY: Final = ContainerState.CONTAINER_STATE_READY
STARTING: Final = ContainerState.CONTAINER_STATE_STARTING
RUNNING: Final = ContainerState.CONTAINER_STATE_RUNNING
STOPPING: Final = ContainerState.CONTAINER_STATE_STOPPING
EXITED: Final = ContainerState.CONTAINER_STATE_EXITED
FAILED: Final = ContainerState.CONTAINER_STATE_FAILED

#: States in which a process of the attempt may exist.
ACTIVE: Final = frozenset({STARTING, RUNNING, STOPPING})
ENDED: Final = frozenset({EXITED, FAILED})

#: Where a state may go within its attempt.
WITHIN_ATTEMPT: Final = {
    NONE: frozenset({PREPARING, FAILED}),
    PREPARING: frozenset({READY, STARTING, FAILED}),
    READY: frozenset({STARTING, FAILED}),
    STARTING: frozenset({RUNNING, EXITED, FAILED}),
    RUNNING: frozenset({STOPPING, EXITED}),
    STOPPING: frozenset({EXITED}),
    EXITED: frozenset[ContainerState](),
    FAILED: frozenset[ContainerState](),
}
#: Where the next attempt may begin. STARTING is left without an end only when its start was interrupted before
#: anything ran.
NEXT_ATTEMPT: Final = {
    EXITED: frozenset({PREPARING, STARTING, FAILED}),
    FAILED: frozenset({PREPARING, STARTING, FAILED}),
    STARTING: frozenset({PREPARING}),
}

#: What a status says of its newest attempt only.
_OF_ONE_ATTEMPT: Final = (
    *("reason", "exit_code", "oom_killed", "started_at", "finished_at"),
    *("paused_at", "health", "health_output", "health_at"),
    *("limits", "warning"),
)
#: How many attempts a status tells of.
ATTEMPTS_KEPT: Final = 16
#: `docker run`'s code for what its daemon, here the node, could not do.
EXIT_NOT_STARTED: Final = 125
#: What an end without a known code is reported as.
EXIT_UNKNOWN: Final = 255
#: What the end of everything on a host is for a container: SIGKILL.
EXIT_KILLED: Final = 137
#: A node that lost its record can't know how many attempts the leader has heard of. Attempts are counted on from here
#: above the runs admitted, so that its report is not taken for an old one: every run makes one attempt, plus one for
#: each start that an agent's end interrupted.
ATTEMPTS_LOST: Final = 1000


class InvalidTransition(Internal):
    """A fault of the agent's own: the message has the container's whole story."""


def state_name(state: ContainerState) -> str:
    """Return "RUNNING" for CONTAINER_STATE_RUNNING."""
    return ContainerState.Name(state).removeprefix("CONTAINER_STATE_")


def story(record: ContainerRecord) -> str:
    """Return all that a record says, on one line and without environment values."""
    shown = ContainerRecord()
    shown.CopyFrom(record)
    shown.ClearField("sealed_env")
    shown.assignment.config.ClearField("env")
    return text_format.MessageToString(shown, as_one_line=True)


def _advance(record: ContainerRecord, state: ContainerState, *, new_attempt: bool = False) -> ContainerStatus:
    """Move `record` (a copy of the caller's own) to `state` and return its status."""
    status = record.status
    allowed = (NEXT_ATTEMPT if new_attempt else WITHIN_ATTEMPT).get(status.state, frozenset[ContainerState]())
    if state not in allowed:
        step = "the next attempt's " if new_attempt else ""
        raise InvalidTransition(
            f"container {record.assignment.id[:12]} can't go from {state_name(status.state)} to {step}"
            f"{state_name(state)}: {story(record)}"
        )
    status.state = state
    status.report += 1
    if new_attempt or status.attempt == 0:
        status.attempt += 1
        for field in _OF_ONE_ATTEMPT:
            status.ClearField(field)
    return status


def _clear_process(record: ContainerRecord) -> None:
    for field in ("pid", "pid_start_time", "conmon_pid", "conmon_start_time", "start_pending", "kill_due_ms"):
        record.ClearField(field)
    # What has ended is not frozen any more, and the next attempt isn't yet.
    for field in ("pid", "paused"):
        record.status.ClearField(field)


def _attempt(status: ContainerStatus) -> Attempt:
    """Return the entry of the attempt under way, making it if it has none."""
    if not status.attempts or status.attempts[-1].number != status.attempt:
        status.attempts.add(number=status.attempt)
        del status.attempts[:-ATTEMPTS_KEPT]
    return status.attempts[-1]


def same_place(one: Assignment, other: Assignment) -> bool:
    """Say whether what is set up for one assignment serves another: addresses and ports are those of the sandbox."""
    return (list(one.addresses), list(one.ports)) == (list(other.addresses), list(other.ports))


def new_record(assignment: Assignment) -> ContainerRecord:
    """Return the record of a container that this node has nothing of yet."""
    record = ContainerRecord(schema=1, assignment=assignment)
    record.status.schema = 1
    record.status.generation = assignment.generation
    return record


def assigned(record: ContainerRecord, assignment: Assignment) -> ContainerRecord:
    """Take a newer assignment. Tells the leader nothing.

    One without a configuration comes from a cluster that has lost it: the node keeps what it knows.
    """
    changed = copied(record)
    changed.assignment.CopyFrom(assignment)
    if not assignment.HasField("config"):
        known = record.assignment
        changed.assignment.config.CopyFrom(known.config)
        changed.assignment.name = known.name
        changed.assignment.image_repository = known.image_repository
        changed.assignment.image_digest = known.image_digest
        changed.assignment.paused = known.paused
        changed.assignment.limits_changed = known.limits_changed
        changed.assignment.permissions[:] = known.permissions
    return changed


def begun(record: ContainerRecord) -> ContainerRecord:
    """Begin an attempt with its preparation."""
    changed = copied(record)
    restarts.forgotten(changed)
    _attempt(_advance(changed, PREPARING, new_attempt=record.status.state in ENDED))
    return changed


def delayed(record: ContainerRecord, reason: str) -> ContainerRecord:
    """Say why preparing takes long; an empty reason when it goes on."""
    changed = copied(record)
    changed.status.reason = reason
    changed.status.report += 1
    return changed


def prepared(
    record: ContainerRecord,
    *,
    image: ImageConfig,
    layers: Sequence[str],
    uid_base: int,
    command: Sequence[str],
    now: Timestamp,
) -> ContainerRecord:
    """Note what preparing found. Tells the leader nothing: READY or STARTING follows."""
    changed = copied(record)
    if changed.status.state == PREPARING:
        _attempt(changed.status).ready_at.CopyFrom(now)
    changed.image_config.CopyFrom(image)
    changed.layers[:] = layers
    changed.status.uid_base = uid_base
    changed.status.command[:] = command
    return changed


def ready(record: ContainerRecord) -> ContainerRecord:
    """Everything is set up; no start is due."""
    changed = copied(record)
    status = _advance(changed, READY)
    status.ever_ready = True
    status.reason = ""
    return changed


def starting(
    record: ContainerRecord, *, run: int, boot_id: str, now: Timestamp, by_policy: bool = False
) -> ContainerRecord:
    """A start for `run` is about to be made, by its restart policy or because a user asked for it."""
    changed = copied(record)
    status = _advance(changed, STARTING, new_attempt=record.status.state in ENDED)
    status.ever_ready = True
    status.reason = ""
    attempt = _attempt(status)
    attempt.run = run
    attempt.by_policy = by_policy
    attempt.starting_at.CopyFrom(now)
    if not attempt.HasField("ready_at"):
        attempt.ready_at.CopyFrom(now)
    if by_policy:
        restarts.unpaused(changed)
        status.restarts += 1
    else:
        restarts.forgotten(changed)
    status.limits_served = record.assignment.limits_changed
    status.limits.CopyFrom(record.assignment.config.resources)
    _clear_process(changed)
    changed.ClearField("eviction")
    changed.start_pending = True
    changed.boot_id = boot_id
    return changed


def running(
    record: ContainerRecord, *, pid: int, pid_start: int, conmon_pid: int, conmon_start: int, now: Timestamp
) -> ContainerRecord:
    """The process runs."""
    changed = copied(record)
    status = _advance(changed, RUNNING)
    attempt = _attempt(status)
    attempt.started_at.CopyFrom(now)
    status.started_at.CopyFrom(now)
    status.run_served = max(status.run_served, attempt.run)
    _clear_process(changed)
    status.pid = changed.pid = pid
    changed.pid_start_time = pid_start
    changed.conmon_pid = conmon_pid
    changed.conmon_start_time = conmon_start
    if health.check_of(record.assignment.config.health, record.image_config.healthcheck) is not None:
        status.health = health.STARTING
    return changed


def interrupted(record: ContainerRecord, *, now: Timestamp, again: Pause) -> ContainerRecord:
    """The agent ended during a start, and nothing of it is there: the same run gets another attempt.

    Args:
        record: in STARTING.
        now: when this was found.
        again: for a restart by policy: over at once, and as long as the one before.
    """
    changed = copied(record)
    attempt = _attempt(changed.status)
    reason = "the agent ended before it was started"
    if attempt.by_policy:
        status = _advance(changed, FAILED)
        _end(status, code=EXIT_NOT_STARTED, oom_killed=False, finished=now, reason=reason)
        _clear_process(changed)
        # It was none of the restarts that a policy may have a limit for.
        status.restarts -= 1
        restarts.paused(changed, again)
        return changed
    attempt.finished_at.CopyFrom(now)
    attempt.exit_code = EXIT_NOT_STARTED
    attempt.reason = reason
    _attempt(_advance(changed, PREPARING, new_attempt=True))
    _clear_process(changed)
    return changed


def paused(record: ContainerRecord, *, frozen: bool, now: Timestamp) -> ContainerRecord:
    """Its processes were frozen, or are not any more."""
    changed = copied(record)
    changed.status.paused = frozen
    changed.status.paused_at.CopyFrom(now)
    changed.status.report += 1
    return changed


def limited(record: ContainerRecord, *, served: int, limits: Resources, warning: str) -> ContainerRecord:
    """It is held to other limits.

    Args:
        record: before it.
        served: the change that was acted on.
        limits: what it is held to now.
        warning: which of them could not be set, and why; "" if all were.
    """
    changed = copied(record)
    changed.status.limits_served = served
    changed.status.limits.CopyFrom(limits)
    changed.status.warning = warning
    changed.status.report += 1
    return changed


def stopping(record: ContainerRecord, *, kill_due_ms: int) -> ContainerRecord:
    """The stop signal is about to be sent; SIGKILL is due at `kill_due_ms` of the host's boot time."""
    changed = copied(record)
    _advance(changed, STOPPING)
    changed.kill_due_ms = kill_due_ms
    return changed


def hastened(record: ContainerRecord, *, kill_due_ms: int) -> ContainerRecord:
    """SIGKILL is due earlier than was said. Tells the leader nothing."""
    changed = copied(record)
    changed.kill_due_ms = kill_due_ms
    return changed


def evicting(record: ContainerRecord, reason: str) -> ContainerRecord:
    """Its process is about to be killed, so that the node is not exhausted. Tells the leader nothing: the end does."""
    changed = copied(record)
    changed.eviction = reason
    return changed


def exited(
    record: ContainerRecord,
    *,
    code: int,
    oom_killed: bool,
    finished: Timestamp,
    reason: str = "",
    pause: Pause | None = None,
) -> ContainerRecord:
    """The process has ended; after `pause` it is started again, if its policy says so."""
    changed = copied(record)
    status = _advance(changed, EXITED)
    attempt = _attempt(status)
    if not attempt.HasField("started_at"):
        # Nobody was there to see it run.
        attempt.started_at.CopyFrom(attempt.starting_at)
        status.started_at.CopyFrom(attempt.starting_at)
    _end(status, code=code, oom_killed=oom_killed, finished=finished, reason=reason)
    status.run_served = max(status.run_served, attempt.run)
    _clear_process(changed)
    if pause is not None:
        restarts.paused(changed, pause)
    return changed


def failed(
    record: ContainerRecord,
    *,
    run: int,
    code: int,
    reason: str,
    now: Timestamp,
    pause: Pause | None = None,
    by_policy: bool = False,
) -> ContainerRecord:
    """It could not be prepared or started, for `run`.

    Args:
        record: before it.
        run: that is served with this.
        code: as `docker run` says.
        reason: for people.
        now: when it was found.
        pause: after it the policy tries again.
        by_policy: the attempt, which has got no further than this, is the policy's.
    """
    changed = copied(record)
    fresh = record.status.state in ENDED
    status = _advance(changed, FAILED, new_attempt=fresh)
    _end(status, code=code, oom_killed=False, finished=now, reason=reason)
    attempt = _attempt(status)
    attempt.run = max(attempt.run, run)
    status.run_served = max(status.run_served, run)
    _clear_process(changed)
    if fresh and by_policy:
        attempt.by_policy = True
        status.restarts += 1
        restarts.unpaused(changed)
    elif not attempt.by_policy:
        restarts.forgotten(changed)
    if pause is not None:
        restarts.paused(changed, pause)
    return changed


def data_lost(record: ContainerRecord, *, run: int, now: Timestamp) -> ContainerRecord:
    """The leader knows that it was READY here, and the node has no record of that."""
    changed = copied(record)
    changed.status.attempt = run + ATTEMPTS_LOST
    changed.status.ever_ready = True
    return failed(
        changed,
        run=run,
        code=EXIT_NOT_STARTED,
        reason="data lost: this node has no record of the container any more",
        now=now,
    )


def _end(status: ContainerStatus, *, code: int, oom_killed: bool, finished: Timestamp, reason: str) -> None:
    status.exit_code = code
    status.oom_killed = oom_killed
    status.finished_at.CopyFrom(finished)
    status.reason = reason
    attempt = _attempt(status)
    attempt.exit_code = code
    attempt.oom_killed = oom_killed
    attempt.finished_at.CopyFrom(finished)
    attempt.reason = reason


def superseded(record: ContainerRecord) -> ContainerRecord:
    """Nothing of the older generation runs or is mounted: the newer placement begins. Its data stays on disk."""
    changed = new_record(record.assignment)
    changed.report_accepted = 0
    return changed


def removing(record: ContainerRecord) -> ContainerRecord:
    """Removal is decided: from here on what is left is cleared on sight. Tells the leader nothing."""
    changed = copied(record)
    changed.removing = True
    restarts.unpaused(changed)
    return changed


def removed(record: ContainerRecord) -> ContainerRecord:
    """Nothing is left but the record."""
    changed = copied(record)
    changed.removing = True
    changed.removed = True
    changed.status.report += 1
    return changed


def accepted(record: ContainerRecord, report: int) -> ContainerRecord:
    """The leader has stored what was reported up to `report`."""
    changed = copied(record)
    changed.report_accepted = max(record.report_accepted, report)
    return changed
