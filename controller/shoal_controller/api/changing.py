"""Changing what a container that exists is asked for: its restart policy."""

from __future__ import annotations

from shoal_common.errors import InvalidSpec
from shoal_controller.api import stopping, validate_life
from shoal_controller.api.reading import name_of
from shoal_controller.api.stopping import SpecChange
from shoal_controller.state.store import ContainerEntry
from shoal_proto.v1.container_pb2 import ContainerSpec, UpdateContainerRequest


def update(request: UpdateContainerRequest) -> SpecChange:
    """Return the change of a spec that a request asks for.

    Raises:
        InvalidSpec: it asks for nothing, or for what can't be changed.
    """
    if request.resources.ByteSize():
        raise InvalidSpec(
            f'limits of container "{request.container.ref}" can\'t be changed (remove it and run it anew with others)'
        )
    if not request.HasField("restart"):
        raise InvalidSpec(f'nothing is to be changed of container "{request.container.ref}" (name a restart policy)')
    validate_life.restart(request.restart, auto_remove=False)

    def change(spec: ContainerSpec, entry: ContainerEntry) -> None:
        stopping.refuse_gone(entry, "changed")
        try:
            validate_life.restart(request.restart, auto_remove=spec.config.auto_remove)
        except InvalidSpec:
            raise InvalidSpec(
                f'container "{name_of(entry)}" is removed once it has ended and can\'t be started again '
                "(it was made with --rm)"
            ) from None
        spec.config.restart.CopyFrom(request.restart)

    return change
