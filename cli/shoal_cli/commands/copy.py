"""`shoal cp`, `diff` and `export`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from shoal_cli import params

if TYPE_CHECKING:
    from shoal.cluster import Cluster


@click.command("cp", short_help="Copy files between a container and this machine.")
@click.option("-a", "--archive", is_flag=True, help="Keep the numbers of owner and group.")
@click.option("-L", "--follow-link", is_flag=True, help="If SOURCE is a link, copy what it leads to.")
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@click.argument("source", metavar="[CONTAINER:]SOURCE|-")
@click.argument("target", metavar="[CONTAINER:]TARGET|-")
def copy(source: str, target: str, archive: bool, follow_link: bool, quiet: bool) -> int:
    """Copy files or directories between a container, running or not, and this machine.

    One of the two is in a container: NAME:PATH. The other is a path here, or -: a tar on stdin is unpacked in the
    container's directory TARGET, with the owners that it names; a tar of SOURCE goes to stdout. Write a path here that
    has a colon as ./a:b.

    A directory that is there is copied into; otherwise TARGET is what the copy is called. SOURCE/. means what is in the
    directory. A link is copied as a link. Copies belong to you here and to root in the container, unless -a keeps the
    numbers. What belongs to you gives nobody your rights: setuid, setgid and capabilities stay in the container.

    \b
    Examples:
      shoal cp web.conf web:/etc/web/
      shoal cp web:/var/log/. logs/
      shoal cp db:/data - | gzip > data.tar.gz
      tar c -C site . | shoal cp - web:/www
    """
    from_container, from_path = _split(source)
    to_container, to_path = _split(target)
    if bool(from_container) == bool(to_container):
        raise click.UsageError("one of the two has to be in a container, and only one (write NAME:PATH)")
    params.CONTAINER.convert(from_container or to_container, None, None)
    if to_container and source == "-" and archive:
        raise click.UsageError("a tar from stdin has the owners that it names, with or without -a")
    if from_container and target == "-" and sys.stdout.isatty():
        raise click.UsageError("a tar is not written to a terminal (append: > FILE)")

    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> None:
        from shoal_cli import pipes
        from shoal_cli.progress import received

        files = cluster.containers
        if from_container and target == "-":
            async for piece in files.read_archive(from_container, from_path, follow_link=follow_link):
                await pipes.write(1, piece)
        elif from_container:
            await files.copy_from(from_container, from_path, target, follow_link=follow_link, keep_ids=archive)
        else:
            with received(to_container, None, quiet=quiet) as on_progress:
                if source == "-":
                    await files.write_archive(to_container, to_path, pipes.chunks(0), on_progress=on_progress)
                else:
                    await files.copy_to(
                        to_container,
                        source,
                        to_path,
                        follow_link=follow_link,
                        keep_ids=archive,
                        on_progress=on_progress,
                    )

    return converse(action)


@click.command("diff", short_help="Show what a container has changed of its image.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help="json: an object a line.")
@click.argument("container", type=params.CONTAINER, metavar="CONTAINER")
def diff(container: str, form: str) -> int:
    """Show what a container, running or not, has changed of its image: A added, C changed, D deleted.

    \b
    Examples:
      shoal diff web
      shoal diff --format json web
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> None:
        from contextlib import aclosing

        from shoal_cli.formats import as_json
        from shoal_cli.printable import printable
        from shoal_proto.v1.container_pb2 import ChangeKind

        letters = {
            ChangeKind.CHANGE_KIND_ADDED: "A",
            ChangeKind.CHANGE_KIND_MODIFIED: "C",
            ChangeKind.CHANGE_KIND_DELETED: "D",
        }
        async with aclosing(cluster.containers.diff(container)) as changes:
            async for change in changes:
                line = f"{letters.get(change.kind, '?')} {printable(change.path)}"
                click.echo(as_json(change) if form == "json" else line)

    return converse(action)


@click.command("export", short_help="Write a container's file system as a tar.")
@click.option("-o", "--output", type=click.Path(dir_okay=False), metavar="FILE", help="Write there, not to stdout.")
@click.argument("container", type=params.CONTAINER, metavar="CONTAINER")
def export(container: str, output: str | None) -> int:
    """Write the whole file system of a container, running or not, as a tar. What is mounted in it is left out.

    \b
    Examples:
      shoal export -o web.tar web
      shoal export web | shoal image import - web:fixed
    """
    if output is None and sys.stdout.isatty():
        raise click.UsageError("a tar is not written to a terminal (give -o FILE)")

    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> None:
        from contextlib import ExitStack, aclosing
        from pathlib import Path

        from shoal_cli import pipes
        from shoal_cli.whole_files import written_whole

        async with aclosing(cluster.containers.export(container)) as pieces:
            if output is None:
                async for piece in pieces:
                    await pipes.write(1, piece)
                return
            with ExitStack() as stack:
                file = None
                async for piece in pieces:
                    # Not before something came: what is there already is not touched for nothing.
                    file = file or stack.enter_context(written_whole(Path(output)))
                    file.write(piece)

    return converse(action)


def _split(text: str) -> tuple[str, str]:
    """Return container and path; no container for a path here, and for -."""
    container, colon, path = text.partition(":")
    # A name has no slash, so that ./a:b and /a:b are files here.
    if not colon or not container or os.sep in container or container.startswith("."):
        return "", text
    return container, path or "/"
