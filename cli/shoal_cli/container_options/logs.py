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
        help="max-size=SIZE, max-file=N: what is kept of its log; labels=NAME, env=NAME: shown by logs --details.",
    ),
)


def read(values: dict[str, Any]) -> LogOptions:
    """Return what was said of it."""
    if not values["log_opt"]:
        return {}
    from shoal_common.containers.log_options import parse_log_options

    said = parse_log_options(values["log_opt"])
    options: LogOptions = {"log_labels": said.labels, "log_env": said.env}
    if said.max_size:
        options["log_max_size"] = said.max_size
    if said.max_files:
        options["log_max_files"] = said.max_files
    return options
