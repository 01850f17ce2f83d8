"""What a container is connected to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from shoal_cli.container_options import types

if TYPE_CHECKING:
    from shoal.options.network import NetworkOptions

OPTIONS: Final = (
    click.option(
        "--network",
        "--net",
        type=types.NETWORK,
        metavar="MODE",
        default="default",
        show_default=True,
        help="The cluster's network (default, bridge), nothing but a loopback (none), that of another container, "
        "which runs (container:NAME), or its node's (host).",
    ),
    click.option(
        "-p",
        "--publish",
        multiple=True,
        type=types.PUBLISH,
        metavar="[IP:][HOST:]CONTAINER[/PROTO]",
        help="Reach a port, or a range, by one of its node's; a free one if HOST is left out. Can be repeated.",
    ),
    click.option("-P", "--publish-all", is_flag=True, help="Publish every exposed port, each by one that is free."),
    click.option(
        "--expose", multiple=True, type=types.EXPOSED, metavar="PORT[/PROTO]", help="Expose a port. Can be repeated."
    ),
)


def read(values: dict[str, Any]) -> NetworkOptions:
    """Return what was said of it."""
    return {
        "network": values["network"],
        "ports": values["publish"],
        "publish_all": values["publish_all"],
        "expose": values["expose"],
    }
