"""`shoal top`: the processes of a container."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shoal_cli import params

if TYPE_CHECKING:
    from shoal.cluster import Cluster


@click.command(short_help="Show the processes of a container.", context_settings={"ignore_unknown_options": True})
@click.option("--format", "form", default="table", metavar="table|json", help="How to show them.")
@click.argument("container", type=params.CONTAINER, metavar="CONTAINER")
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[PS OPTIONS]")
def top(container: str, options: tuple[str, ...], form: str) -> int:
    """Show the processes of a container, as ps would: -ef, aux, or -o with columns.

    Process ids and users are those of the container, which its own commands use. With json there are the node's as
    well, one process a line.

    \b
    Examples:
      shoal top web
      shoal top web aux
      shoal top web -o pid,rss,etime,cmd
      shoal exec web kill -HUP 7      with an id from the table
    """
    from shoal_cli.process_table import columns_of
    from shoal_cli.session import converse

    if form not in ("table", "json"):
        raise click.UsageError(f'format "{form[:40]}" is not known (use table, or json)')
    columns = columns_of(options)

    async def action(cluster: Cluster) -> None:
        import time

        from shoal_cli.formats import as_json
        from shoal_cli.process_table import shown

        processes = await cluster.containers.top(container)
        if form == "json":
            for process in processes:
                click.echo(as_json(process))
        else:
            click.echo(shown(processes, columns, time.time()))

    return converse(action)
