"""`shoal volume`: directories that outlive containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shoal_cli import listing, params
from shoal_cli.codes import FAILED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoal.cluster import Cluster
    from shoal_proto.v1.volume_pb2 import Volume


@click.group(short_help="Make, list and remove volumes.")
def volume() -> None:
    """Make, list and remove volumes: directories that outlive containers.

    The data of a volume is on one node: on that of the first container that uses it. All that use it later go there.

    \b
    Examples:
      shoal volume create data
      shoal run -d -v data:/var/lib/db db:1
      shoal volume ls
    """


@volume.command("create", short_help="Make a volume.")
@click.option("-d", "--driver", type=click.Choice(["local"]), default="local", help="What keeps it: a node's disk.")
@click.option(
    "-l",
    "--label",
    "labels",
    multiple=True,
    type=params.LABEL,
    metavar="KEY[=VALUE]",
    help="Set a label. Can be repeated.",
)
@click.option(
    "--constraint",
    "constraints",
    multiple=True,
    metavar="KEY==VALUE",
    help="Only on nodes where this holds, as for a container. Can be repeated.",
)
@click.argument("name", required=False, type=params.VOLUME_NAME, metavar="[NAME]")
def create(driver: str, labels: tuple[str, ...], constraints: tuple[str, ...], name: str | None) -> int:
    """Make a volume, and print its name. One that is there already, with the same labels, stays as it is.

    \b
    Examples:
      shoal volume create data
      shoal volume create --constraint node.labels.ssd==true fast
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> None:
        made = await cluster.volumes.create(name or "", labels=params.pairs(labels), constraints=constraints)
        click.echo(made.spec.name)

    return converse(action)


_size = click.option(
    "-s", "--size", is_flag=True, help="Also how many bytes it has on the disk; its node counts them for this."
)


@volume.command("ls", short_help="List volumes.")
@click.option("-q", "--quiet", is_flag=True, help="Only names.")
@click.option(
    "-f",
    "--filter",
    "filters",
    multiple=True,
    metavar="KEY=VALUE",
    help="name=TEXT, label=KEY[=VALUE], dangling=true|false (no container uses it), node=NAME. Can be repeated.",
)
@_size
@listing.form
def list_(quiet: bool, filters: tuple[str, ...], size: bool, form: str) -> int:
    """List volumes, and the node that has the data of each; "-": no container has used it yet.

    A template has fields such as {{.Name}}, {{.Node}}, {{.Labels}}, {{.Size}}, or paths into the API's object.

    \b
    Examples:
      shoal volume ls
      shoal volume ls -q -f dangling=true
      shoal volume ls --size
      shoal volume ls --format '{{.Name}} {{.Node}}'
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> None:
        from shoal_cli.formats import show
        from shoal_cli.rows import VOLUME_HEADINGS, volume_columns

        found = await cluster.volumes.list(filters=filters, size=size)
        if quiet and form == "table":
            for each in found:
                click.echo(each.spec.name)
        else:
            headings = (*VOLUME_HEADINGS, "Size") if size else VOLUME_HEADINGS
            show(found, form, volume_columns(), headings, lambda volume: volume.spec.labels)
            if size:
                _note_unknown(found)

    return converse(action)


_volumes = click.argument("volumes", nargs=-1, required=True, type=params.VOLUME_NAME, metavar="VOLUME...")


@volume.command("inspect", short_help="Show all there is to know of volumes, as JSON.")
@listing.inspected("{{.Driver}}")
@_size
@_volumes
def inspect(volumes: tuple[str, ...], form: str | None, size: bool) -> int:
    """Show all there is to know of volumes: a JSON list of what Docker has of one; json: the API's objects.

    \b
    Examples:
      shoal volume inspect data
      shoal volume inspect --format '{{.Node}} {{join .Containers " "}}' data
      shoal volume inspect --size --format '{{.UsageData.Size}}' data
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> int:
        from shoal_cli.documents.volumes import document
        from shoal_cli.looking import look

        return await look(volumes, lambda ref: cluster.volumes.get(ref, size=size), form, document)

    return converse(action)


@volume.command("rm", short_help="Remove volumes with their data.")
@click.option("-f", "--force", is_flag=True, help="One that isn't there is no error.")
@_volumes
def rm(volumes: tuple[str, ...], force: bool) -> int:
    """Remove volumes with their data, and print each.

    One that a container uses, a stopped one included, is refused. The data of one whose node is down goes when the node
    is back.

    \b
    Examples:
      shoal volume rm data
      shoal volume rm $(shoal volume ls -q -f dangling=true)
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> int:
        from shoal_cli.many import each
        from shoal_common.errors import NotFound

        async def remove(ref: str) -> str:
            try:
                await cluster.volumes.remove(ref)
            except NotFound:
                if not force:
                    raise
            return ref

        return await each(volumes, remove)

    return converse(action)


@volume.command("prune", short_help="Remove volumes that no container uses.")
@click.option("-a", "--all", "everything", is_flag=True, help="Also those that were given a name.")
@click.option("-f", "--force", is_flag=True, help="Don't ask.")
@click.option("--filter", "filters", multiple=True, metavar="KEY=VALUE", help="label=KEY[=VALUE], label!=KEY[=VALUE].")
def prune(everything: bool, force: bool, filters: tuple[str, ...]) -> int:
    """Remove volumes that no container uses, with their data, and print their names and what room they had.

    \b
    Examples:
      shoal volume prune
      shoal volume prune --all --force --filter label=test
    """
    from shoal_cli.pruning import agreed, reclaimed
    from shoal_cli.session import converse

    if not force:
        which = "all volumes" if everything else "all volumes without a name"
        if not agreed(f"This removes {which} that no container uses, with their data. Go on?"):
            return FAILED

    async def action(cluster: Cluster) -> None:
        done = await cluster.volumes.prune(all=everything, filters=filters)
        if done.names:
            click.echo("Deleted Volumes:")
        for name in done.names:
            click.echo(name)
        click.echo(reclaimed(done.freed_bytes))

    return converse(action)


def _note_unknown(volumes: Sequence[Volume]) -> None:
    from shoal_cli.session import note

    nodes = sorted({each.node_name for each in volumes if not each.HasField("bytes")})
    if nodes:
        note(f"not all sizes are known: {', '.join(nodes)} did not answer in time")
