"""`shoal logs`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shoal_cli import params

if TYPE_CHECKING:
    from shoal.cluster import Cluster

    Tail = click.ParamType[int | str]
else:
    # click 8.1's is not generic.
    Tail = click.ParamType


class _Tail(Tail):
    """A number of lines, or "all"."""

    name = "tail"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Return the number, or "all"."""
        if value == "all":
            return value
        if not value.isdecimal():
            self.fail(f'"{value}" is not a number of lines (write a number, or all)', param, ctx)
        return int(value)


@click.command(short_help="Show what a container wrote.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what it writes until it ends.")
@click.option(
    "-n", "--tail", type=_Tail(), default="all", show_default=True, metavar="LINES", help="Only the last lines."
)
@click.option("-t", "--timestamps", is_flag=True, help="The time before each line.")
@click.argument("container", type=params.CONTAINER, metavar="CONTAINER")
def logs(container: str, follow: bool, tail: int | str, timestamps: bool) -> int:
    """Show what a container wrote, to stdout and stderr as it did.

    Following goes on through restarts of controllers and agents, without losing or repeating a line.

    \b
    Examples:
      shoal logs web
      shoal logs -f --tail 20 web
      shoal logs web 2>errors.txt
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> None:
        from contextlib import aclosing

        from shoal_cli.attach import print_batch

        lines = tail if isinstance(tail, int) else None
        fresh: dict[int, bool] = {}
        async with aclosing(cluster.containers.log_batches(container, follow=follow, tail=lines)) as batches:
            async for batch in batches:
                if timestamps:
                    for entry in batch.entries:
                        # A long line comes in several entries: only its first has the time before it.
                        if fresh.get(entry.stream, True):
                            time = entry.time.ToJsonString().encode()
                            fresh[entry.stream] = entry.data.endswith(b"\n")
                            entry.data = time + b" " + entry.data
                        else:
                            fresh[entry.stream] = entry.data.endswith(b"\n")
                await print_batch(batch)

    return converse(action)
