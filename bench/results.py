"""What was measured, as a table, as JSON and as a dated report."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from bench.commands import Measured
from bench.facts import Fact, Facts
from bench.figures import Figures, figures
from bench.steps import Way
from bench.tables import aligned

_HERE: Final = Path(__file__).parent
RESULTS: Final = _HERE / "results"
REPORTS: Final = _HERE.parent / "docs" / "reports"
_PEERS: Final = ("docker", "podman")


@dataclass(frozen=True, slots=True)
class Results:
    """One run of the benchmark."""

    at: datetime
    docker: str
    podman: str
    shoal: str
    rounds: int
    commands: Sequence[Measured]
    facts: Sequence[Facts]
    ways: Sequence[Way]

    def table(self) -> str:
        """Return what people read: Markdown that is aligned."""
        return "\n\n".join("\n".join(aligned(rows)) for rows in self._tables())

    def save(self) -> Path:
        """Write all samples to a file of JSON and return its path."""
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{self.at:%Y-%m-%dT%H%M%S}.json"
        path.write_text(json.dumps(self._value(), indent=1) + "\n")
        return path

    def report(self) -> Path:
        """Write the dated report and return its path; one of the same day is replaced."""
        path = REPORTS / f"{self.at:%Y-%m-%d}-bench.md"
        text = f"# Shoal beside Docker and Podman, {self.at:%Y-%m-%d}\n\n{self._circumstances()}\n\n{self.table()}\n"
        path.write_text(text + "\nWhat is measured, and how: [guides/benchmarks](../guides/benchmarks.md).\n")
        return path

    def _circumstances(self) -> str:
        cores, load = os.cpu_count(), os.getloadavg()[2]
        machine = f"{platform.machine()}, Linux {platform.release()}, Python {platform.python_version()}"
        return (
            f"Shoal {self.shoal}, Docker {self.docker} and Podman {self.podman}, side by side, {self.rounds} rounds, "
            f"{cores} cores\n"
            f"({machine}). The load of the last quarter of an hour was {load:.1f}.\n"
            "Milliseconds vary with the machine and with what else it does: the ratios are the result."
        )

    def _tables(self) -> Iterator[Sequence[tuple[str, ...]]]:
        if self.commands:
            rows: list[tuple[str, ...]] = [
                ("ms: median (p10 to p90)", *_PEERS, "shoal", *(f"shoal / {peer}" for peer in _PEERS))
            ]
            for each in self.commands:
                *peers, shoal = (figures(each.samples[side]) for side in (*_PEERS, "shoal"))
                ratios = (f"{shoal.median / peer.median:.2f}" for peer in peers)
                rows.append((each.shown, *map(_shown, peers), _shown(shoal), *ratios))
            yield rows
        for facts in self.facts:
            yield [(facts.name, *_PEERS, "shoal", "aim"), *map(_fact, facts.lines)]
        for way in self.ways:
            total = figures(way.totals)
            steps: list[tuple[str, ...]] = [(f"{way.name}, ms", "median (p10 to p90)", "share")]
            for name, samples in way.steps.items():
                step = figures(samples)
                steps.append((name, _shown(step), f"{step.median / total.median:.0%}"))
            steps.append(("all of it", _shown(total), ""))
            for name, samples in way.shares().items():
                part = figures(samples)
                steps.append((f"of it {name}", _shown(part), f"{part.median / total.median:.0%}"))
            yield [*steps, (f"99th percentile of {len(way.totals)}", f"{total.p99:.0f}", "")]

    def _value(self) -> dict[str, object]:
        return {
            "at": self.at.isoformat(),
            "docker": self.docker,
            "podman": self.podman,
            "shoal": self.shoal,
            "rounds": self.rounds,
            "machine": {
                "cores": os.cpu_count(),
                "kernel": platform.release(),
                "python": platform.python_version(),
                "load": os.getloadavg(),
            },
            "commands": {
                each.name: {
                    side: {**asdict(figures(samples)), "samples": samples} for side, samples in each.samples.items()
                }
                for each in self.commands
            },
            "facts": {facts.name: [asdict(line) for line in facts.lines] for facts in self.facts},
            "ways": {
                way.name: {
                    "total": {**asdict(figures(way.totals)), "samples": way.totals},
                    "steps": {
                        name: {**asdict(figures(samples)), "samples": samples} for name, samples in way.steps.items()
                    },
                }
                for way in self.ways
            },
        }


def _shown(value: Figures) -> str:
    digits = 0 if value.median >= 100 else 1
    return f"{value.median:.{digits}f} ({value.p10:.{digits}f} to {value.p90:.{digits}f})"


def _fact(line: Fact) -> tuple[str, ...]:
    peers = ("" if figure is None else f"{figure:.2f}" for figure in (line.docker, line.podman))
    return (line.name, *peers, f"{line.shoal:.2f}", line.aim)
