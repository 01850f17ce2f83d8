"""What people read of a run. Pure but for writing the report."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from bench.tables import aligned
from tests.soak.growth import Life, Usage
from tests.soak.history import History
from tests.soak.violation import Violation

REPORTS: Final = Path(__file__).parents[2] / "docs" / "reports"
_STORIES: Final = 5


@dataclass(slots=True)
class Result:
    """One run.

    Attributes:
        begins: starts of containers that were counted in their logs.
        looked: how many things each check has looked at.
        seconds: of clients and faults.
    """

    at: datetime
    seed: int
    minutes: float
    shoal: str
    history: History
    begins: int = 0
    seconds: float = 0.0
    looked: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)
    lives: Sequence[Life] = ()

    def text(self) -> str:
        """Return the whole result as Markdown."""
        return "\n".join(self._lines())

    def stories(self) -> str:
        """Return what is known of the first containers that something is wrong with."""
        concerned = list(dict.fromkeys(each.container for each in self.violations if each.container))
        return "\n\n".join("\n".join(self.history.story(each)) for each in concerned[:_STORIES])

    def write(self) -> Path:
        """Write the dated report and return its path; one of the same day is replaced."""
        REPORTS.mkdir(exist_ok=True)
        path = REPORTS / f"{self.at:%Y-%m-%d}-soak.md"
        path.write_text(f"# Soak, {self.at:%Y-%m-%d}\n\n{self._circumstances()}\n\n{self.text()}\n")
        return path

    def _circumstances(self) -> str:
        machine = f"{platform.machine()}, Linux {platform.release()}, Python {platform.python_version()}"
        return (
            f"Shoal {self.shoal}, five nodes, three controllers and three members of etcd in a lab, five clients and\n"
            f"overlapping faults for {self.minutes:g} minutes;\n"
            f"{os.cpu_count()} cores ({machine}), the load of the last quarter of an hour {os.getloadavg()[2]:.1f}.\n"
            f"Again: `make soak MINUTES={self.minutes:g} SEED={self.seed}` (the seed fixes what is asked,\n"
            "not when it is answered)."
        )

    def _lines(self) -> Iterator[str]:
        history = self.history
        calls = len(history.events)
        yield f"Seed {self.seed}: {len(history.made)} containers asked for, {calls} calls, {self.begins} starts seen in"
        yield f"logs, {len(history.troubles)} faults, **{len(self.violations)} violations**."
        yield ""
        yield from (f"- {each.check}: {each.what} {each.container[:12]}".rstrip() for each in self.violations)
        if self.violations:
            yield ""
        outcomes = sorted({how for _, how in history.operations}, key=lambda how: (how != "done", how))
        rows = [("operation", *outcomes)]
        for operation in sorted({what for what, _ in history.operations}):
            counts = (history.operations[operation, how] for how in outcomes)
            rows.append((operation, *(str(count) if count else "" for count in counts)))
        yield from aligned(rows)
        yield ""
        kinds = Counter(trouble.kind for trouble in history.troubles)
        yield from aligned([("fault", "times"), *((kind, str(count)) for kind, count in sorted(kinds.items()))])
        yield ""
        yield from aligned([("looked at", "times"), *((what, str(n)) for what, n in sorted(self.looked.items()))])
        yield ""
        columns = ("daemon", "PSS then, MiB", "at the end", "peak", "files", "threads", "life, s")
        yield from aligned([columns, *map(_shown, sorted(self.lives, key=lambda life: life.daemon))])
        yield ""
        yield "Then: after the first minute of the process that lived at the end. One that lived less is not judged."


def _shown(life: Life) -> tuple[str, ...]:
    then, now = life.settled, life.last

    def change(field_: str) -> str:
        def of(usage: Usage) -> str:
            return str(getattr(usage, field_))

        return f"{of(then) if then is not None else '-'} to {of(now)}"

    settled = f"{then.memory / (1 << 20):.1f}" if then is not None else "-"
    memory = (settled, f"{now.memory / (1 << 20):.1f}", f"{life.peak / (1 << 20):.1f}")
    return (life.daemon, *memory, change("files"), change("threads"), f"{now.age:.0f}")
