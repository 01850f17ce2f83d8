"""What a container may use, and where it may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from shoal_cli import params
from shoal_cli.container_options import types

if TYPE_CHECKING:
    from shoal.options.limits import LimitOptions, Limits

#: What can be changed while it runs as well.
LIMITS: Final = (
    click.option("-m", "--memory", type=types.MEMORY, metavar="SIZE", help="Limit and reserve memory, such as 512m."),
    click.option(
        "--memory-swap",
        type=types.SWAP,
        metavar="SIZE",
        help="Limit memory and swap together; -1 for as much swap as there is. Without: no swap.",
    ),
    click.option(
        "--memory-reservation",
        type=types.MEMORY,
        metavar="SIZE",
        help="What it is pushed back to when its node runs short of memory.",
    ),
    click.option("--cpus", type=types.CPUS, metavar="CORES", help="Limit and reserve processor time, such as 0.5."),
    click.option(
        "-c",
        "--cpu-shares",
        type=params.Whole(2, 1 << 18),
        metavar="WEIGHT",
        help="Weight against others when processors are short (1024).",
    ),
    click.option("--cpuset-cpus", type=types.CPUSET, metavar="LIST", help="Only these processors, such as 0-2,4."),
    click.option("--cpuset-mems", type=types.CPUSET, metavar="LIST", help="Only these memory nodes, such as 0."),
    click.option("--pids-limit", type=params.POSITIVE, metavar="N", help="Most processes and threads (4096)."),
    click.option(
        "--blkio-weight",
        type=params.Whole(10, 1000),
        metavar="WEIGHT",
        help="Weight against others at disks, 10 to 1000.",
    ),
)
_NAMES: Final = (
    *("memory", "memory_swap", "memory_reservation", "cpus", "cpu_shares"),
    *("cpuset_cpus", "cpuset_mems", "pids_limit", "blkio_weight"),
)
OPTIONS: Final = (
    *LIMITS,
    click.option(
        "--oom-score-adj",
        type=params.Whole(-1000, 1000),
        metavar="SCORE",
        help="Be killed sooner for want of memory than others of the node, up to 1000 (0); or later, down to -1000, "
        "which the policy has to allow.",
    ),
    click.option(
        "--constraint",
        multiple=True,
        metavar="KEY==VALUE",
        help="Only nodes where this holds; keys are node.id, node.name, node.labels.NAME; also !=. Can be repeated.",
    ),
)


def read(values: dict[str, Any]) -> LimitOptions:
    """Return what was said of it."""
    return {
        "constraints": values["constraint"],
        "oom_score_adj": values["oom_score_adj"] or 0,
        **read_limits(values),
    }


def read_limits(values: dict[str, Any]) -> Limits:
    """Return which limits were given."""
    given = {name: values[name] for name in _NAMES if values[name] is not None}
    # The names are those of the options.
    limits: Limits = given  # type: ignore[assignment]
    return limits
