"""`shoal rename` and `shoal update`: what is changed of containers that exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shoal_cli import params

if TYPE_CHECKING:
    from shoal.cluster import Cluster


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


@click.command(short_help="Change what containers are asked for.")
@click.option("--restart", type=params.RESTART, metavar="POLICY", help="no, on-failure[:N], always, unless-stopped.")
@click.argument("containers", nargs=-1, required=True, type=params.CONTAINER, metavar="CONTAINER...")
def update(containers: tuple[str, ...], restart: str | None) -> int:
    """Change what containers are asked for, also while they run, and print each that was changed.

    \b
    Examples:
      shoal update --restart always web db
      shoal update --restart no job
    """
    from shoal_cli.session import converse

    if restart is None:
        raise click.UsageError("nothing is to be changed: give --restart", click.get_current_context())
    policy = restart

    async def action(cluster: Cluster) -> int:
        from shoal_cli.many import each

        async def change(ref: str) -> str:
            await cluster.containers.update(ref, restart=policy)
            return ref

        return await each(containers, change)

    return converse(action)
