"""What people read of a run. Pure but for writing the report."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from bench.tables import aligned
from shoal_common.version import VERSION
from tests.churn.run import STEPS, WARM, Result
from tests.churn.traces import MORE, REMEMBERED
from tests.soak.report import REPORTS

_MIB: Final = 1 << 20


def text(result: Result) -> str:
    """Return the result as Markdown."""
    return "\n".join(_lines(result))


def write(result: Result, at: datetime) -> Path:
    """Write the dated report and return its path; one of the same day is replaced."""
    REPORTS.mkdir(exist_ok=True)
    path = REPORTS / f"{at:%Y-%m-%d}-churn.md"
    path.write_text(f"# Containers that come and go, {at:%Y-%m-%d}\n\n{_circumstances(result)}\n\n{text(result)}\n")
    return path


def _circumstances(result: Result) -> str:
    machine = f"{platform.machine()}, Linux {platform.release()}, Python {platform.python_version()}"
    return (
        f"Shoal {VERSION}, three nodes in a lab, {result.cycles} containers created, started, stopped and "
        f"removed,\n{result.width} at a time; {os.cpu_count()} cores ({machine}), the load of the last quarter of an "
        f"hour {os.getloadavg()[2]:.1f}.\n"
        f"Again: `python -m tests.churn --cycles {result.cycles} --width {result.width}`."
    )


def _lines(result: Result) -> Iterator[str]:
    yield f"{result.cycles} cycles, {result.width} at a time, **{len(result.wrong)} things wrong**."
    yield ""
    yield from (f"- {each}" for each in result.wrong)
    if result.wrong:
        yield ""
    if result.before is None or result.after is None:
        return
    yield f"{(result.cycles - WARM) / result.seconds:.1f} cycles a second after the first {WARM}. Milliseconds of each:"
    yield ""
    rows = [("step", "median", "95 of 100", "most")]
    for step in STEPS:
        taken = sorted(1000 * each for each in result.steps[step])
        of_all = (statistics.median(taken), taken[int(len(taken) * 0.95)], taken[-1])
        median, most_of, most = (f"{each:.0f}" for each in of_all)
        rows.append((step, median, most_of, most))
    yield from aligned(rows)
    yield ""
    yield f"Memory (PSS) while no container is there; it may grow by {MORE:.0%}, and a controller's by another"
    yield f"{REMEMBERED >> 10} KiB for each container that was removed:"
    yield ""
    rows = [("daemon", f"after {WARM}, MiB", f"after {result.cycles}, MiB", "change")]
    for name, bytes_ in sorted(result.after.memory.items()):
        then = result.before.memory[name]
        rows.append((name, f"{then / _MIB:.1f}", f"{bytes_ / _MIB:.1f}", f"{bytes_ / then - 1:+.1%}"))
    yield from aligned(rows)
    yield ""
    yield "What there is of the lab on the machine then:"
    yield ""
    kinds = [(each.kind, str(each.before), str(each.after)) for each in result.growth]
    yield from aligned([("kind", f"after {WARM}", f"after {result.cycles}"), *kinds])
