"""`shoal inspect`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shoal_cli import params

if TYPE_CHECKING:
    from shoal.cluster import Cluster


@click.command(short_help="Show all there is to know of containers, as JSON.")
@click.option("-f", "--format", "form", metavar="json|TEMPLATE", help="Compact JSON, or fields such as {{.spec.id}}.")
@click.argument("containers", nargs=-1, required=True, type=params.CONTAINER, metavar="CONTAINER...")
def inspect(containers: tuple[str, ...], form: str | None) -> int:
    """Show all there is to know of containers: the API's objects as a JSON list.

    \b
    Examples:
      shoal inspect web
      shoal inspect --format '{{.status.exit_code}}' job
      shoal inspect --format '{{.placement.addresses.0.ip}}' web
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> int:
        from shoal_cli.looking import look

        return await look(containers, cluster.containers.get, form)

    return converse(action)
