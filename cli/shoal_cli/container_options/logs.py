"""What becomes of what it writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from shoal_cli.container_options import types

if TYPE_CHECKING:
    from shoal.options.logs import LogOptions

OPTIONS: Final = (
    click.option(
        "--log-opt",
        multiple=True,
        type=types.LOG_OPTION,
        metavar="KEY=VALUE",
        help="labels=NAME,... and env=NAME,...: what logs --details shows with each line. Can be repeated.",
    ),
)


def read(values: dict[str, Any]) -> LogOptions:
    """Return what was said of it."""
    if not values["log_opt"]:
        return {}
    from shoal_common.log_options import parse_log_options

    said = parse_log_options(values["log_opt"])
    return {"log_labels": said.labels, "log_env": said.env}
