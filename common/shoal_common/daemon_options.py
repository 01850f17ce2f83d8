"""The options that both daemons have: registries besides the cluster's own, and how to log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

import click

P = ParamSpec("P")
R = TypeVar("R")

_OPTIONS: Final = (
    click.option(
        "--registry-own",
        multiple=True,
        metavar="HOST:PORT",
        help="A registry of the cluster, with mutual TLS by its certificates. Can be repeated.",
    ),
    click.option(
        "--registry-insecure", multiple=True, metavar="HOST:PORT", help="A registry without TLS. Can be repeated."
    ),
    click.option("--debug", is_flag=True, help="Log more."),
    click.option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        envvar="SHOAL_LOG_FORMAT",
        show_envvar=True,
        help="How to log: lines for people, or an object a line.",
    ),
)


def daemon_options(command: Callable[P, R]) -> Callable[P, R]:
    """Add `--registry-own`, `--registry-insecure`, `--debug` and `--log-format`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
