"""`python -m tests.soak`: churn and faults for some minutes, then the truth."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
import tempfile
from pathlib import Path
from typing import Final

import click

from shoal_common.errors import ShoalError
from tests.soak.report import Result
from tests.soak.run import soak

_INTERRUPTED: Final = 130


def _say(line: str) -> None:
    click.echo(line, err=True)


@click.command()
@click.option("--minutes", type=click.FloatRange(0.1), default=10, show_default=True, help="Of clients and faults.")
@click.option("--seed", type=int, help="Of an earlier run, to do the same again.")
@click.option("--report", is_flag=True, help="Also write docs/reports/<date>-soak.md.")
def main(minutes: float, seed: int | None, report: bool) -> None:
    """Run random operations and faults against a lab of its own, as root, and check what came of it.

    Ends with 1 if anything is not as it must be; then the daemons' logs are kept. Ctrl-C leaves nothing behind.
    """
    chosen = secrets.randbelow(1_000_000) if seed is None else seed
    kept = Path(tempfile.gettempdir()) / f"shoal-soak-{chosen}"
    try:
        # The lab writes down how to reach it: not into the configuration of whoever runs this.
        with tempfile.TemporaryDirectory(prefix="shoal-soak-") as folder:
            os.environ["SHOAL_CONFIG"] = str(Path(folder) / "config.json")
            result = asyncio.run(_soak(chosen, minutes, kept))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(_INTERRUPTED)
    except ShoalError as error:
        raise click.ClickException(f"seed {chosen}: {error.message}") from error
    except BaseExceptionGroup as group:
        if (found := group.subgroup(ShoalError)) is None:
            raise
        told = "; ".join(str(error) for error in found.exceptions)
        raise click.ClickException(f"seed {chosen}: {told}") from group
    click.echo(result.text())
    if report:
        _say(f"The report is {result.write()}")
    if result.violations:
        click.echo(f"\n{result.stories()}")
        sys.exit(1)


async def _soak(seed: int, minutes: float, kept: Path) -> Result:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await soak(seed, minutes, kept, _say)


if __name__ == "__main__":
    main()
