"""`python -m tests.kills`: an agent dies while users are at work, in a lab of its own."""

from __future__ import annotations

import asyncio
import secrets
import sys
import tempfile
from pathlib import Path
from typing import Final

import click

from tests.conftest import clear, made_lab
from tests.kills.run import kill_agents
from tests.parts.leftovers import assert_nothing_left

_LAB: Final = "kills"
_SUBNET: Final = "10.126.0.0/24"


@click.command()
@click.option("--operations", type=click.IntRange(1), default=100, show_default=True, help="That users ask for.")
@click.option("--seed", type=int, help="Of an earlier run, to ask and kill the same again.")
def main(operations: int, seed: int | None) -> None:
    """Kill a node's agent again and again while users are at work there, as root, and look at what they were told.

    Ends with 1 if a container is not in the state that somebody was told, or in a later one, if a line of a log is
    missing, or anything began twice. Nothing is left behind.

    \b
    Examples:
      python -m tests.kills
      python -m tests.kills --operations 20 --seed 7
    """
    chosen = secrets.randbelow(1_000_000) if seed is None else seed
    with tempfile.TemporaryDirectory(prefix="shoal-kills-") as made, made_lab(Path(made), _LAB, _SUBNET) as lab:
        work = kill_agents(
            lab, Path(made), operations=operations, seed=chosen, say=lambda line: click.echo(line, err=True)
        )
        result = asyncio.run(work)
        click.echo(result.text())
        clear(lab)
        assert_nothing_left(lab, seconds=30)
    sys.exit(bool(result.wrong))


if __name__ == "__main__":
    main()
