"""The order of what nodes report of containers."""

from __future__ import annotations

from typing import Final

from shoal_proto.v1.container_pb2 import ContainerState, ContainerStatus

#: States in which an attempt has ended.
TERMINAL: Final = frozenset({ContainerState.CONTAINER_STATE_EXITED, ContainerState.CONTAINER_STATE_FAILED})


def order(status: ContainerStatus) -> tuple[int, int, int, int]:
    """Return the key by which statuses of one container are ordered; a smaller one is refused."""
    return (status.generation, status.attempt, status.state, status.report)


def is_over(status: ContainerStatus) -> bool:
    """Say whether the newest attempt has ended and the restart policy makes no other."""
    return is_terminal(status) and not restarts(status)


def restarts(status: ContainerStatus) -> bool:
    """Say whether it has ended and its restart policy starts it again."""
    return is_terminal(status) and status.HasField("restart_at")


def is_terminal(status: ContainerStatus) -> bool:
    """Say whether the attempt that `status` tells of has ended."""
    return status.state in TERMINAL
