"""`shoal port`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shoal_cli import params
from shoal_cli.container_options import types

if TYPE_CHECKING:
    from shoal.cluster import Cluster


@click.command(short_help="Show by which ports of its node a container is reached.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help="json: an object a line.")
@click.argument("container", type=params.CONTAINER, metavar="CONTAINER")
@click.argument("private", type=types.EXPOSED, metavar="[PORT[/PROTO]]", required=False)
def port(container: str, private: str | None, form: str) -> int:
    """Show by which addresses and ports of its node a container is reached; of one of its ports, or of all.

    \b
    Examples:
      shoal port web
      shoal port web 80
      curl http://$(shoal port web 80/tcp)/
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> None:
        from shoal_cli.formats import as_json

        for each in await cluster.containers.ports(container, private or ""):
            address = f"{each.host_ip}:{each.host_port}"
            if form == "json":
                click.echo(as_json(each))
            else:
                click.echo(address if private else f"{each.container_port}/{each.protocol} -> {address}")

    return converse(action)
