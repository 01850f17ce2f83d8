"""`shoal inspect`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shoal_cli import listing, params

if TYPE_CHECKING:
    from shoal.cluster import Cluster


@click.command(short_help="Show all there is to know of containers, as JSON.")
@listing.inspected("{{.State.Status}}")
@click.argument("containers", nargs=-1, required=True, type=params.CONTAINER, metavar="CONTAINER...")
def inspect(containers: tuple[str, ...], form: str | None) -> int:
    """Show all there is to know of containers: a JSON list of what Docker has of one; json: the API's objects.

    \b
    Examples:
      shoal inspect web
      shoal inspect --format '{{.State.ExitCode}}' job
      shoal inspect --format '{{.NetworkSettings.IPAddress}} {{.Node.Name}}' web
      shoal inspect --format '{{(index .NetworkSettings.Ports "80/tcp" 0).HostPort}}' web
      shoal inspect --format '{{range .Mounts}}{{.Destination}}\\n{{end}}' db
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> int:
        from shoal_cli.documents.containers import document
        from shoal_cli.looking import look

        return await look(containers, cluster.containers.get, form, document)

    return converse(action)
