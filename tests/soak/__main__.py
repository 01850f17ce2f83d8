"""`python -m tests.soak`: clients and faults for some minutes, then the truth."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from shoal_common.errors import ShoalError
from tests.soak import plants
from tests.soak.report import Result
from tests.soak.run import Wish, soak
from tests.soak.schedule import Kind

_INTERRUPTED: Final = 130
_ALL: Final = "all"
#: A planted bug has to be found within this.
_PLANT_MINUTES: Final = 10.0
_MINUTES: Final = 30.0


def _say(line: str) -> None:
    click.echo(line, err=True)


@click.command()
@click.option(
    "--minutes",
    type=click.FloatRange(0.1),
    help=f"Of clients and faults ({_MINUTES:g}; with --plant {_PLANT_MINUTES:g}).",
)
@click.option("--seed", type=int, help="Of an earlier run, to do the same again.")
@click.option("--report", is_flag=True, help="Also write docs/reports/<date>-soak.md.")
@click.option(
    "--plant",
    type=click.Choice([*plants.NAMES, _ALL]),
    help="Run a copy of the product with this bug, which must be found.",
)
@click.option(
    "--fault",
    "faults",
    type=click.Choice([each.name.lower() for each in Kind]),
    multiple=True,
    help="Only these faults.",
)
def main(minutes: float | None, seed: int | None, report: bool, plant: str | None, faults: tuple[str, ...]) -> None:
    """Run random operations and faults against a lab of its own, as root, and check what came of it.

    Ends with 1 if anything is not as it must be; then the daemons' logs are kept. With --plant, which plants a bug in a
    copy of the product, it ends with 1 if nothing is found. Ctrl-C leaves nothing behind.

    \b
    Examples:
      python -m tests.soak --minutes 10 --seed 7
      python -m tests.soak --report
      python -m tests.soak --plant all
      python -m tests.soak --minutes 3 --fault agent_killed --fault node_cut
    """
    chosen = secrets.randbelow(1_000_000) if seed is None else seed
    kinds = tuple(Kind[each.upper()] for each in faults) or tuple(Kind)
    if plant is None:
        result = _soak(Wish(chosen, minutes or _MINUTES, kinds))
        click.echo(result.text())
        if report:
            _say(f"The report is {result.write()}")
        if result.violations:
            click.echo(f"\n{result.stories()}")
            sys.exit(1)
        return
    wish = Wish(chosen, minutes or _PLANT_MINUTES, kinds)
    missed = [each for each in (plants.NAMES if plant == _ALL else (plant,)) if not _find(plants.plant_of(each), wish)]
    if missed:
        raise click.ClickException(f"not found within {wish.minutes:g} minutes: {', '.join(missed)} (seed {chosen})")


def _find(plant: plants.Plant, wish: Wish) -> bool:
    """Say whether a run finds a planted bug."""
    with tempfile.TemporaryDirectory(prefix="shoal-soak-plant-") as folder, plants.planted(plant, Path(folder)):
        result = _soak(replace(wish, until=plant.found_by))
    found = next((each for each in result.violations if each.check == plant.found_by), None)
    after = f"after {result.seconds:.0f} s: {found}" if found else "not found"
    click.echo(f"{plant.name} (seed {wish.seed}): {after}")
    return found is not None


def _soak(wish: Wish) -> Result:
    kept = Path(tempfile.gettempdir()) / f"shoal-soak-{wish.seed}"
    try:
        with _configuration():
            return asyncio.run(_run(wish, kept))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(_INTERRUPTED)
    except ShoalError as error:
        raise click.ClickException(f"seed {wish.seed}: {error.message}") from error
    except BaseExceptionGroup as group:
        if (found := group.subgroup(ShoalError)) is None:
            raise
        told = "; ".join(str(error) for error in found.exceptions)
        raise click.ClickException(f"seed {wish.seed}: {told}") from group


@contextmanager
def _configuration() -> Iterator[None]:
    """The lab writes down how to reach it: not into the configuration of whoever runs this."""
    with tempfile.TemporaryDirectory(prefix="shoal-soak-") as folder:
        os.environ["SHOAL_CONFIG"] = str(Path(folder) / "config.json")
        yield


async def _run(wish: Wish, kept: Path) -> Result:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await soak(wish, kept, _say)


if __name__ == "__main__":
    main()
