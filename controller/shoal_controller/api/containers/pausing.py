"""What pause and unpause make of a container's spec, and what else its wish to be paused stands in the way of."""

from __future__ import annotations

from shoal_common.errors import Conflict
from shoal_controller.api.containers import stopping
from shoal_controller.api.containers.phases import phase_name, phase_of, present_status
from shoal_controller.api.containers.reading import name_of
from shoal_controller.state.store import ContainerEntry
from shoal_proto.v1.container_pb2 import ContainerPhase, ContainerSpec


def pause(spec: ContainerSpec, entry: ContainerEntry) -> None:
    """Ask for a container to be frozen.

    Raises:
        Conflict: it doesn't run, or is frozen already.
    """
    stopping.refuse_gone(entry, "paused")
    phase = phase_of(entry)
    if spec.paused and phase in (ContainerPhase.CONTAINER_PHASE_RUNNING, ContainerPhase.CONTAINER_PHASE_PAUSED):
        raise Conflict(f'container "{name_of(entry)}" is paused already (let it go on: shoal unpause {name_of(entry)})')
    if phase not in (ContainerPhase.CONTAINER_PHASE_RUNNING, ContainerPhase.CONTAINER_PHASE_PAUSED):
        raise Conflict(f'container "{name_of(entry)}" can\'t be paused: it is {phase_name(phase)}, not running')
    spec.paused = True


def unpause(spec: ContainerSpec, entry: ContainerEntry) -> None:
    """Ask for a container to go on.

    Raises:
        Conflict: it isn't frozen, nor asked to be.
    """
    stopping.refuse_gone(entry, "unpaused")
    status = present_status(entry)
    if not spec.paused and not (status is not None and status.paused):
        raise Conflict(f'container "{name_of(entry)}" is not paused (it is {phase_name(phase_of(entry))})')
    spec.paused = False


def is_paused(entry: ContainerEntry) -> bool:
    """Say whether a container is asked to be frozen."""
    return entry.spec is not None and entry.spec.value.paused
