"""The options of commands that list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

import click

P = ParamSpec("P")
R = TypeVar("R")

quiet: Final = click.option("-q", "--quiet", is_flag=True, help="Only ids.")
form: Final = click.option(
    "--format", "form", default="table", show_default=True, metavar="table|json|TEMPLATE", help="How to show."
)


def no_trunc(help: str = "Whole ids.") -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return the option that cuts nothing off."""
    return click.option("--no-trunc", is_flag=True, help=help)
