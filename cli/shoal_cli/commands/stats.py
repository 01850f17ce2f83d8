"""`shoal stats`: what containers use, as a table that is drawn again and again, or as a stream."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

from shoal_cli import listing, params

if TYPE_CHECKING:
    from shoal.cluster import Cluster
    from shoal_cli.stats_table import Board

#: To the upper left corner; clear the screen, to the end of a line, to the end of the screen.
_HOME: Final = "\033[H"
_CLEAR: Final = "\033[2J"
_CLEAR_LINE: Final = "\033[K"
_CLEAR_REST: Final = "\033[J"
#: Seconds between two tables.
_INTERVAL: Final = 1.0


@click.command(short_help="Show what containers use.")
@click.option("-a", "--all", "everything", is_flag=True, help="Also those that don't run.")
@click.option("--no-stream", is_flag=True, help="Once, instead of again every second.")
@listing.no_trunc("Whole ids.")
@listing.form
@click.argument("containers", nargs=-1, type=params.CONTAINER, metavar="[CONTAINER...]")
def stats(containers: tuple[str, ...], everything: bool, no_stream: bool, no_trunc: bool, form: str) -> int:
    """Show what containers use, on whichever nodes they are: all that run, or those that are named.

    The table is drawn anew every second, until Ctrl-C. With json, each look at a container is a line. CPU % is of one
    processor, so that two that are busy make 200 %. Memory is without the cache that could be given back. A template
    has {{.ID}}, {{.Name}}, {{.CPUPerc}}, {{.MemUsage}}, {{.MemPerc}}, {{.NetIO}}, {{.BlockIO}}, {{.PIDs}}, {{.Node}},
    and the fields of the API's object, which json shows.

    \b
    Examples:
      shoal stats
      shoal stats --no-stream web db
      shoal stats --format json web | jq .cpu_millis
      shoal stats --no-stream --format '{{.Name}} {{.CPUPerc}} {{.MemUsage}}'
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> int:
        import asyncio
        from contextlib import aclosing

        from shoal_cli.stats_table import Board

        board = Board(await _memories(cluster), form, whole=no_trunc)
        answers = cluster.containers.stats(containers, all=everything, follow=not no_stream)
        clock = asyncio.get_running_loop().time
        live = not no_stream and form != "json"
        if live and sys.stdout.isatty():
            click.echo(_CLEAR, nl=False)
            _draw(board)
        # Those of all nodes come within a moment of each other.
        due: float | None = None
        async with aclosing(answers) as found:
            async for answer in found:
                board.take(answer)
                due = clock() + _INTERVAL / 4 if due is None else due
                if form == "json":
                    _write(board.lines(answer))
                elif live and clock() >= due:
                    due = clock() + _INTERVAL * 0.9
                    _draw(board)
        if no_stream and form != "json":
            _write(board.table())
        return 1 if no_stream and board.has_silent_nodes() else 0

    return converse(action)


async def _memories(cluster: Cluster) -> dict[str, int]:
    """Return how much memory each node has: what a container without a limit is measured by."""
    return {node.spec.name: node.status.description.capacity.memory_bytes for node in await cluster.nodes.list()}


def _draw(board: Board) -> None:
    text = board.table()
    if sys.stdout.isatty():
        lines = [f"{line}{_CLEAR_LINE}" for line in text.splitlines()]
        click.echo(f"{_HOME}{chr(10).join(lines)}\n{_CLEAR_REST}", nl=False)
    else:
        click.echo(text)


def _write(text: str) -> None:
    if text:
        click.echo(text)
