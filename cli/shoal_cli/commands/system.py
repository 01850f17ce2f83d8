"""`shoal system df`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shoal_cli import listing

if TYPE_CHECKING:
    from shoal.cluster import Cluster


@click.group(short_help="See what takes room on the nodes.")
def system() -> None:
    """See what takes room on the nodes.

    \b
    Examples:
      shoal system df
    """


@system.command("df", short_help="Show what takes room on the nodes' disks.")
@click.option("-v", "--verbose", is_flag=True, help="Each image, container and volume.")
@click.option("--by-node", is_flag=True, help="Rows for each node.")
@click.option("--node", "nodes", multiple=True, metavar="NODE", help="Only this node. Can be repeated.")
@listing.form
def df(verbose: bool, by_node: bool, nodes: tuple[str, ...], form: str) -> int:
    """Show what takes room on the nodes' disks, all nodes together.

    The nodes count it for this, with the least priority and for 20 s at most. An image counts on each node that has
    it. RECLAIMABLE is what no container has, what does not run, what no container uses. A node that does not answer is
    named on stderr.

    A template has the fields {{.Type}}, {{.TotalCount}}, {{.Active}}, {{.Size}} and {{.Reclaimable}}; json is the API's
    object.

    \b
    Examples:
      shoal system df
      shoal system df --by-node
      shoal system df -v --node node2
      shoal system df --format '{{.Type}} {{.Reclaimable}}'
    """
    from shoal_cli.session import converse, note

    if form not in ("table", "json") and (verbose or by_node):
        raise click.UsageError("a template is for the table without --verbose and --by-node")
    if verbose and by_node:
        raise click.UsageError("--verbose names the node of each already (leave --by-node out)")

    async def action(cluster: Cluster) -> None:
        import time

        from shoal_cli import usage_tables
        from shoal_cli.formats import as_json, filled, table

        found = await cluster.usage(nodes=nodes, detail=verbose)
        for line in usage_tables.notes(found.nodes):
            note(line)
        rows = usage_tables.rows(found.nodes)
        if form == "json":
            click.echo(as_json(found))
        elif verbose:
            click.echo(usage_tables.detail(found.nodes, time.time()))
        elif by_node:
            click.echo(usage_tables.by_node(found.nodes))
        elif form == "table":
            click.echo(table(usage_tables.HEADINGS, rows))
        else:
            names = dict(zip(usage_tables.FIELDS, usage_tables.HEADINGS, strict=True))
            cells = [dict(zip(usage_tables.FIELDS, row, strict=True)) for row in rows]
            for line in filled(cells, form, names):
                click.echo(line)

    return converse(action)
