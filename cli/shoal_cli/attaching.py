"""Attached to a container that is there already: `shoal attach` and `shoal start -a`."""

from __future__ import annotations

from typing import Final

from shoal.cluster import Cluster
from shoal_cli.attach import Attachment
from shoal_cli.joining import Streams
from shoal_cli.session import note
from shoal_cli.terminal import require
from shoal_common.errors import Conflict
from shoal_proto.v1.container_pb2 import Container, ContainerPhase

#: Why a container in such a phase can't be attached to.
_REFUSED: Final = {
    ContainerPhase.CONTAINER_PHASE_PAUSED: "it is paused (unpause it first: shoal unpause {name})",
    ContainerPhase.CONTAINER_PHASE_RESTARTING: "it is restarting (wait until it runs)",
    ContainerPhase.CONTAINER_PHASE_REMOVING: "it is being removed",
}
_ATTACHABLE: Final = (ContainerPhase.CONTAINER_PHASE_RUNNING, ContainerPhase.CONTAINER_PHASE_STOPPING)


def _streams(container: Container, *, stdin: bool, keys: bytes) -> Streams:
    config = container.spec.config
    streams = Streams(stdin=stdin and config.open_stdin, tty=config.tty, keys=keys)
    if streams.raw:
        require()
    return streams


async def attach(cluster: Cluster, ref: str, *, stdin: bool, proxy: bool, keys: bytes) -> int:
    """Attach to a running container; return its exit code, or 0 once the keys were pressed.

    Raises:
        Conflict: it does not run.
    """
    container = await cluster.containers.get(ref)
    if container.phase not in _ATTACHABLE:
        name = container.spec.name
        why = _REFUSED.get(container.phase, "it does not run (start it: shoal start -a {name})").format(name=name)
        raise Conflict(f'container "{name}" can\'t be attached to: {why}')
    streams = _streams(container, stdin=stdin, keys=keys)

    async def begin() -> Container:
        return container

    return await Attachment(
        cluster, container.spec.id, begin, streams=streams, abandon=_nothing, logs=False, proxy=proxy
    ).run()


async def started(cluster: Cluster, ref: str, *, stdin: bool, proxy: bool, keys: bytes) -> int:
    """Start a container, stay with it, and return its exit code."""
    before = await cluster.containers.get(ref)
    name = before.spec.name
    streams = _streams(before, stdin=stdin, keys=keys)

    async def begin() -> Container:
        return await cluster.containers.start(before.spec.id)

    async def abandon() -> None:
        note(f"container {name} is started all the same once it can be (take that back with: shoal stop {name})")

    running = before.phase in _ATTACHABLE
    return await Attachment(
        cluster, before.spec.id, begin, streams=streams, abandon=abandon, logs=not running, proxy=proxy
    ).run()


async def _nothing() -> None:
    pass
