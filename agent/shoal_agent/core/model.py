"""What decisions see: projections of the record and the assignment, and what was observed on the host."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shoal_proto.v1.agent_pb2 import ContainerRecord
from shoal_proto.v1.container_pb2 import ContainerState, DesiredState, HealthState, RestartMode
from shoal_proto.v1.dispatcher_pb2 import Assignment
from shoal_proto.v1.node_pb2 import HoldRole


class TaskState(StrEnum):
    """What is known of the process of the attempt that the record tells of."""

    #: This agent process hasn't looked yet.
    UNKNOWN = "unknown"
    #: Nothing of it is there.
    ABSENT = "absent"
    ALIVE = "alive"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Remembered:
    """A container's durable record, as far as decisions need it.

    Attributes:
        generation: the placement that what is on this host belongs to.
        this_boot: the host hasn't been restarted since the record was written.
        kill_due_ms: when SIGKILL is due, on the clock of `now`; 0 if no stop is under way.
        by_policy: the newest attempt was made by the restart policy.
        restarts: by policy, since the user's last start.
        restart_due_ms: when the policy starts it again, on the clock of `now`; 0 if it doesn't.
        restart_pause_ms: the last pause before a restart by policy; 0 if there was none.
        paused: the leader is told that its processes are frozen.
        health: what the leader is told of it.
        limits_served: the newest change of its limits that was acted on.
        evicted: the node kills its process, or has, and it has not been started since.
    """

    generation: int
    attempt: int
    state: ContainerState
    run_served: int
    ever_ready: bool
    start_pending: bool
    this_boot: bool
    removing: bool
    removed: bool
    report: int
    report_accepted: int
    kill_due_ms: int
    by_policy: bool = False
    restarts: int = 0
    restart_due_ms: int = 0
    restart_pause_ms: int = 0
    paused: bool = False
    health: HealthState = HealthState.HEALTH_STATE_UNSPECIFIED
    limits_served: int = 0
    evicted: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """An assignment, as far as decisions need it."""

    generation: int
    role: HoldRole
    desired: DesiredState
    run_admitted: int
    stop_grace_ms: int
    ever_ready: bool
    restart_mode: RestartMode = RestartMode.RESTART_MODE_NO
    restart_retries: int = 0
    paused: bool = False
    limits_changed: int = 0


@dataclass(frozen=True, slots=True)
class Observed:
    """What this agent process knows of the host and of its own doings; lost when it ends.

    Attributes:
        task: the process of the attempt.
        held: the leader's set names the container. Until the first set after a start, what the record says.
        prepared: this process has set up image, sandbox and root file system of the placement.
        mounted: the host may have a sandbox or a root file system of the placement.
        litter: the runtime may have something of an attempt that has ended.
        stop_signalled: this process has sent the stop signal of the stop under way.
        retry_at_ms: preparing failed for now and is to be tried again then.
        kill_again_ms: SIGKILL was sent, and is sent again then; 0 if it wasn't.
        frozen: the processes of the attempt are frozen, which the kernel remembers for the next agent.
        reach: somebody wants to get at its files, which takes a mounted root file system.
        health: what this process has found out last by its checks of the attempt; UNSPECIFIED if nothing yet.
        eviction: why its process is to be killed so that the node is not exhausted; "" if it isn't.
        tight: the node is short of what containers are evicted for.
    """

    task: TaskState = TaskState.UNKNOWN
    held: bool = True
    prepared: bool = False
    mounted: bool = False
    litter: bool = False
    stop_signalled: bool = False
    retry_at_ms: int = 0
    kill_again_ms: int = 0
    frozen: bool = False
    reach: bool = False
    health: HealthState = HealthState.HEALTH_STATE_UNSPECIFIED
    eviction: str = ""
    tight: bool = False


def remembered(record: ContainerRecord, *, boot_id: str) -> Remembered:
    """Project a record; `boot_id` is the present boot's."""
    status = record.status
    return Remembered(
        generation=status.generation,
        attempt=status.attempt,
        state=status.state,
        run_served=status.run_served,
        ever_ready=status.ever_ready,
        start_pending=record.start_pending,
        this_boot=record.boot_id == boot_id,
        removing=record.removing,
        removed=record.removed,
        report=status.report,
        report_accepted=record.report_accepted,
        kill_due_ms=record.kill_due_ms,
        by_policy=bool(status.attempts) and status.attempts[-1].by_policy,
        restarts=status.restarts,
        restart_due_ms=record.restart_due_ms,
        restart_pause_ms=record.restart_pause_ms,
        paused=status.paused,
        health=status.health,
        limits_served=status.limits_served,
        evicted=bool(record.eviction),
    )


def wanted(assignment: Assignment) -> Wanted:
    """Project an assignment."""
    return Wanted(
        generation=assignment.generation,
        role=assignment.role,
        desired=assignment.desired,
        run_admitted=assignment.run_admitted,
        stop_grace_ms=assignment.stop_grace_ms,
        ever_ready=assignment.ever_ready,
        restart_mode=assignment.config.restart.mode,
        restart_retries=assignment.config.restart.maximum_retries,
        paused=assignment.paused,
        limits_changed=assignment.limits_changed,
    )
