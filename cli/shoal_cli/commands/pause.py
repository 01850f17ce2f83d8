"""`shoal pause` and `shoal unpause`: each for several containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shoal_cli import params

if TYPE_CHECKING:
    from shoal.cluster import Cluster
    from shoal_proto.v1.container_pb2 import Container, WaitContainerResponse

_containers = click.argument("containers", nargs=-1, required=True, type=params.CONTAINER, metavar="CONTAINER...")


@click.command(short_help="Freeze all processes of containers.")
@_containers
def pause(containers: tuple[str, ...]) -> int:
    """Freeze all processes of running containers, and print each that is frozen.

    They keep their memory and their connections, and take no processor time. stop, kill and rm -f let them go on first.

    \b
    Examples:
      shoal pause web
      shoal pause web db
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> int:
        from shoal_cli.many import each
        from shoal_common.errors import Conflict
        from shoal_proto.v1.container_pb2 import ContainerPhase

        async def freeze(ref: str) -> str:
            end = await _settled(cluster, await cluster.containers.pause(ref))
            if end.phase != ContainerPhase.CONTAINER_PHASE_PAUSED:
                raise Conflict(f'container "{ref}" was not paused: it has ended, or was let go on meanwhile')
            return ref

        return await each(containers, freeze)

    return converse(action)


@click.command(short_help="Let paused containers go on.")
@_containers
def unpause(containers: tuple[str, ...]) -> int:
    """Let all processes of paused containers go on, and print each that does.

    \b
    Examples:
      shoal unpause web
      shoal unpause web db
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> int:
        from shoal_cli.many import each

        async def thaw(ref: str) -> str:
            await _settled(cluster, await cluster.containers.unpause(ref))
            return ref

        return await each(containers, thaw)

    return converse(action)


async def _settled(cluster: Cluster, container: Container) -> WaitContainerResponse:
    from shoal.waiting import Until

    return await cluster.containers.wait(container.spec.id, until=Until.SETTLED, run=container.spec.run)
