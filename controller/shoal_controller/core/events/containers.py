"""What happened to a container: from its spec, placement, status and tombstone, before and after.

A status carries its last 16 attempts, so that what a node did while nobody heard of it is told later, with its own
times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from shoal_common.status import is_terminal
from shoal_controller.core.events.telling import CONTAINER, LABEL, event
from shoal_proto.v1.container_pb2 import (
    Attempt,
    ContainerPlacement,
    ContainerSpec,
    ContainerStatus,
    HealthState,
    Tombstone,
)
from shoal_proto.v1.event_pb2 import Event

#: Nanoseconds that a container may wait for its place before that is an event.
PATIENCE_NS: Final = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Parts:
    """What is stored of one container."""

    namespace: str
    id: str
    spec: ContainerSpec | None = None
    placement: ContainerPlacement | None = None
    status: ContainerStatus | None = None


@dataclass(frozen=True, slots=True)
class _About:
    """What every event of a container says."""

    namespace: str
    id: str
    name: str
    image: str
    labels: Mapping[str, str]
    trace_id: str = ""

    def tell(self, action: str, time: Timestamp, which: object = "", node: str = "", **attributes: object) -> Event:
        told = event(CONTAINER, self.id, action, time, which, name=self.name, node=node)
        told.namespace, told.trace_id = self.namespace, self.trace_id
        for label, value in self.labels.items():
            told.attributes[LABEL + label] = value
        for key, attribute in attributes.items():
            if attribute not in ("", None):
                told.attributes[key] = str(attribute)
        if self.image:
            told.attributes["image"] = self.image
        return told


def container_events(before: Parts | None, after: Parts, node_name: Callable[[str], str]) -> Iterator[Event]:
    """Yield what happened to a container that is there.

    Args:
        before: None: everything that is stored of it is told.
        after: what is stored of it now.
        node_name: of a node's id.
    """
    spec = after.spec or (before.spec if before is not None else None)
    if spec is None:
        return
    about = _About(
        after.namespace, after.id, spec.name, spec.config.image, spec.config.labels, _trace(before, after.spec)
    )
    if before is None or before.spec is None:
        yield about.tell("create", spec.created_at)
    yield from _renamed(about, before.spec if before is not None else None, after.spec)
    old = before.placement if before is not None else None
    placement = after.placement
    if placement is not None and placement is not old:
        yield from _placed(about, spec.created_at, old, placement, node_name(placement.node))
    status, seen = after.status, before.status if before is not None else None
    if status is not None and status is not seen:
        here = placement is not None and placement.generation == status.generation
        node = node_name(placement.node) if here and placement else ""
        yield from _attempts(about, seen, status, node)
        yield from _paused(about, seen, status, node)
        yield from _health(about, seen, status, node)


def removal_events(before: Parts | None, tombstone: Tombstone) -> Iterator[Event]:
    """Yield what happened to a container of which a tombstone is left, up to its removal.

    Args:
        before: None: everything that the tombstone remembers is told.
        tombstone: was put.
    """
    about = _About(
        tombstone.namespace, tombstone.id, tombstone.name, tombstone.image, tombstone.labels, tombstone.trace_id
    )
    if before is None and tombstone.HasField("created_at"):
        yield about.tell("create", tombstone.created_at)
        if tombstone.HasField("placed_at"):
            placement = ContainerPlacement(generation=tombstone.generation, placed_at=tombstone.placed_at)
            yield from _placed(about, tombstone.created_at, None, placement, tombstone.node_name)
    code: int | None = None
    if tombstone.HasField("status"):
        yield from _attempts(
            about, before.status if before is not None else None, tombstone.status, tombstone.node_name
        )
        code = tombstone.status.exit_code if is_terminal(tombstone.status) else None
    yield about.tell("remove", tombstone.removed_at, node=tombstone.node_name, exit_code=code)


def pending_since(parts: Parts) -> int | None:
    """Return since when (nanoseconds) a container waits for its first place; None if it does not."""
    if parts.spec is None or parts.placement is not None:
        return None
    return parts.spec.created_at.ToNanoseconds()


def pending_event(parts: Parts) -> Event:
    """Return the event that a container has waited too long for its first place."""
    spec = parts.spec
    assert spec is not None, "what waits has a spec"
    about = _About(parts.namespace, parts.id, spec.name, spec.config.image, spec.config.labels)
    return _pending(about, spec.created_at)


def _pending(about: _About, created_at: Timestamp) -> Event:
    time = Timestamp()
    time.FromNanoseconds(created_at.ToNanoseconds() + PATIENCE_NS)
    return about.tell("pending", time)


def _trace(before: Parts | None, spec: ContainerSpec | None) -> str:
    """Return the trace that brought the change about, where the spec still is the one that was created."""
    if spec is None or (before is None and spec.last_request_id):
        return ""
    return spec.trace_id


def _placed(
    about: _About, created_at: Timestamp, old: ContainerPlacement | None, placement: ContainerPlacement, node: str
) -> Iterator[Event]:
    if old is None or old.generation != placement.generation:
        waited = placement.placed_at.ToNanoseconds() - created_at.ToNanoseconds()
        if placement.generation == 1 and waited >= PATIENCE_NS:
            yield _pending(about, created_at)
        yield about.tell("place", placement.placed_at, placement.generation, node, generation=placement.generation)
    if placement.HasField("lost_at") and not (old is not None and old.HasField("lost_at")):
        yield about.tell("lost", placement.lost_at, placement.generation, node)


def _attempts(about: _About, seen: ContainerStatus | None, status: ContainerStatus, node: str) -> Iterator[Event]:
    generation = status.generation
    same = seen is not None and seen.generation == generation
    known = {attempt.number: attempt for attempt in seen.attempts} if same and seen is not None else {}
    highest = max(known, default=0)
    for index, attempt in enumerate(status.attempts):
        before = known.get(attempt.number)
        missing = max(0, attempt.number - highest - 1) if index == 0 else 0
        which = f"{generation}.{attempt.number}"
        if attempt.HasField("started_at") and not (before is not None and before.HasField("started_at")):
            yield about.tell(
                "restart" if attempt.by_policy else "start",
                attempt.started_at,
                which,
                node,
                attempt=attempt.number,
                run=attempt.run,
                missing=missing or "",
                ready_at=_text(attempt, "ready_at"),
                starting_at=_text(attempt, "starting_at"),
            )
            missing = 0
        if attempt.HasField("finished_at") and not (before is not None and before.HasField("finished_at")):
            yield from _ended(about, attempt, which, node, missing)


def _ended(about: _About, attempt: Attempt, which: str, node: str, missing: int) -> Iterator[Event]:
    # The kernel's coarse clock, which stamps the end, may be some milliseconds behind: nothing ends before it starts.
    time = max(attempt.finished_at, attempt.started_at, key=Timestamp.ToNanoseconds)
    if attempt.oom_killed:
        yield about.tell("oom", time, which, node, attempt=attempt.number)
    yield about.tell(
        "die" if attempt.HasField("started_at") else "fail",
        time,
        which,
        node,
        attempt=attempt.number,
        run=attempt.run,
        exit_code=attempt.exit_code,
        reason=attempt.reason,
        missing=missing or "",
    )


def _renamed(about: _About, old: ContainerSpec | None, spec: ContainerSpec | None) -> Iterator[Event]:
    if spec is None or not spec.HasField("renamed_at") or (old is not None and old.renamed_at == spec.renamed_at):
        return
    at = spec.renamed_at
    yield about.tell("rename", at, at.ToNanoseconds(), old_name=spec.old_name)


def _paused(about: _About, seen: ContainerStatus | None, status: ContainerStatus, node: str) -> Iterator[Event]:
    at = status.paused_at
    if not status.HasField("paused_at") or is_terminal(status) or (seen is not None and seen.paused_at == at):
        return
    action = "pause" if status.paused else "unpause"
    yield about.tell(action, at, at.ToNanoseconds(), node, attempt=status.attempt)


def _health(about: _About, seen: ContainerStatus | None, status: ContainerStatus, node: str) -> Iterator[Event]:
    at = status.health_at
    if not status.HasField("health_at") or (seen is not None and seen.health_at == at):
        return
    if status.health not in HealthState.values():
        return  # Of a newer version: what it means is not known here.
    name = HealthState.Name(status.health).removeprefix("HEALTH_STATE_").lower()
    yield about.tell("health_status", at, at.ToNanoseconds(), node, attempt=status.attempt, health=name)


def _text(attempt: Attempt, field: str) -> str:
    if not attempt.HasField(field):
        return ""
    time: Timestamp = getattr(attempt, field)
    return time.ToJsonString()
