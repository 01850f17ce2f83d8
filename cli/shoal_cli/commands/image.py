"""`shoal image import`, `ls`, `inspect` and `pull`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from shoal_cli import listing, params
from shoal_cli.codes import FAILED
from shoal_cli.container_options import types
from shoal_cli.filters import FilterBy
from shoal_cli.pruning import FILTER
from shoal_common.image_filters import FILTER_KEYS, choices, parse_image_filter

if TYPE_CHECKING:
    from shoal.cluster import Cluster


@click.group(short_help="Bring images in, look at them, fetch them to nodes.")
def image() -> None:
    """Bring images into the cluster's registry, look at them, fetch them to nodes."""


@image.command("import", short_help="Make an image from the tar of a root file system.")
@click.option("--cmd", metavar="COMMAND", help="What it runs: words as in a shell, or a JSON list.")
@click.option("--entrypoint", metavar="COMMAND", help="What goes before the command, written likewise.")
@click.option(
    "-e", "--env", multiple=True, type=params.VARIABLE, metavar="NAME=VALUE", help="Set a variable. Can be repeated."
)
@click.option("-w", "--workdir", default="", metavar="DIR", help="Directory that the process starts in.")
@click.option("-u", "--user", default="", metavar="USER[:GROUP]", help="Who the process is.")
@click.option(
    "-l", "--label", multiple=True, type=params.LABEL, metavar="KEY[=VALUE]", help="Set a label. Can be repeated."
)
@click.option("--expose", multiple=True, metavar="PORT[/PROTOCOL]", help="Note a port that it serves. Can be repeated.")
@click.option(
    "--volume",
    multiple=True,
    type=types.TARGET,
    metavar="PATH",
    help="Have each container keep a directory in a volume of its own. Can be repeated.",
)
@click.option("--stop-signal", default="", metavar="SIGNAL", help="Signal that asks it to end.")
@click.option("--health-cmd", default="", metavar="COMMAND", help="Line for the shell that says, by 0, that it works.")
@click.option("--arch", default="", metavar="ARCH", help="amd64 or arm64; the controller's if left out.")
@click.argument("file", type=click.Path(allow_dash=True), metavar="FILE|-")
@click.argument("ref", type=params.IMAGE, metavar="REF")
def import_(
    file: str,
    ref: str,
    cmd: str | None,
    entrypoint: str | None,
    env: tuple[str, ...],
    workdir: str,
    user: str,
    label: tuple[str, ...],
    expose: tuple[str, ...],
    volume: tuple[str, ...],
    stop_signal: str,
    health_cmd: str,
    arch: str,
) -> int:
    """Make an image from the tar of a root file system, put it into the cluster's registry, and print its digest.

    FILE is plain or compressed with gzip or zstd; - reads stdin.

    \b
    Examples:
      shoal image import root.tar web:3 --cmd 'httpd -f -p 80' -w /www
      tar c -C root . | shoal image import - tools --entrypoint '["/bin/tool", "--quiet"]'
    """
    from shoal_cli.session import converse

    first, then = _words("--entrypoint", entrypoint), _words("--cmd", cmd)

    async def action(cluster: Cluster) -> None:
        from shoal_cli import pipes
        from shoal_cli.progress import received
        from shoal_proto.v1.container_pb2 import HealthCheck
        from shoal_proto.v1.image_pb2 import ImageConfig

        config = ImageConfig(
            entrypoint=first,
            cmd=then,
            env=params.variables(env),
            working_dir=workdir,
            user=user,
            labels=params.pairs(label),
            exposed_ports=expose,
            stop_signal=stop_signal,
            volumes=volume,
            healthcheck=HealthCheck(test=["CMD-SHELL", health_cmd]) if health_cmd else None,
        )
        total = Path(file).stat().st_size if file != "-" and Path(file).is_file() else None
        with received(ref, total) as on_progress:
            made = await cluster.images.import_archive(
                pipes.chunks(0) if file == "-" else Path(file),
                ref,
                config=config,
                architecture=arch,
                on_progress=on_progress,
            )
        click.echo(made.digest)

    return converse(action)


def _words(option: str, text: str | None) -> list[str]:
    if text is None:
        return []
    import json
    import shlex

    try:
        words = json.loads(text) if text.lstrip().startswith("[") else shlex.split(text)
    except ValueError as error:
        raise click.BadParameter(f'"{text}" is neither words nor a JSON list: {error}', param_hint=option) from error
    if not all(isinstance(word, str) for word in words):
        raise click.BadParameter(f'"{text}" is not a list of strings', param_hint=option)
    return list(words)


def _reference(name: str) -> str:
    wanted = f"reference={name}"
    parse_image_filter(wanted)
    return wanted


