"""`python -m bench.scale`: how much one leader bears, on this machine, now."""

from __future__ import annotations

import asyncio
import signal
import sys

import click

from bench.scale.measure import Measured, measure
from bench.scale.report import table, write
from shoal_common.errors import ShoalError, first_cause

_INTERRUPTED = 130


def _say(line: str) -> None:
    click.echo(line, err=True)


@click.command()
@click.option(
    "--agents",
    "counts",
    multiple=True,
    type=click.IntRange(1),
    default=(2000,),
    show_default=True,
    help="How many agents. Can be repeated: one measurement each.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(0.05),
    default=10.0,
    show_default=True,
    help="How long nothing happens with the most agents; a fifth of it with fewer.",
)
@click.option(
    "--controllers",
    type=click.IntRange(1, 5),
    default=2,
    show_default=True,
    help="With one there is no change of leader.",
)
@click.option("--report", is_flag=True, help="Also write docs/reports/<date>-scale.md.")
def main(counts: tuple[int, ...], minutes: float, controllers: int, report: bool) -> None:
    """Measure how many agents one leader bears on this machine; Ctrl-C ends it and leaves nothing behind."""
    try:
        measured = [
            asyncio.run(_measure(count, minutes if count == max(counts) else minutes / 5, controllers))
            for count in counts
        ]
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(_INTERRUPTED)
    except BaseExceptionGroup as group:
        if isinstance(first := first_cause(group), ShoalError):
            raise click.ClickException(first.message) from group
        raise
    except ShoalError as error:
        raise click.ClickException(error.message) from error
    click.echo(table(measured))
    if report:
        _say(f"The report is {write(measured)}")


async def _measure(count: int, minutes: float, controllers: int) -> Measured:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await measure(count, minutes=minutes, controllers=controllers, say=_say)


if __name__ == "__main__":
    main()
