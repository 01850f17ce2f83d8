"""What a container is connected to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from shoal.options.network import NetworkOptions

OPTIONS: Final = (
    click.option(
        "--network",
        type=click.Choice(["default", "none"]),
        default="default",
        show_default=True,
        help="The cluster's network, or nothing but a loopback.",
    ),
)


def read(values: dict[str, Any]) -> NetworkOptions:
    """Return what was said of it."""
    return {"network": values["network"]}
