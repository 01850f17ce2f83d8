"""`shoal rename` and `shoal update`: what is changed of containers that exist."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from shoal_cli import params
from shoal_cli.container_options import limits, types

if TYPE_CHECKING:
    from shoal.cluster import Cluster

F = TypeVar("F", bound=Callable[..., Any])
#: Seconds for which a node may take to set limits before it is said that it has not yet.
_PATIENCE: Final = 10.0


@click.command(short_help="Give a container another name.")
@click.argument("container", type=params.CONTAINER, metavar="CONTAINER")
@click.argument("name", type=params.NAME, metavar="NEW_NAME")
def rename(container: str, name: str) -> int:
    """Give a container another name, also while it runs. Its host name stays.

    \b
    Examples:
      shoal rename web web-old
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> None:
        await cluster.containers.rename(container, name)

    return converse(action)


def _limits(function: F) -> F:
    for option in reversed(limits.LIMITS):
        function = option(function)
    return function


@click.command(short_help="Change limits and restart policy of containers.")
@_limits
@click.option("--restart", type=types.RESTART, metavar="POLICY", help="no, on-failure[:N], always, unless-stopped.")
@click.argument("containers", nargs=-1, required=True, type=params.CONTAINER, metavar="CONTAINER...")
def update(containers: tuple[str, ...], restart: str | None, **values: Any) -> int:
    """Change what containers are asked for, also while they run, and print each that was changed.

    What reserves more needs room on the container's node. Memory that is in use can't be taken away: it is told, and
    the limit holds from the next start.

    \b
    Examples:
      shoal update -m 1g --cpus 2 db
      shoal update --cpuset-cpus 0-1 --pids-limit 200 web
      shoal update --restart always web db
    """
    from shoal_cli.session import converse

    wanted = limits.read_limits(values)
    if restart is None and not wanted:
        raise click.UsageError(
            "nothing is to be changed: give --restart or a limit, such as --memory", click.get_current_context()
        )

    async def action(cluster: Cluster) -> int:
        from shoal_cli.many import each

        async def change(ref: str) -> str:
            container = await cluster.containers.update(ref, restart=restart, **wanted)
            if wanted:
                await _limited(cluster, ref, container.spec.id)
            return ref

        return await each(containers, change)

    return converse(action)


async def _limited(cluster: Cluster, ref: str, identifier: str) -> None:
    """Wait until a container is held to its limits.

    Raises:
        Conflict: its node could not do all of it.
    """
    import asyncio

    from shoal_cli.session import note
    from shoal_common.errors import Conflict

    try:
        async with asyncio.timeout(_PATIENCE):
            answers = await _settled(cluster, identifier)
    except TimeoutError:
        answers = False
    if not answers:
        note(f'container "{ref}" is held to its new limits once its node answers')
        return
    container = await cluster.containers.get(identifier)
    if container.status.warning:
        raise Conflict(f'container "{ref}": {container.status.warning}')


async def _settled(cluster: Cluster, identifier: str) -> bool:
    """Wait until a node has acted on limits; False if it is down."""
    from contextlib import aclosing

    from shoal.waiting import Until

    async with aclosing(cluster.containers.progress(identifier, until=Until.LIMITED)) as responses:
        async for response in responses:
            if response.done:
                return True
            if (await cluster.containers.get(identifier)).HasField("node_down_since"):
                return False
    return True
