"""How a container lives and ends, and what comes after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import click

from shoal_cli import params
from shoal_cli.container_options import types

if TYPE_CHECKING:
    from shoal.options.life import LifeOptions

_HEALTH: Final = (
    "health_cmd",
    "health_interval",
    "health_timeout",
    "health_start_period",
    "health_start_interval",
    "health_retries",
)
OPTIONS: Final = (
    click.option("--stop-signal", metavar="SIGNAL", help="Signal that asks it to end, such as SIGQUIT."),
    click.option("--stop-timeout", type=params.COUNT, metavar="SECONDS", help="From that signal to SIGKILL (10)."),
    click.option(
        "--restart",
        type=types.RESTART,
        metavar="POLICY",
        default="no",
        show_default=True,
        help="Start it again on its node when it has ended: no, on-failure[:N], always, unless-stopped.",
    ),
    click.option("--init", is_flag=True, help="Run a small init as process 1: it passes signals on, and reaps."),
    click.option("--health-cmd", metavar="COMMAND", help="Line for the shell that says, by 0, that it works."),
    click.option("--health-interval", type=types.DURATION, metavar="TIME", help="Between two checks (30s)."),
    click.option("--health-timeout", type=types.DURATION, metavar="TIME", help="For one check (30s)."),
    click.option(
        "--health-start-period",
        type=types.DURATION,
        metavar="TIME",
        help="After the start, in which failures don't count (0s).",
    ),
    click.option(
        "--health-start-interval", type=types.DURATION, metavar="TIME", help="Between two checks in that time (5s)."
    ),
    click.option(
        "--health-retries", type=params.COUNT, metavar="N", help="Failures in a row that make it unhealthy (3)."
    ),
    click.option("--no-healthcheck", is_flag=True, help="No health check, whatever the image says."),
    click.option("--rm", "auto_remove", is_flag=True, help="Remove the container once it has ended."),
)


def read(values: dict[str, Any]) -> LifeOptions:
    """Return what was said of it.

    Raises:
        click.UsageError: two of them exclude each other.
    """
    if values["auto_remove"] and values["restart"] != "no":
        raise click.UsageError("--rm and --restart exclude each other: what is removed can't be started again")
    options: LifeOptions = {"auto_remove": values["auto_remove"], "init": values["init"]}
    options.update(_health(values))
    if values["stop_signal"]:
        options["stop_signal"] = values["stop_signal"]
    if values["restart"] != "no":
        options["restart"] = values["restart"]
    if values["stop_timeout"] is not None:
        options["stop_timeout"] = values["stop_timeout"]
    return options


def _health(values: dict[str, Any]) -> LifeOptions:
    """Return what was said of the health check."""
    said = [each for each in _HEALTH if values[each] is not None]
    if values["no_healthcheck"]:
        if said:
            raise click.UsageError(f"--no-healthcheck and --{said[0].replace('_', '-')} exclude each other")
        return {"health_cmd": False}
    if values["health_cmd"] is not None and not values["health_cmd"].strip():
        raise click.UsageError("--health-cmd is empty: give a command, or --no-healthcheck")
    return cast("LifeOptions", {each: values[each] for each in said})
