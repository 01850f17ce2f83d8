"""The options of commands that list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

import click

from shoal_cli.params import FORM, LIST_FORM

P = ParamSpec("P")
R = TypeVar("R")

quiet: Final = click.option("-q", "--quiet", is_flag=True, help="Only ids.")
form: Final = click.option(
    "--format",
    "form",
    type=LIST_FORM,
    default="table",
    show_default=True,
    metavar="table|json|TEMPLATE",
    help='How to show: columns, the API\'s objects, a template, or "table TEMPLATE".',
)


def inspected(example: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return the option that says how an object is shown; `example` is a field of it."""
    return click.option(
        "-f", "--format", "form", type=FORM, metavar="json|TEMPLATE", help=f"The API's object, or fields: {example}."
    )


def no_trunc(help: str = "Whole ids.") -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return the option that cuts nothing off."""
    return click.option("--no-trunc", is_flag=True, help=help)