@image.command("ls", short_help="List the images of the cluster's registry.")
@listing.quiet
@listing.no_trunc()
@click.option("--digests", is_flag=True, help="Also the digest by which each can be named for ever.")
@click.option(
    "-f",
    "--filter",
    "filters",
    multiple=True,
    type=FilterBy(parse_image_filter, FILTER_KEYS, choices, dict.fromkeys(("before", "reference", "since"), "image")),
    metavar="KEY=VALUE",
    help=f"KEY is one of {', '.join(FILTER_KEYS)}. Can be repeated.",
)
@listing.form
@click.argument(
    "repository", required=False, type=params.Existing("reference", _reference, "image"), metavar="[REPOSITORY[:TAG]]"
)
def list_(
    quiet: bool, no_trunc: bool, digests: bool, filters: tuple[str, ...], form: str, repository: str | None
) -> int:
    """List the images of the cluster's registry, or those of one name, as -f reference= chooses them.

    The same KEY several times lets any of its values through (of labels all must fit); different keys must all fit.
    before and since go by when images were made; of what is in the registry nothing is dangling.

    A template has fields such as {{.Repository}}, {{.Tag}}, {{.ID}}, {{.Digest}}, {{.Size}}, or paths into the API's
    object.

    \b
    Examples:
      shoal image ls
      shoal image ls --digests web
      shoal image ls -f 'reference=team/*:3' -f label=tier=front
      shoal image ls -q -f since=web:3
      shoal image ls --format '{{.Repository}}:{{.Tag}} {{.Digest}}'
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> None:
        import time

        from shoal_cli.formats import show_list
        from shoal_cli.rows import IMAGE_HEADINGS, image_columns

        wanted = filters if repository is None else (*filters, _reference(repository))
        columns = image_columns(time.time(), whole=no_trunc)
        headings = (*IMAGE_HEADINGS[:2], "Digest", *IMAGE_HEADINGS[2:]) if digests else IMAGE_HEADINGS
        show_list(await cluster.images.list(filters=wanted), form, columns, headings, quiet=quiet)

    return converse(action)


@image.command("inspect", short_help="Show all there is to know of images, as JSON.")
@listing.inspected("{{.Id}}")
@click.argument("images", nargs=-1, required=True, type=params.IMAGE, metavar="IMAGE...")
def inspect(images: tuple[str, ...], form: str | None) -> int:
    """Show all there is to know of images: a JSON list of what Docker has of one; json: the API's objects.

    \b
    Examples:
      shoal image inspect web:3
      shoal image inspect --format '{{json .Config.Env}}' web:3
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> int:
        from shoal_cli.documents.images import document
        from shoal_cli.looking import look

        return await look(images, cluster.images.get, form, document)

    return converse(action)


@image.command("pull", short_help="Fetch an image to nodes before it is needed.")
@click.option("--node", "nodes", multiple=True, type=params.NODE, metavar="NODE", help="Only there. Can be repeated.")
@click.argument("ref", type=params.IMAGE, metavar="IMAGE")
def pull(ref: str, nodes: tuple[str, ...]) -> int:
    """Fetch an image to nodes before it is needed, and print each node that has it.

    \b
    Examples:
      shoal image pull web:3
      shoal image pull --node node-1 --node node-2 web:3
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> int:
        from contextlib import aclosing

        from shoal_cli.progress import fetched
        from shoal_cli.session import note

        failed = False
        done: set[str] = set()
        with fetched() as on_progress:
            async with aclosing(cluster.images.pull(ref, nodes=nodes)) as responses:
                async for response in responses:
                    if not response.HasField("error"):
                        on_progress(response.node, response.progress.fetched_bytes, response.progress.total_bytes)
                    elif response.error:
                        failed = True
                        note(f'node "{response.node}": {response.error}')
                    elif response.node not in done:
                        done.add(response.node)
                        click.echo(response.node)
        return 1 if failed else 0

    return converse(action)


@image.command("prune", short_help="Remove images from nodes where nothing has them.")
@click.option(
    "-a", "--all", "everything", is_flag=True, help="Also those that a tag leads to, and of other registries."
)
@click.option("-f", "--force", is_flag=True, help="Don't ask.")
@click.option(
    "--filter", "filters", multiple=True, metavar="KIND=VALUE", help=f"{FILTER} (last used before). Can be repeated."
)
def prune(everything: bool, force: bool, filters: tuple[str, ...]) -> int:
    """Remove images from the nodes that no container there has; the registry keeps them.

    Without --all only those of the cluster's registry to which no tag leads any more. What a node needs again it
    fetches again.

    \b
    Examples:
      shoal image prune
      shoal image prune --all --force --filter until=72h
    """
    from shoal_cli.pruning import agreed, reclaimed, sent_filter, show_images
    from shoal_cli.session import converse

    sent = [sent_filter(each) for each in filters]
    if not force:
        which = "all images" if everything else "all images without a tag"
        if not agreed(f"This removes {which} that no container has from the nodes. Go on?"):
            return FAILED

    async def action(cluster: Cluster) -> None:
        done = await cluster.prune_images(all=everything, filters=sent)
        show_images(done)
        click.echo(reclaimed(done.freed_bytes))

    return converse(action)
