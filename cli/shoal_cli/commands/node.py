"""`shoal node ls` and `shoal node inspect`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shoal_cli import params

if TYPE_CHECKING:
    from shoal.cluster import Cluster


@click.group(short_help="Look at the cluster's nodes.")
def node() -> None:
    """Look at the cluster's nodes: the hosts that containers run on."""


@node.command("ls", short_help="List nodes.")
@click.option("-q", "--quiet", is_flag=True, help="Only ids.")
@click.option("--no-trunc", is_flag=True, help="Whole ids.")
@click.option(
    "--format", "form", default="table", show_default=True, metavar="table|json|TEMPLATE", help="How to show."
)
def list_(quiet: bool, no_trunc: bool, form: str) -> int:
    """List nodes: their state, and what is reserved of what they have.

    CPUS and MEMORY are reserved / capacity, CONTAINERS running / all. A template has fields such as {{.Name}},
    {{.Status}}, {{.Labels}}, or paths into the API's object.

    \b
    Examples:
      shoal node ls
      shoal node ls --format '{{.Name}} {{.Status}}'
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> None:
        import time

        from shoal_cli.formats import show
        from shoal_cli.rows import NODE_HEADINGS, node_columns

        found = await cluster.nodes.list()
        columns = node_columns(time.time(), whole=no_trunc)
        if quiet and form == "table":
            for each in found:
                click.echo(columns["ID"][1](each))
        else:
            show(found, form, columns, NODE_HEADINGS)

    return converse(action)


@node.command("inspect", short_help="Show all there is to know of nodes, as JSON.")
@click.option("-f", "--format", "form", metavar="json|TEMPLATE", help="Compact JSON, or fields such as {{.spec.id}}.")
@click.argument("nodes", nargs=-1, required=True, type=params.NODE, metavar="NODE...")
def inspect(nodes: tuple[str, ...], form: str | None) -> int:
    """Show all there is to know of nodes: the API's objects as a JSON list.

    \b
    Examples:
      shoal node inspect node-1
      shoal node inspect --format '{{.status.description.kernel}}' node-1
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> int:
        from shoal_cli.looking import look

        return await look(nodes, cluster.nodes.get, form)

    return converse(action)
