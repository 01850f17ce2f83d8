"""`shoal commit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shoal_cli import params
from shoal_cli.switches import Switches

if TYPE_CHECKING:
    from shoal.cluster import Cluster


def _check_change(text: str) -> None:
    # Not with the module: it takes protobuf, which no help needs.
    from shoal_common.image_changes import apply_changes
    from shoal_proto.v1.image_pb2 import ImageConfig

    apply_changes(ImageConfig(), [text])


@click.command("commit", cls=Switches, short_help="Make an image of what a container has become.")
@click.option("-a", "--author", default="", metavar="TEXT", help="Who made it.")
@click.option("-m", "--message", default="", metavar="TEXT", help="What it is.")
@click.option("-p", "--pause/--no-pause", default=True, help="Freeze it while its files are read (the default).")
@click.option(
    "-c",
    "--change",
    "changes",
    multiple=True,
    type=params.Checked("change", _check_change),
    metavar="INSTRUCTION",
    help="How else it is run, as in a Dockerfile. Can be repeated.",
)
@click.argument("container", type=params.CONTAINER, metavar="CONTAINER")
@click.argument("image", type=params.IMAGE, metavar="REPOSITORY[:TAG]")
def commit(container: str, image: str, author: str, message: str, pause: bool, changes: tuple[str, ...]) -> int:
    """Make an image of a container's image and what the container has changed, and print its digest.

    It goes into the cluster's registry, is run as the container was, and has nothing of what is mounted there. The
    container's environment is part of it, and can be read by all who can read the image.
    Instructions: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, USER, VOLUME, WORKDIR.

    \b
    Examples:
      shoal commit web web:fixed
      shoal commit -m "with curl" -c 'CMD ["curl", "-V"]' -c 'ENV LANG=C' tools tools:2
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> None:
        from shoal_cli.progress import received

        with received(image, None) as on_progress:
            digest = await cluster.containers.commit(
                container,
                image,
                author=author,
                message=message,
                pause=pause,
                changes=changes,
                on_progress=on_progress,
            )
        click.echo(digest)

    return converse(action)
