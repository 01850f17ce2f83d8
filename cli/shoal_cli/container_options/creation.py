"""All that `shoal run` and `shoal create` take of a container."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from shoal_cli import params
from shoal_cli.container_options import (
    confinement,
    files,
    life,
    limits,
    logs,
    namespaces,
    naming,
    network,
    process,
    streams,
)

if TYPE_CHECKING:
    from shoal.options import ContainerOptions

__all__ = ["container_options", "read"]

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--name", type=params.NAME, help="Name of the container; one is made up if left out."),
    click.option(
        "--cidfile",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Write its id to a file, which must not exist.",
    ),
    *process.OPTIONS,
    *streams.OPTIONS,
    *limits.OPTIONS,
    *files.OPTIONS,
    *network.OPTIONS,
    *naming.OPTIONS,
    *namespaces.OPTIONS,
    *confinement.OPTIONS,
    *life.OPTIONS,
    *logs.OPTIONS,
)


def container_options(function: F) -> F:
    """Add what both commands take."""
    function = click.argument("args", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND [ARGUMENT]...]")(function)
    function = click.argument("image", type=params.IMAGE, metavar="IMAGE")(function)
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def read(values: dict[str, Any]) -> ContainerOptions:
    """Return what was said of the container, all but its name.

    Raises:
        click.UsageError: two of them exclude each other.
    """
    return {
        **process.read(values),
        **streams.read(values),
        **limits.read(values),
        **files.read(values),
        **network.read(values),
        **naming.read(values),
        **namespaces.read(values),
        **confinement.read(values),
        **life.read(values),
        **logs.read(values),
    }
