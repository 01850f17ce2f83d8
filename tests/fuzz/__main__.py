"""`python -m tests.fuzz`: hostile command lines, messages, strangers and nodes against a lab of its own."""

from __future__ import annotations

import asyncio
import secrets
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from tests.fuzz.campaign import Result, try_commands, try_messages
from tests.fuzz.liars import try_lying
from tests.fuzz.places import Place, bare, whole
from tests.fuzz.strangers import try_joining
from tests.parts.leftovers import assert_nothing_left

_KINDS: Final = ("commands", "messages", "strangers", "liars")


@click.command()
@click.argument("kinds", nargs=-1, type=click.Choice(_KINDS))
@click.option("--tries", type=click.IntRange(1), default=10_000, show_default=True, help="Of each kind.")
@click.option("--seed", type=int, help="Of an earlier run, to ask the same again.")
@click.option("--only", type=int, multiple=True, help="Only the try of this number. Can be repeated.")
@click.option("--bare", "alone", is_flag=True, help="A controller without nodes, instead of a lab.")
def main(kinds: Sequence[str], tries: int, seed: int | None, only: tuple[int, ...], alone: bool) -> None:
    """Ask a cluster that is there for nothing else for what nobody should ask, as root, and look at what it says.

    Ends with 1 if anything is not as it must be. What is made is removed; a line or a message is made again by its
    seed and its number.

    \b
    Examples:
      python -m tests.fuzz
      python -m tests.fuzz commands --tries 500 --seed 7
      python -m tests.fuzz messages --bare --seed 7 --only 123
    """
    chosen = secrets.randbelow(1_000_000) if seed is None else seed
    numbers = only or range(tries)
    failed = False
    # Outside of what only root may pass: command lines are carried out as nobody.
    with tempfile.TemporaryDirectory(prefix="shoal-fuzz-") as made:
        folder = Path(made)
        folder.chmod(0o711)
        with (bare if alone else whole)(folder) as place:
            for kind in kinds or _KINDS:
                result = asyncio.run(_try(kind, place, folder, chosen, numbers))
                click.echo(f"{kind}, {result.text()}")
                failed |= bool(result.wrong)
                if place.died:
                    break
            asyncio.run(place.clear())
            if place.lab is not None:
                assert_nothing_left(place.lab, seconds=30)
    sys.exit(failed)


async def _try(kind: str, place: Place, folder: Path, seed: int, numbers: Sequence[int]) -> Result:
    def say(line: str) -> None:
        click.echo(line, err=True)

    if kind == "commands":
        return await try_commands(place, folder, seed=seed, tries=numbers, say=say)
    if kind == "messages":
        return await try_messages(place, seed=seed, tries=numbers, say=say)
    if kind == "strangers":
        return await try_joining(place, seed=seed, tries=numbers, say=say)
    return await try_lying(place, seed=seed, tries=numbers, say=say)


if __name__ == "__main__":
    main()
