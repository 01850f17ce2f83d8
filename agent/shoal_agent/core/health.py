"""Health checks: what is asked how often, and what the answers make of a container's health. Pure.

As Docker has them (reference of the Dockerfile, HEALTHCHECK): a check follows the end of the one before after its
interval; failures in the start period count only once one has succeeded; so many in a row make it unhealthy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from shoal_common.messages import copied
from shoal_proto.v1.agent_pb2 import ContainerRecord
from shoal_proto.v1.container_pb2 import HealthCheck, HealthState

UNKNOWN: Final = HealthState.HEALTH_STATE_UNSPECIFIED
STARTING: Final = HealthState.HEALTH_STATE_STARTING
HEALTHY: Final = HealthState.HEALTH_STATE_HEALTHY
UNHEALTHY: Final = HealthState.HEALTH_STATE_UNHEALTHY

_INTERVAL_MS: Final = 30_000
_TIMEOUT_MS: Final = 30_000
_START_INTERVAL_MS: Final = 5_000
_RETRIES: Final = 3
#: Milliseconds at least from a change to the next check: what changes with every check is no news so often, which is a
#: record here, a write to the store and an event each time.
_AFTER_CHANGE_MS: Final = 1_000
_SHELL: Final = "/bin/sh"


@dataclass(frozen=True, slots=True)
class Check:
    """How the health of a container is found out; times in milliseconds.

    Attributes:
        args: of the command.
        interval_ms: between the end of one check and the next.
        timeout_ms: for one check.
        start_period_ms: after the start, in which failures don't count.
        start_interval_ms: takes the place of the interval in the start period.
        retries: failures in a row that make it unhealthy.
    """

    args: tuple[str, ...]
    interval_ms: int = _INTERVAL_MS
    timeout_ms: int = _TIMEOUT_MS
    start_period_ms: int = 0
    start_interval_ms: int = _START_INTERVAL_MS
    retries: int = _RETRIES


@dataclass(frozen=True, slots=True)
class Answer:
    """What one check came to.

    Attributes:
        ok: it ended in time, with code 0.
        output: what it wrote, or why it could not.
    """

    ok: bool
    output: str


@dataclass(frozen=True, slots=True)
class Health:
    """What the checks of an attempt have come to.

    Attributes:
        failures: in a row that count.
        output: of the check that made the state what it is.
    """

    state: HealthState
    failures: int = 0
    output: str = ""


def name(state: HealthState) -> str:
    """Return "healthy" for HEALTH_STATE_HEALTHY."""
    return HealthState.Name(state).removeprefix("HEALTH_STATE_").lower()


def check_of(asked: HealthCheck, image: HealthCheck) -> Check | None:
    """Return how the health of a container is found out; None if it isn't.

    Args:
        asked: by its user; field by field it goes before the image's.
        image: what its image says.
    """
    args = _arguments(list(asked.test) or list(image.test))
    if not args:
        return None
    return Check(
        args=args,
        interval_ms=asked.interval_ms or image.interval_ms or _INTERVAL_MS,
        timeout_ms=asked.timeout_ms or image.timeout_ms or _TIMEOUT_MS,
        start_period_ms=asked.start_period_ms or image.start_period_ms,
        start_interval_ms=asked.start_interval_ms or image.start_interval_ms or _START_INTERVAL_MS,
        retries=asked.retries or image.retries or _RETRIES,
    )


def _arguments(test: list[str]) -> tuple[str, ...]:
    """Return the command that a test means; nothing for "NONE", for none, and for what an image can't mean."""
    match test:
        case ["CMD", *args]:
            return tuple(args)
        case ["CMD-SHELL", line]:
            return (_SHELL, "-c", line)
        case _:
            return ()


def pause_before(health: Health, check: Check, *, age_ms: int, changed: bool = False) -> int:
    """Return the milliseconds until the next check of a container that has run for `age_ms`.

    Args:
        changed: the check before has changed its health.
    """
    starts = health.state == STARTING and age_ms < check.start_period_ms
    pause = check.start_interval_ms if starts else check.interval_ms
    return max(pause, _AFTER_CHANGE_MS) if changed else pause


def after(health: Health, answer: Answer, check: Check, *, age_ms: int) -> Health:
    """Return the health after a check of a container that had run for `age_ms` when it was made."""
    if answer.ok:
        return health if health.state == HEALTHY and not health.failures else Health(HEALTHY, output=answer.output)
    if health.state == STARTING and age_ms < check.start_period_ms:
        return health
    failures = health.failures + 1
    if failures < check.retries:
        return Health(health.state, failures, health.output)
    return Health(UNHEALTHY, failures, health.output if health.state == UNHEALTHY else answer.output)


def remembered(record: ContainerRecord) -> Health:
    """Return the health that a record tells of; of an attempt that no check was made of yet, that it starts."""
    return Health(record.status.health or STARTING, output=record.status.health_output)


def noted(record: ContainerRecord, health: Health, *, now: Timestamp) -> ContainerRecord:
    """Its health has changed."""
    changed = copied(record)
    changed.status.health = health.state
    changed.status.health_output = health.output
    changed.status.report += 1
    if health.state != STARTING:
        # That it starts is no news beside its start.
        changed.status.health_at.CopyFrom(now)
    return changed
