"""What a container may use, and where it may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from shoal_cli import params

if TYPE_CHECKING:
    from shoal.options.limits import LimitOptions

OPTIONS: Final = (
    click.option("-m", "--memory", type=params.MEMORY, metavar="SIZE", help="Limit and reserve memory, such as 512m."),
    click.option("--cpus", type=params.CPUS, metavar="CORES", help="Limit and reserve processor time, such as 0.5."),
    click.option("--pids-limit", type=click.IntRange(1), metavar="N", help="Most processes and threads (4096)."),
    click.option(
        "--constraint",
        multiple=True,
        metavar="KEY==VALUE",
        help="Only nodes where this holds; keys are node.id, node.name, node.labels.NAME; also !=. Can be repeated.",
    ),
)


def read(values: dict[str, Any]) -> LimitOptions:
    """Return what was said of it."""
    options: LimitOptions = {"constraints": values["constraint"]}
    if values["memory"]:
        options["memory"] = values["memory"]
    if values["cpus"]:
        options["cpus"] = values["cpus"]
    if values["pids_limit"] is not None:
        options["pids_limit"] = values["pids_limit"]
    return options
