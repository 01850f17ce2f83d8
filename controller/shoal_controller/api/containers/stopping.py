"""What a stop makes of a container's spec, whoever asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from shoal_common.errors import Conflict
from shoal_controller.api.containers.phases import is_going, is_lost
from shoal_controller.api.containers.reading import name_of
from shoal_controller.api.validation import fields
from shoal_controller.state.store import ContainerEntry
from shoal_proto.v1.container_pb2 import ContainerSpec, DesiredState

SpecChange: TypeAlias = Callable[[ContainerSpec, ContainerEntry], None]


def grace(asked: int | None) -> Callable[[ContainerSpec], int]:
    """Return what gives the milliseconds between stop signal and SIGKILL for a spec.

    Args:
        asked: seconds that the request asks for; None: each container's own.

    Raises:
        InvalidSpec: the request asks for too many.
    """
    if asked is not None:
        fields.stop_timeout(asked)

    def milliseconds(spec: ContainerSpec) -> int:
        own = spec.config.stop_timeout_seconds if spec.config.HasField("stop_timeout_seconds") else None
        return 1000 * next(each for each in (asked, own, fields.DEFAULT_STOP_TIMEOUT) if each is not None)

    return milliseconds


def stop(asked: int | None) -> SpecChange:
    """Return the change of a spec that stops its container; `asked` as for `grace`."""
    wait = grace(asked)

    def change(spec: ContainerSpec, entry: ContainerEntry) -> None:
        refuse_gone(entry, "stopped")
        # One that was created and never started stays as it is; so does one that has ended.
        if is_going(entry):
            spec.desired = DesiredState.DESIRED_STATE_STOPPED
            spec.paused = False
            spec.stop_grace_ms = wait(spec)

    return change


def refuse_gone(entry: ContainerEntry, action: str) -> None:
    """Check that a container is neither being removed nor lost.

    Raises:
        Conflict: it is.
    """
    if entry.spec is not None and entry.spec.value.desired == DesiredState.DESIRED_STATE_REMOVED:
        raise Conflict(f'container "{name_of(entry)}" can\'t be {action}: it is being removed')
    if is_lost(entry):
        raise lost(entry, f"can't be {action}")


def lost(entry: ContainerEntry, what: str) -> Conflict:
    """Return the error for what can't be done with a lost container, such as "can't be started"."""
    return Conflict(
        f'container "{name_of(entry)}" {what}: its node was removed from the cluster by force, and its data with it '
        f"(remove it: shoal rm {entry.id[:12]}, then run it anew)"
    )
