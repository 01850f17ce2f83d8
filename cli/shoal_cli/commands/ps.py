"""`shoal ps`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from shoal_cli import listing, params
from shoal_cli.filters import FilterBy
from shoal_common.containers.filters import FILTER_KEYS, choices, parse_filter

if TYPE_CHECKING:
    from shoal.cluster import Cluster

#: What the values of filters are the names of.
_NAMED: Final = {
    "before": "container",
    "name": "container",
    "since": "container",
    "ancestor": "image",
    "node": "node",
    "volume": "volume",
}


@click.command(short_help="List containers.")
@click.option("-a", "--all", "everything", is_flag=True, help="Also those that do not run.")
@listing.quiet
@listing.no_trunc("Whole ids and commands.")
@click.option("-n", "--last", type=params.POSITIVE, metavar="N", help="The N that were created last, in any state.")
@click.option("-l", "--latest", is_flag=True, help="The one that was created last, in any state.")
@click.option("-s", "--size", is_flag=True, help="Also what each has written; the nodes count it for this.")
@click.option(
    "-f",
    "--filter",
    "filters",
    multiple=True,
    type=FilterBy(parse_filter, FILTER_KEYS, choices, _NAMED),
    metavar="KEY=VALUE",
    help=f"KEY is one of {', '.join(FILTER_KEYS)}. Can be repeated.",
)
@listing.form
def ps(
    everything: bool,
    quiet: bool,
    no_trunc: bool,
    last: int | None,
    latest: bool,
    size: bool,
    filters: tuple[str, ...],
    form: str,
) -> int:
    """List containers, newest first.

    The same KEY several times lets any of its values through (of labels all must fit); different keys must all fit.
    status, exited, -n and -l also show containers that do not run. SIZE is unknown where a node does not answer.

    A template has {{.ID}}, {{.Image}}, {{.Command}}, {{.CreatedAt}}, {{.RunningFor}}, {{.Status}}, {{.State}},
    {{.Ports}}, {{.Node}}, {{.Names}}, {{.Labels}}, {{.Label "KEY"}}, {{.Mounts}}, {{.Networks}}, {{.Size}}, and the
    fields of the API's object, which json shows.

    \b
    Examples:
      shoal ps -a
      shoal ps -q --filter label=tier=front
      shoal ps -f status=exited -f exited=1 -f exited=137
      shoal ps -f name=^web -f node=node-1 -f health=unhealthy
      shoal ps -l --format '{{.Names}} {{.Node}} {{json .placement}}'
      shoal ps --format 'table {{.Names}}\\t{{.Node}}\\t{{.Label "tier"}}'
    """
    from shoal_cli.session import converse

    if latest and last is not None:
        raise click.UsageError("-n and -l don't go together (-l is -n 1)")
    newest = 1 if latest else last or 0

    async def action(cluster: Cluster) -> None:
        import time

        from shoal_cli.formats import show_list
        from shoal_cli.rows import CONTAINER_HEADINGS, container_columns

        counted = size or ".Size" in form
        found = await cluster.containers.list(all=everything, filters=filters, last=newest, size=counted)
        found.reverse()
        columns = container_columns(time.time(), whole=no_trunc)
        headings = (*CONTAINER_HEADINGS, "Size") if size else CONTAINER_HEADINGS
        show_list(found, form, columns, headings, quiet=quiet, labels=lambda c: c.spec.config.labels)

    return converse(action)
