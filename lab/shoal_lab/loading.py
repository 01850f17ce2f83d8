"""What the commands of `shoal lab` have in common: which lab is meant, and how its work is run."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import click

from shoal_common.errors import ShoalError, first_cause

if TYPE_CHECKING:
    from shoal_lab.cluster import Lab

T = TypeVar("T")

name_option = click.option(
    "--name", default="lab", show_default=True, help="Which lab: several can stand side by side."
)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run the work to its end; a ShoalError inside an exception group comes out as itself."""
    try:
        return asyncio.run(work)
    except BaseExceptionGroup as group:
        if isinstance(error := first_cause(group), ShoalError):
            raise error from group
        raise


def load(name: str) -> Lab:
    """Return the lab of that name.

    Raises:
        NotFound: it isn't up.
    """
    from shoal_lab.cluster import Lab

    return Lab.load(name, lambda line: click.echo(line, err=True))
