"""`shoal system df` and `prune`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shoal_cli import listing
from shoal_cli.codes import FAILED
from shoal_cli.pruning import FILTER

if TYPE_CHECKING:
    from shoal.cluster import Cluster


@click.group(short_help="See what takes room on the nodes, and make room.")
def system() -> None:
    """See what takes room on the nodes, and make room.

    \b
    Examples:
      shoal system df
      shoal system prune
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


@system.command("prune", short_help="Remove what nothing uses, on all nodes.")
@click.option(
    "-a", "--all", "everything", is_flag=True, help="All images that no container has, not only untagged ones."
)
@click.option("--volumes", is_flag=True, help="Also volumes without a name that no container uses.")
@click.option("-f", "--force", is_flag=True, help="Don't ask.")
@click.option(
    "--filter", "filters", multiple=True, metavar="KIND=VALUE", help=f"{FILTER}. Can be repeated; all must hold."
)
def prune(everything: bool, volumes: bool, force: bool, filters: tuple[str, ...]) -> int:
    """Remove containers that do not run, and images that no container of their node has, on all nodes.

    With --volumes also volumes without a name that no container uses; those with a name go with shoal volume prune
    --all. The registry keeps images. until=TIME, 24h (ago) or a date: containers made before, images last used before.
    A node that does not answer is named on stderr; its containers are removed once it does.

    \b
    Examples:
      shoal system prune
      shoal system prune --all --volumes --force
      shoal system prune --force --filter until=24h --filter label!=keep
    """
    from shoal_cli.pruning import agreed, reclaimed, sent_filter, show_containers, show_images
    from shoal_cli.session import converse

    sent = [sent_filter(each) for each in filters]
    if volumes and any(each.startswith("until=") for each in sent):
        raise click.UsageError("--filter until=TIME can't be together with --volumes: volumes have no such time")
    if not force:
        lines = [
            "all containers that do not run",
            *(["all volumes without a name that no container uses, with their data"] if volumes else []),
            f"all images {'' if everything else 'without a tag '}that no container has, from the nodes",
        ]
        which = f"Only what matches {', '.join(filters)}. " if filters else ""
        listed = "".join(f"  - {line}\n" for line in lines)
        if not agreed(f"This removes:\n{listed}{which}Go on?"):
            return FAILED

    async def action(cluster: Cluster) -> int:
        # What containers have is free only once they are gone.
        code, freed = await show_containers(cluster, sent)
        if volumes:
            pruned = await cluster.volumes.prune(filters=sent)
            if pruned.names:
                click.echo("Deleted Volumes:")
            for name in pruned.names:
                click.echo(name)
            freed += pruned.freed_bytes
        images = await cluster.prune_images(all=everything, filters=sent)
        show_images(images)
        click.echo(reclaimed(freed + images.freed_bytes))
        return code

    return converse(action)
