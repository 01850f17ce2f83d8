"""How an attempt ended, and the pause that its restart policy then makes, by the clocks of the host."""

from __future__ import annotations

from dataclasses import dataclass

from shoal_agent.clock import Clock, timestamp
from shoal_agent.core import lifecycle, restarts
from shoal_agent.core.model import remembered, wanted
from shoal_agent.core.planning import EndCause
from shoal_agent.core.restarts import End, Pause
from shoal_agent.runtime.tasks import Exited
from shoal_proto.v1.agent_pb2 import ContainerRecord


@dataclass(frozen=True, slots=True)
class Ends:
    """Tells of ends what the clocks say."""

    clock: Clock
    boot_id: str

    def exited(
        self, record: ContainerRecord, cause: EndCause, *, seen: Exited | None, seen_ms: int | None
    ) -> ContainerRecord:
        """Return the record with the end of its newest attempt.

        Args:
            cause: how the end is known.
            seen: what was seen of it; given if that is the cause.
            seen_ms: when the agent heard of it; None if it was not there.
        """
        code, oom_killed, finished, reason = lifecycle.EXIT_UNKNOWN, False, self.clock.wall(), ""
        match cause:
            case EndCause.SEEN:
                assert seen is not None, "the end of a task is seen with its exit code"
                code, oom_killed, finished, reason = seen.code, seen.oom_killed, seen.finished_at, seen.reason
            case EndCause.REBOOT:
                code, reason = lifecycle.EXIT_KILLED, "the host was restarted"
            case EndCause.LOST:
                reason = "its supervisor was killed, its exit code is not known"
        attempt = record.status.attempts[-1]
        # It may have ended by itself just before.
        evicted = bool(record.eviction) and code in (lifecycle.EXIT_KILLED, lifecycle.EXIT_UNKNOWN)
        if evicted:
            reason = record.eviction
        end = End(
            run=attempt.run,
            evicted=evicted,
            code=code,
            started=True,
            by_policy=attempt.by_policy,
            restarts=record.status.restarts,
            # A host that was restarted is not the program's fault.
            ran_ms=restarts.RAN_WELL_MS if cause is EndCause.REBOOT else self._ran_ms(record, finished, seen_ms),
        )
        return lifecycle.exited(
            record,
            code=code,
            oom_killed=oom_killed,
            finished=timestamp(finished),
            reason=reason,
            pause=self.pause_after(end, record),
        )

    def unprepared(self, record: ContainerRecord, *, code: int, reason: str) -> ContainerRecord:
        """Return the record of a container that could not be prepared, for the run that was admitted last."""
        status, run = record.status, record.assignment.run_admitted
        # Prepared only: no run was asked for, or it is not its turn yet; a later one tries again.
        by_policy = bool(record.restart_due_ms) and run <= status.run_served
        end = End(run=run, code=code, started=False, by_policy=by_policy, restarts=status.restarts + 1)
        now, pause = self.clock.timestamp(), self.pause_after(end, record)
        return lifecycle.failed(record, run=run, code=code, reason=reason, now=now, pause=pause, by_policy=by_policy)

    def unstarted(self, record: ContainerRecord, *, code: int, reason: str) -> ContainerRecord:
        """Return the record with a newest attempt that could not be started."""
        attempt = record.status.attempts[-1]
        end = End(
            run=attempt.run,
            code=code,
            started=False,
            by_policy=attempt.by_policy,
            restarts=record.status.restarts,
        )
        now, pause = self.clock.timestamp(), self.pause_after(end, record)
        return lifecycle.failed(record, run=attempt.run, code=code, reason=reason, now=now, pause=pause)

    def pause_after(self, end: End, record: ContainerRecord) -> Pause | None:
        """Return the pause before the policy's next start; None if it makes none."""
        length = restarts.pause_after(end, remembered(record, boot_id=self.boot_id), wanted(record.assignment))
        return None if length is None else self.pause(length)

    def pause(self, length_ms: int, *, due_in: int | None = None) -> Pause:
        """Return a pause of `length_ms` that begins now; over in `due_in` milliseconds if that is said."""
        left = length_ms if due_in is None else due_in
        return Pause(
            length_ms=length_ms,
            due_ms=self.clock.boot_ms() + left,
            boot_id=self.boot_id,
            until=timestamp(self.clock.wall() + left / 1000),
        )

    def _ran_ms(self, record: ContainerRecord, finished: float, seen_ms: int | None) -> int:
        """Return for how long the process of the attempt ran, by clocks that nobody sets.

        Args:
            finished: when it ended, by the wall clock: asked only if no agent was there to see it. A clock that was set
                since can make it seem shorter, which makes the pause no shorter, and no longer than it really was.
        """
        if not record.pid_start_time:
            return 0
        began = self.clock.from_ticks(record.pid_start_time)
        if seen_ms is not None:
            return seen_ms - began
        most = self.clock.boot_ms() - began
        return max(0, min(most, most - int((self.clock.wall() - finished) * 1000)))
