"""`python -m bench`: measure Shoal beside Docker and Podman, on this machine, now."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Final

import click

from bench import burst, commands, crowd, docker, footprint, podman, steps, throughput
from bench.facts import Facts
from bench.results import Results
from bench.site import Site, site
from shoal_common.errors import InvalidSpec, ShoalError
from shoal_common.version import VERSION

MEMORY: Final = "memory"
BURST: Final = "burst"
CROWD: Final = "crowd"
THROUGHPUT: Final = "throughput"
IDLE: Final = "idle"
STEPS: Final = "steps"
#: In the order in which they are measured.
_ALL: Final = (MEMORY, *commands.COMMANDS, BURST, CROWD, THROUGHPUT, IDLE, STEPS)
_INTERRUPTED: Final = 130


def _say(line: str) -> None:
    click.echo(line, err=True)


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=20, show_default=True, help="Samples of each.")
@click.option(
    "--only",
    "chosen",
    multiple=True,
    type=click.Choice(_ALL),
    help="Measure only this. Can be repeated.",
)
@click.option("--report", is_flag=True, help="Also write docs/reports/<date>-bench.md.")
def main(rounds: int, chosen: tuple[str, ...], report: bool) -> None:
    """Measure Shoal beside Docker and Podman on this machine, as root; Ctrl-C ends it and leaves nothing behind."""
    try:
        # The lab writes down how to reach it: not into the configuration of whoever runs this.
        with tempfile.TemporaryDirectory(prefix="shoal-bench-") as folder:
            os.environ["SHOAL_CONFIG"] = str(Path(folder) / "config.json")
            results = asyncio.run(_measure(rounds, chosen or _ALL))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(_INTERRUPTED)
    except ShoalError as error:
        raise click.ClickException(error.message) from error
    except BaseExceptionGroup as group:
        if (found := group.subgroup(ShoalError)) is None:
            raise
        raise click.ClickException("; ".join(str(error) for error in found.exceptions)) from group
    click.echo(results.table())
    _say(f"All samples are in {results.save()}")
    if report:
        _say(f"The report is {results.report()}")


async def _measure(rounds: int, chosen: tuple[str, ...]) -> Results:
    if absent := [said for said in (docker.missing(), podman.missing()) if said]:
        raise InvalidSpec("; ".join(absent))
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with site(_say) as here:
        facts: list[Facts] = []
        if MEMORY in chosen:
            # First, since it looks at daemons that have done nothing yet.
            _say("Measuring memory, which takes minutes")
            facts.append(await footprint.memory(here))
        timed = [await _command(here, name, rounds) for name in commands.COMMANDS if name in chosen]
        if BURST in chosen:
            _say(f"Measuring bursts of {burst.COUNT} starts")
            facts.append(await burst.measure(here))
        if CROWD in chosen:
            facts.append(await crowd.measure(here, rounds, _say))
        if THROUGHPUT in chosen:
            _say("Measuring how fast bytes go through exec and out of logs")
            facts += await throughput.measure(here)
        if IDLE in chosen:
            _say("Measuring what idle containers cost")
            facts.append(await footprint.idle(here, _say))
        # Last: the daemons are started anew for it, with a log that costs a little.
        ways = [*await _steps(here, rounds)] if STEPS in chosen else []
        versions = here.docker.version, here.podman.version, VERSION
        return Results(datetime.now(), *versions, rounds, timed, facts, ways)


async def _command(here: Site, name: str, rounds: int) -> commands.Measured:
    _say(f"Measuring {commands.COMMANDS[name][0]}")
    return await commands.measure(here, name, rounds)


async def _steps(here: Site, rounds: int) -> list[steps.Way]:
    _say("Measuring the steps of a start")
    return await steps.measure(here, rounds)


if __name__ == "__main__":
    main()
