"""What people read of containers and nodes: how long ago, in which state and why."""

from __future__ import annotations

import shlex
from typing import Final

from shoal_common.ids import SHORT_ID
from shoal_proto.v1.container_pb2 import Container, ContainerPhase, HealthState
from shoal_proto.v1.node_pb2 import DrainNodeResponse, DrainOutcome, Node, NodeState

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
#: Docker's steps: below so many seconds, in this unit.
_STEPS: Final = (
    (_MINUTE, 1, "seconds"),
    (_HOUR, _MINUTE, "minutes"),
    (2 * _DAY, _HOUR, "hours"),
    (14 * _DAY, _DAY, "days"),
    (60 * _DAY, 7 * _DAY, "weeks"),
    (730 * _DAY, 30 * _DAY, "months"),
)

_PLAIN: Final = {
    ContainerPhase.CONTAINER_PHASE_PENDING: "Pending",
    ContainerPhase.CONTAINER_PHASE_PREPARING: "Preparing",
    ContainerPhase.CONTAINER_PHASE_CREATED: "Created",
    ContainerPhase.CONTAINER_PHASE_STARTING: "Starting",
    ContainerPhase.CONTAINER_PHASE_STOPPING: "Stopping",
    ContainerPhase.CONTAINER_PHASE_REMOVING: "Removing",
    ContainerPhase.CONTAINER_PHASE_LOST: "Lost",
}

#: How the reason begins of what its node has ended so that it is not exhausted.
_EVICTED: Final = "evicted:"

_HEALTH: Final = {
    HealthState.HEALTH_STATE_STARTING: "health: starting",
    HealthState.HEALTH_STATE_HEALTHY: "healthy",
    HealthState.HEALTH_STATE_UNHEALTHY: "unhealthy",
}


def duration(seconds: float) -> str:
    """Return a length of time as Docker words it, such as "5 minutes"."""
    whole = max(0, int(seconds))
    if whole < 1:
        return "Less than a second"
    if whole == 1:
        return "1 second"
    if _MINUTE <= whole < 2 * _MINUTE:
        return "About a minute"
    if _HOUR <= whole < _HOUR + _HOUR // 2:
        return "About an hour"
    for below, unit, name in _STEPS:
        if whole < below:
            # Hours are rounded, everything else is cut off.
            amount = (whole + _HOUR // 2) // _HOUR if unit == _HOUR else whole // unit
            return f"{amount} {name}"
    return f"{whole // (365 * _DAY)} years"


def status(container: Container, now: float) -> str:
    """Return Docker's STATUS of a container, such as "Up 5 minutes", "Exited (0) 3 seconds ago", "Pending: <reason>".

    Args:
        container: the API's object.
        now: Unix time.
    """
    phase, detail, seen = container.phase, container.detail, container.status
    ago = f"{duration(now - seen.finished_at.ToSeconds())} ago" if seen.HasField("finished_at") else ""
    match phase:
        case ContainerPhase.CONTAINER_PHASE_RUNNING:
            text = f"Up {duration(now - seen.started_at.ToSeconds())}"
            if health := _HEALTH.get(seen.health):
                text += f" ({health})"
            return f"{text} ({detail})" if detail else text
        case ContainerPhase.CONTAINER_PHASE_PAUSED:
            text = f"Up {duration(now - seen.started_at.ToSeconds())} (Paused)"
            return f"{text} ({detail})" if detail else text
        case ContainerPhase.CONTAINER_PHASE_EXITED:
            # What its node did, and not the program; events and inspect have the reason.
            killed = "(OOMKilled)" if seen.oom_killed else "(Evicted)" if seen.reason.startswith(_EVICTED) else ""
            return " ".join(filter(None, (f"Exited ({seen.exit_code})", ago, killed)))
        case ContainerPhase.CONTAINER_PHASE_RESTARTING:
            # Detail says when.
            text = " ".join(filter(None, (f"Restarting ({seen.exit_code})", ago)))
            return f"{text}, {detail}" if detail else text
        case ContainerPhase.CONTAINER_PHASE_FAILED:
            text = " ".join(filter(None, (f"Failed ({seen.exit_code})", ago)))
            return f"{text}: {detail or seen.reason}" if detail or seen.reason else text
    # A newer controller may know more than this client.
    text = _PLAIN.get(phase, f"Unknown ({phase})" if phase else "Unknown")
    return f"{text}: {detail}" if detail else text


def node_status(node: Node, now: float) -> str:
    """Return how a node is, such as "Ready", "Down 5 minutes, cordoned", "Ready, draining", "Ready: <what is wrong>".

    Args:
        node: the API's object.
        now: Unix time.
    """
    state = node.status.state
    if state == NodeState.NODE_STATE_DOWN:
        text = f"Down {duration(now - node.status.since.ToSeconds())}"
    else:
        text = "Ready" if state == NodeState.NODE_STATE_READY else f"Unknown ({state})" if state else "Unknown"
    if node.spec.removal:
        text += ", removing"
    elif node.spec.cordoned:
        text += ", draining" if node.stopping else ", cordoned"
    problems = "; ".join(problem.message or problem.kind for problem in node.status.description.problems)
    return f"{text}: {problems}" if problems else text


def drained(news: DrainNodeResponse) -> str:
    """Return a line on what becomes of a container of a node that is drained."""
    name = news.container_name or news.container_id[:SHORT_ID]
    what = {
        DrainOutcome.DRAIN_OUTCOME_STOPPING: "stopping",
        DrainOutcome.DRAIN_OUTCOME_STOPPED: "stopped",
        DrainOutcome.DRAIN_OUTCOME_LEFT: "left running",
    }.get(news.outcome, "unknown")
    return f"{name}: {what}; {news.reason}" if news.reason else f"{name}: {what}"


def command(container: Container) -> str:
    """Return what a container runs: as the node resolved it, else as far as it was said."""
    words = list(container.status.command)
    if not words:
        words = [*container.spec.config.entrypoint.values, *container.spec.config.args]
    return shlex.join(words) if any(" " in word for word in words[1:]) else " ".join(words)


def cut(text: str, limit: int) -> str:
    """Return `text` cut to `limit` characters, the last then an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
