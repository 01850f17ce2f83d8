"""Restart policies: whether what has ended is started again by the node itself, and after which pause.

The decision is recorded together with the end, in one write: whoever reads the record knows of both or of neither.
Times are milliseconds of the host's boot time; no wall clock that somebody sets has a say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from shoal_agent.core.model import Remembered, Wanted
from shoal_proto.v1.agent_pb2 import ContainerRecord
from shoal_proto.v1.container_pb2 import ContainerState, DesiredState, RestartMode
from shoal_proto.v1.node_pb2 import HoldRole

#: The first pause, and the longest: each is twice the one before.
PAUSE_FIRST_MS: Final = 100
PAUSE_MOST_MS: Final = 60_000
#: What has run for so long has run well: pauses begin with the first again.
RAN_WELL_MS: Final = 10_000

_ALWAYS: Final = frozenset({RestartMode.RESTART_MODE_ALWAYS, RestartMode.RESTART_MODE_UNLESS_STOPPED})


@dataclass(frozen=True, slots=True)
class Pause:
    """The time between an end and the start that the policy makes after it.

    Attributes:
        length_ms: of it.
        due_ms: when it is over.
        boot_id: of the boot whose time `due_ms` is of.
        until: the same for people, by the wall clock.
    """

    length_ms: int
    due_ms: int
    boot_id: str
    until: Timestamp


@dataclass(frozen=True, slots=True)
class End:
    """How an attempt ended.

    Attributes:
        run: that it served.
        started: it got as far as running.
        by_policy: the policy had made it.
        restarts: by policy since the user's last start, this one included.
        ran_ms: for how long it ran.
        evicted: the node killed it.
    """

    run: int
    code: int
    started: bool
    by_policy: bool
    restarts: int
    ran_ms: int = 0
    evicted: bool = False


def pause_after(end: End, record: Remembered, wanted: Wanted) -> int | None:
    """Return the pause, in milliseconds, after which the policy starts what has ended; None if it doesn't.

    Args:
        end: of the newest attempt.
        record: before the end is recorded.
        wanted: what the leader last said.
    """
    if (
        # A stop was under way: it has ended because somebody asked for it.
        record.state == ContainerState.CONTAINER_STATE_STOPPING
        or record.removing
        or wanted.generation != record.generation
        or wanted.role != HoldRole.HOLD_ROLE_CURRENT
        or wanted.desired != DesiredState.DESIRED_STATE_RUNNING
        # A newer run is begun instead.
        or wanted.run_admitted > end.run
        # Whoever asked for a first start is told that it failed.
        or not (end.started or end.by_policy)
        or not _allows(end, wanted)
    ):
        return None
    if end.evicted:
        return PAUSE_MOST_MS
    before = 0 if end.ran_ms >= RAN_WELL_MS else record.restart_pause_ms
    return min(max(PAUSE_FIRST_MS, 2 * before), PAUSE_MOST_MS)


def _allows(end: End, wanted: Wanted) -> bool:
    if wanted.restart_mode == RestartMode.RESTART_MODE_ON_FAILURE:
        most = wanted.restart_retries
        return end.code != 0 and (most == 0 or end.restarts < most)
    return wanted.restart_mode in _ALWAYS


def paused(record: ContainerRecord, pause: Pause) -> None:
    """Note, in the caller's own copy, that the policy starts it again."""
    record.restart_pause_ms = pause.length_ms
    record.restart_due_ms = pause.due_ms
    record.boot_id = pause.boot_id
    record.status.restart_at.CopyFrom(pause.until)


def unpaused(record: ContainerRecord) -> None:
    """Note, in the caller's own copy, that no restart is due any more."""
    record.ClearField("restart_due_ms")
    record.status.ClearField("restart_at")


def forgotten(record: ContainerRecord) -> None:
    """Note, in the caller's own copy, that a user's start begins: restarts are counted anew."""
    unpaused(record)
    record.ClearField("restart_pause_ms")
    record.status.ClearField("restarts")


def rebased(record: ContainerRecord, pause: Pause) -> ContainerRecord:
    """The host was restarted during the pause: it begins anew, on the clock of this boot."""
    changed = ContainerRecord()
    changed.CopyFrom(record)
    paused(changed, pause)
    changed.status.report += 1
    return changed


def cancelled(record: ContainerRecord) -> ContainerRecord:
    """A user wants it stopped, or its policy is another now: it is not started again."""
    changed = ContainerRecord()
    changed.CopyFrom(record)
    forgotten(changed)
    # How often it was restarted stays to be seen, and why it ended at last.
    changed.status.restarts = record.status.restarts
    changed.status.reason = record.status.attempts[-1].reason
    changed.status.report += 1
    return changed
