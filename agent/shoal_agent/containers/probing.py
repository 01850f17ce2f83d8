"""Watches over the health of one attempt: a check after the other, for as long as it is let."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from shoal_agent.clock import Clock
from shoal_agent.containers.host import ContainerHost, task_key
from shoal_agent.core import health
from shoal_agent.core.health import Answer, Check, Health
from shoal_agent.runtime.task import TaskKey
from shoal_common.errors import Conflict, ShoalError
from shoal_common.ids import SHORT_ID
from shoal_proto.v1.agent_pb2 import ContainerRecord

log = logging.getLogger(__name__)


async def watch(
    check: Check,
    before: Health,
    *,
    age_ms: Callable[[], int],
    probe: Callable[[Check], Awaitable[Answer]],
    tell: Callable[[Health], None],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Make checks until cancelled, and tell what they come to whenever that changes.

    Args:
        before: what earlier checks of the attempt have come to.
        age_ms: for how long the container has run.
        probe: makes one check.
    """
    now, changed = before, False
    while True:
        await sleep(health.pause_before(now, check, age_ms=age_ms(), changed=changed) / 1000)
        age = age_ms()
        try:
            answer = await probe(check)
        except Conflict as error:
            # It is about to end, which is told elsewhere.
            log.debug("no health check: %s", error)
            continue
        except (ShoalError, OSError) as error:
            answer = Answer(ok=False, output=str(error))
        was, now = now, health.after(now, answer, check, age_ms=age)
        changed = now.state != was.state
        if changed:
            tell(now)


class Prober:
    """Has the health of one container watched while it can be.

    Args:
        tell: called with the attempt and its health when that changes.
    """

    def __init__(self, host: ContainerHost, clock: Clock, tell: Callable[[TaskKey, Health], None]) -> None:
        self._host = host
        self._clock = clock
        self._tell = tell
        self._task: asyncio.Task[None] | None = None

    async def attend(self, record: ContainerRecord, *, live: bool) -> None:
        """Begin to watch, or end it.

        Args:
            record: of the container.
            live: its process runs, and is neither frozen nor on its way out.
        """
        check = health.check_of(record.assignment.config.health, record.image_config.healthcheck)
        if not live or check is None:
            await self.stop()
        elif self._task is None or self._task.done():
            key, began = task_key(record), self._clock.from_ticks(record.pid_start_time)
            self._task = asyncio.create_task(
                watch(
                    check,
                    health.remembered(record),
                    age_ms=lambda: self._clock.boot_ms() - began,
                    probe=lambda check: self._host.probe(record, check),
                    tell=lambda now: self._tell(key, now),
                ),
                name=f"health-{key.container[:SHORT_ID]}",
            )

    async def stop(self) -> None:
        """End the watch, and a check under way."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
