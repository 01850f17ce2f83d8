"""By which names a container knows others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from shoal_cli.container_options import types

if TYPE_CHECKING:
    from shoal.options.naming import NamingOptions

OPTIONS: Final = (
    click.option(
        "--dns",
        multiple=True,
        type=types.SERVER,
        metavar="IP",
        help="Name server, else the node's. Can be repeated.",
    ),
    click.option(
        "--dns-search",
        multiple=True,
        type=types.SEARCH,
        metavar="DOMAIN",
        help='Where names are looked for; "." for nowhere. Can be repeated.',
    ),
    click.option(
        "--dns-option",
        "--dns-opt",
        multiple=True,
        type=types.RESOLVER_OPTION,
        metavar="OPTION",
        help="Option of its resolver, such as ndots:2. Can be repeated.",
    ),
    click.option(
        "--add-host",
        multiple=True,
        type=types.HOST,
        metavar="NAME:IP",
        help="Name in its /etc/hosts; the IP host-gateway is its node. Can be repeated.",
    ),
)


def read(values: dict[str, Any]) -> NamingOptions:
    """Return what was said of it."""
    return {
        "dns": values["dns"],
        "dns_search": values["dns_search"],
        "dns_options": values["dns_option"],
        "extra_hosts": values["add_host"],
    }
