"""`shoal logs`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from shoal_cli import params
from shoal_cli.times import parse_nanoseconds

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from shoal.cluster import Cluster

    Tail = click.ParamType[int | str]
    Time = click.ParamType[int]
else:
    # click 8.1's is not generic.
    Tail = Time = click.ParamType


#: As many as numbers of lines have.
_DIGITS = 15


class _Tail(Tail):
    """A number of lines, or "all"."""

    name = "tail"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Return the number, or "all"."""
        if value == "all":
            return value
        if not value.isdecimal() or len(value) > _DIGITS:
            self.fail(f'"{value[:40]}" is not a number of lines (write a number, or all)', param, ctx)
        return int(value)


class _Time(Time):
    """A time, or how long ago; becomes nanoseconds since 1970."""

    name = "time"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the time."""
        try:
            return parse_nanoseconds(value, time.time_ns())
        except ValueError:
            self.fail(f'"{value[:40]}" is no time (write 10m, 1h30m, or 2030-01-31T12:00:00)', param, ctx)


@click.command(short_help="Show what a container wrote.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what it writes until it ends.")
@click.option(
    "-n", "--tail", type=_Tail(), default="all", show_default=True, metavar="LINES", help="Only the last lines."
)
@click.option("--since", type=_Time(), metavar="TIME", help="Only what was written since: 10m, or 2030-01-31T12:00:00.")
@click.option("--until", type=_Time(), metavar="TIME", help="Only what was written before, likewise.")
@click.option("-t", "--timestamps", is_flag=True, help="The time before each line.")
@click.option("--details", is_flag=True, help="Before each line what the container's --log-opt labels= and env= name.")
@click.argument("container", type=params.CONTAINER, metavar="CONTAINER")
def logs(
    container: str,
    follow: bool,
    tail: int | str,
    since: int | None,
    until: int | None,
    timestamps: bool,
    details: bool,
) -> int:
    """Show what a container wrote, to stdout and stderr as it did, over all its starts.

    Following goes on through restarts of the container, of controllers and agents, without losing or repeating a line.
    Times are how long ago, seconds since 1970, or dates; with --until, the last lines are those before it.

    \b
    Examples:
      shoal logs web
      shoal logs -f --tail 20 web
      shoal logs -t --since 10m web
      shoal logs --since 2030-01-31T12:00:00Z --until 2030-01-31T13:00:00Z web
      shoal logs web 2>errors.txt
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> None:
        from contextlib import aclosing

        from shoal_cli.attach import print_batch
        from shoal_cli.log_lines import LinePrefix, details_of

        shown = details_of(await cluster.containers.get(container)) if details else None
        prefix = LinePrefix(timestamps=timestamps, details=shown)
        batches = cluster.containers.log_batches(
            container,
            follow=follow,
            tail=tail if isinstance(tail, int) else None,
            since=_timestamp(since),
            until=_timestamp(until),
            joined=True,
        )
        async with aclosing(batches) as found:
            async for batch in found:
                prefix.apply(batch)
                await print_batch(container, batch)

    return converse(action)


def _timestamp(nanoseconds: int | None) -> Timestamp | None:
    from google.protobuf.timestamp_pb2 import Timestamp

    if nanoseconds is None:
        return None
    stamp = Timestamp()
    stamp.FromNanoseconds(nanoseconds)
    return stamp
