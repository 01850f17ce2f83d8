"""`python -m tests.churn`: containers come and go in a lab of its own."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Final

import click

from tests.churn import report
from tests.churn.run import WARM, churn
from tests.conftest import made_lab

_LAB: Final = "churn"
_SUBNET: Final = "10.126.0.0/24"


def _say(line: str) -> None:
    click.echo(line, err=True)


@click.command()
@click.option("--cycles", type=click.IntRange(2 * WARM), default=1000, show_default=True, help="Of one container each.")
@click.option("--width", type=click.IntRange(1), default=20, show_default=True, help="At a time.")
@click.option("--report", "wanted", is_flag=True, help="Also write docs/reports/<date>-churn.md.")
def main(cycles: int, width: int, wanted: bool) -> None:
    """Create, start, stop and remove containers on three nodes, as root, and look at what is left.

    Ends with 1 if anything is left of a container, or if a daemon needs more memory than after the first ones.

    \b
    Examples:
      python -m tests.churn
      python -m tests.churn --cycles 300 --report
    """
    with tempfile.TemporaryDirectory(prefix="shoal-churn-") as made, made_lab(Path(made), _LAB, _SUBNET) as lab:
        result = asyncio.run(churn(lab, cycles=cycles, width=width, say=_say))
    click.echo(report.text(result))
    if wanted:
        _say(f"The report is {report.write(result, datetime.now())}")
    sys.exit(bool(result.wrong))


if __name__ == "__main__":
    main()
