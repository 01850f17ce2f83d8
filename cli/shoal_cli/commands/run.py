"""`shoal run` and `shoal create`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from shoal_cli import params
from shoal_cli.cid_files import reserved
from shoal_cli.codes import CANNOT
from shoal_cli.container_options.creation import container_options, read
from shoal_cli.switches import Switches

if TYPE_CHECKING:
    from pathlib import Path

    from shoal.cluster import Cluster
    from shoal_proto.v1.container_pb2 import Container

#: What follows the image belongs to the container. -h is the host name, as in Docker.
_SETTINGS = {"allow_interspersed_args": False, "help_option_names": ["--help"]}


@click.command(cls=Switches, context_settings=_SETTINGS, short_help="Create a container and start it.")
@click.option("-d", "--detach", is_flag=True, help="Print its id once it runs, and leave it running.")
@params.sig_proxy
@params.detach_keys
@container_options
def run(
    image: str,
    args: tuple[str, ...],
    name: str | None,
    cidfile: Path | None,
    detach: bool,
    sig_proxy: bool,
    detach_keys: bytes,
    **values: Any,
) -> int:
    """Create a container and start it.

    Without -d its output is shown, signals are passed on to it, and its exit code becomes that of shoal: 125 if Shoal
    could not run it, 126 if the command is not executable, 127 if it was not found. A second Ctrl-C leaves it running.
    One that its restart policy starts again is stayed with until it ends for good.
    While it waits for room on a node, the reason is shown, and Ctrl-C removes it.

    With -it it has this terminal; Ctrl-P Ctrl-Q lets go of it and leaves it running (shoal attach comes back).

    \b
    Examples:
      shoal run --rm busybox echo hello
      shoal run --rm -it busybox sh
      tar c . | shoal run --rm -i busybox tar t
      shoal run -d --name web -m 256m --constraint node.labels.ssd==true web:3
      shoal run --rm -e DEBUG=1 -w /src web:3 sh -c 'ls; exit 7'
      shoal run -d --restart always web:3
      shoal run -d --restart on-failure:5 worker:1
    """
    from shoal_cli.session import converse
    from shoal_common.ids import new_container_id

    identifier = new_container_id()
    options = read(values)
    interactive, tty = options["open_stdin"], options["tty"]
    if not detach:
        options["stdin_once"] = interactive
    if interactive and tty and not detach:
        from shoal_cli.terminal import require

        require()

    async def action(cluster: Cluster) -> int:
        from shoal_cli.attach import attached, detached
        from shoal_cli.joining import Streams

        async def create() -> Container:
            container = await cluster.containers.run(image, args, name=name, id=identifier, **options)
            made_known(container.spec.id)
            return container

        if not detach:
            streams = Streams(stdin=interactive, tty=tty, keys=detach_keys)
            return await attached(cluster, identifier, create, streams, proxy=sig_proxy)
        code, made = await detached(cluster, identifier, create)
        if made:
            click.echo(made)
        return code

    with reserved(cidfile) as made_known:
        return converse(action, failure=CANNOT)


@click.command(context_settings=_SETTINGS, short_help="Create a container without starting it.")
@container_options
def create(image: str, args: tuple[str, ...], name: str | None, cidfile: Path | None, **values: Any) -> int:
    """Create a container without starting it, and print its id.

    It gets its place and is prepared there, so that a later start is quick.

    \b
    Examples:
      shoal create --name web --restart unless-stopped web:3
      shoal start web
    """
    from shoal_cli.session import converse

    options = read(values)
    options["stdin_once"] = options["open_stdin"]

    async def action(cluster: Cluster) -> None:
        container = await cluster.containers.create(image, args, name=name, **options)
        made_known(container.spec.id)
        click.echo(container.spec.id)

    with reserved(cidfile) as made_known:
        return converse(action)
