"""`shoal attach`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shoal_cli import params
from shoal_cli.switches import Switches

if TYPE_CHECKING:
    from shoal.cluster import Cluster


@click.command(cls=Switches, short_help="Join your terminal to a running container.")
@click.option("--no-stdin", is_flag=True, help="Don't pass stdin on to it.")
@params.sig_proxy
@params.detach_keys
@click.argument("container", type=params.CONTAINER, metavar="CONTAINER")
def attach(container: str, no_stdin: bool, sig_proxy: bool, detach_keys: bytes) -> int:
    """Show what a running container writes from now on, pass stdin on to it, and end with its exit code.

    A terminal is drawn anew; Ctrl-P Ctrl-Q lets go of it and leaves the container running. Without a terminal signals
    are passed on to the container, and a second Ctrl-C leaves it running.

    \b
    Examples:
      shoal attach shell
      shoal attach --no-stdin web
      shoal attach --detach-keys ctrl-a,d shell
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> int:
        from shoal_cli.attaching import attach as join

        return await join(cluster, container, stdin=not no_stdin, proxy=sig_proxy, keys=detach_keys)

    return converse(action)
