"""`shoal ps`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shoal_cli import listing

if TYPE_CHECKING:
    from shoal.cluster import Cluster


@click.command(short_help="List containers.")
@click.option("-a", "--all", "everything", is_flag=True, help="Also those that do not run.")
@listing.quiet
@listing.no_trunc("Whole ids and commands.")
@click.option(
    "-f",
    "--filter",
    "filters",
    multiple=True,
    metavar="KIND=VALUE",
    help="label=KEY, label=KEY=VALUE or node=NAME. Can be repeated; all must hold.",
)
@listing.form
def ps(everything: bool, quiet: bool, no_trunc: bool, filters: tuple[str, ...], form: str) -> int:
    """List containers, newest first.

    A template has fields such as {{.ID}}, {{.Image}}, {{.Command}}, {{.CreatedAt}}, {{.RunningFor}}, {{.Status}},
    {{.State}}, {{.Ports}}, {{.Node}}, {{.Names}}, {{.Labels}}, or paths into the API's object, which json shows.

    \b
    Examples:
      shoal ps -a
      shoal ps -q --filter label=tier=front
      shoal ps --format '{{.Names}} {{.Node}} {{.placement.addresses.0.ip}}'
    """
    from shoal_cli.session import converse

    labels, node = _filters(filters)

    async def action(cluster: Cluster) -> None:
        import time

        from shoal_cli.formats import show_list
        from shoal_cli.rows import CONTAINER_HEADINGS, container_columns

        found = await cluster.containers.list(all=everything, labels=labels, node=node)
        found.reverse()
        columns = container_columns(time.time(), whole=no_trunc)
        show_list(found, form, columns, CONTAINER_HEADINGS, quiet=quiet)

    return converse(action)


def _filters(filters: tuple[str, ...]) -> tuple[list[str], str]:
    labels: list[str] = []
    node = ""
    for each in filters:
        kind, _, value = each.partition("=")
        if kind == "label" and value:
            labels.append(value)
        elif kind == "node" and value and not node:
            node = value
        else:
            raise click.UsageError(
                f'filter "{each}" is not valid (write label=KEY, label=KEY=VALUE or, once, node=NAME)',
                click.get_current_context(),
            )
    return labels, node
