"""`shoal inspect`."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from shoal_cli import listing, params

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from google.protobuf.message import Message

    from shoal.cluster import Cluster


@click.command(short_help="Show all there is to know of containers, images, volumes and nodes.")
@listing.inspected("{{.State.Status}}")
@click.option(
    "--type",
    "kind",
    type=click.Choice(list(params.KINDS)),
    help="Look for this only; left out: for all, in this order.",
)
@click.option(
    "-s", "--size", is_flag=True, help="Also what containers and volumes take; their nodes count it for this."
)
@click.argument("names", nargs=-1, required=True, type=params.OBJECT, metavar="NAME...")
def inspect(names: tuple[str, ...], form: str | None, kind: str | None, size: bool) -> int:
    """Show all there is to know of containers, or of images, volumes and nodes: a JSON list of what Docker has of one.

    json as a format shows the API's objects, in which templates can look as well.

    \b
    Examples:
      shoal inspect web
      shoal inspect --format '{{.State.ExitCode}}' job
      shoal inspect --format '{{.NetworkSettings.IPAddress}} {{.Node.Name}}' web
      shoal inspect --format '{{(index .NetworkSettings.Ports "80/tcp" 0).HostPort}}' web
      shoal inspect --format '{{range .Mounts}}{{.Destination}}{{println}}{{end}}' db
      shoal inspect --type volume data
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> int:
        from functools import partial

        from shoal_cli.documents.kinds import document
        from shoal_cli.looking import look
        from shoal_common.errors import NotFound

        getters: dict[str, Callable[[str], Awaitable[Message]]] = {
            "container": partial(cluster.containers.get, size=size),
            "volume": partial(cluster.volumes.get, size=size),
            "node": cluster.nodes.get,
            "image": cluster.images.get,
        }
        kinds = [kind] if kind is not None else list(getters)

        async def get(name: str) -> Message:
            for each in kinds:
                if params.KINDS[each].fits(name):
                    with contextlib.suppress(NotFound):
                        return await getters[each](name)
            what = kind or "container, volume, node or image"
            raise NotFound(f'no {what} is called "{name}" (shoal ps -a lists containers)')

        return await look(names, get, form, document)

    return converse(action)
