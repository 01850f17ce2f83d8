"""What is said of how much one leader bears: a column for each number of agents, and one for more than were tried."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from bench.figures import at, highest
from bench.scale.measure import HEARTBEAT, Measured, Spent
from bench.tables import aligned
from shoal_common.version import VERSION
from shoal_controller.core import liveness

REPORTS: Final = Path(__file__).parents[2] / "docs" / "reports"
#: Agents for which the last column says what the growth from column to column comes to.
FORETOLD: Final = 6100
_MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class _Row:
    """One line.

    Attributes:
        value: what was measured; None: it was not.
        grows: in proportion to the agents, so that the last column can be told from the two before.
    """

    name: str
    value: Callable[[Measured], float | None]
    digits: int = 0
    grows: bool = False


def _interval(agents: int) -> float:
    return liveness.interval(agents, least=HEARTBEAT)


def _share(phase: str, process: str) -> Callable[[Measured], float | None]:
    def share(measured: Measured) -> float | None:
        spent: Spent | None = getattr(measured, phase)
        return None if spent is None else 100 * spent.cpu[process] / spent.seconds

    return share


def _writes(phase: str) -> Callable[[Measured], float | None]:
    def writes(measured: Measured) -> float | None:
        spent: Spent | None = getattr(measured, phase)
        return None if spent is None else float(sum(spent.writes.values()))

    return writes


def _changed(value: Callable[[Measured], float]) -> Callable[[Measured], float | None]:
    return lambda measured: None if measured.change is None else value(measured)


_ROWS: Final = (
    _Row("all are ready after, s", lambda m: m.ready, 1, grows=True),
    _Row("writes to etcd meanwhile", _writes("arrival"), grows=True),
    _Row("leader's processor meanwhile, % of a core", _share("arrival", "leader")),
    _Row("at rest for, minutes", lambda m: m.steady.seconds / 60 if m.steady else None),
    _Row("heartbeats of an agent every, s", lambda m: _interval(m.agents), 1),
    _Row("heartbeats a second", lambda m: m.agents / _interval(m.agents)),
    _Row("a heartbeat's answer, median ms", lambda m: at(m.heartbeats, 0.5), 1),
    _Row("of a hundred the slowest, ms", lambda m: at(m.heartbeats, 0.99), 1),
    _Row("the slowest, ms", lambda m: highest(m.heartbeats)),
    _Row("heartbeats without an answer", lambda m: m.heartbeats_failed),
    _Row("agents wrongly called down", lambda m: m.downs),
    _Row("writes to etcd", _writes("steady")),
    _Row("leader's processor, % of a core", _share("steady", "leader"), 1),
    _Row("etcd's", _share("steady", "etcd"), 1),
    _Row("the other controller's", _share("steady", "follower"), 1),
    _Row("all agents'", _share("steady", "agents"), 1),
    _Row("leader's memory, MiB", lambda m: m.leader_full / _MIB, grows=True),
    _Row("of it for agents, KiB each", lambda m: (m.leader_full - m.leader_empty) / m.agents / 1024, 1),
    _Row("leader killed: the next leads after, s", _changed(lambda m: m.elected), 1),
    _Row("all are with it after, s", _changed(lambda m: m.changed), 1, grows=True),
    _Row("agents lost", _changed(lambda m: m.lost)),
    _Row("connections made", _changed(lambda m: m.change.connections if m.change else 0), grows=True),
    _Row("its loop was busy at a stretch, ms at most", _changed(lambda m: m.stall_change)),
)


def table(measured: Sequence[Measured]) -> str:
    """Return a table in Markdown; with two or more numbers of agents it also foretells."""
    runs = sorted(measured, key=lambda each: each.agents)
    foretells = len(runs) > 1
    heads = [f"{each.agents:,}" for each in runs] + ([f"{FORETOLD:,}, foretold"] if foretells else [])
    rows: list[tuple[str, ...]] = [("agents", *heads)]
    for row in _ROWS:
        values = [row.value(each) for each in runs]
        cells = ["" if value is None else f"{value:,.{row.digits}f}" for value in values]
        rows.append((row.name, *cells, *([_foretold(row, runs)] if foretells else [])))
    return "\n".join(aligned(rows))


def _foretold(row: _Row, runs: Sequence[Measured]) -> str:
    """Go on along the straight line through the two largest."""
    (less, more) = runs[-2:]
    low, high = row.value(less), row.value(more)
    if not row.grows or low is None or high is None:
        return ""
    slope = (high - low) / (more.agents - less.agents)
    return f"{high + slope * (FORETOLD - more.agents):,.{row.digits}f}"


def write(measured: Sequence[Measured]) -> Path:
    """Write the dated report and return its path; one of the same day is replaced."""
    now = datetime.now()
    path = REPORTS / f"{now:%Y-%m-%d}-scale.md"
    path.write_text("\n".join(_page(measured, now)) + "\n")
    return path


def _page(measured: Sequence[Measured], now: datetime) -> Iterator[str]:
    machine = f"{platform.machine()}, Linux {platform.release()}, Python {platform.python_version()}"
    yield f"# How much one leader bears, {now:%Y-%m-%d}\n"
    yield f"Shoal {VERSION}; simulated agents share {os.cpu_count()} cores with the controllers and etcd"
    yield f"({machine}).\n"
    yield table(measured)
    yield "\nWhat is measured, and how: [guides/benchmarks](../guides/benchmarks.md)."
