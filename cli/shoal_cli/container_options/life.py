"""How a container ends, and what comes after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from shoal_cli import params

if TYPE_CHECKING:
    from shoal.options.life import LifeOptions

OPTIONS: Final = (
    click.option("--stop-signal", metavar="SIGNAL", help="Signal that asks it to end, such as SIGQUIT."),
    click.option("--stop-timeout", type=click.IntRange(0), metavar="SECONDS", help="From that signal to SIGKILL (10)."),
    click.option(
        "--restart",
        type=params.RESTART,
        metavar="POLICY",
        default="no",
        show_default=True,
        help="Start it again on its node when it has ended: no, on-failure[:N], always, unless-stopped.",
    ),
    click.option("--rm", "auto_remove", is_flag=True, help="Remove the container once it has ended."),
)


def read(values: dict[str, Any]) -> LifeOptions:
    """Return what was said of it.

    Raises:
        click.UsageError: two of them exclude each other.
    """
    if values["auto_remove"] and values["restart"] != "no":
        raise click.UsageError("--rm and --restart exclude each other: what is removed can't be started again")
    options: LifeOptions = {"auto_remove": values["auto_remove"]}
    if values["stop_signal"]:
        options["stop_signal"] = values["stop_signal"]
    if values["restart"] != "no":
        options["restart"] = values["restart"]
    if values["stop_timeout"] is not None:
        options["stop_timeout"] = values["stop_timeout"]
    return options
