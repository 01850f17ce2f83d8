"""What people read of a run."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from tests.soak import report
from tests.soak.growth import Life, Usage
from tests.soak.history import Call, Event, History, Made, Program
from tests.soak.report import Result
from tests.soak.violation import Violation

ID = "a" * 64


def test_a_result_tells_seed_counts_violations_and_growth() -> None:
    made = Made(ID, "s1", Program(5, 1.0))
    history = History({ID: made}, [Event(1, Call.RUN, ID, 0, 1, run=1)])
    history.operations = Counter({("run", "done"): 2, ("run", "gave up"): 1, ("rm", "Conflict"): 4})
    then, now = Usage(61, 50 << 20, 20, 8), Usage(600, 51 << 20, 21, 8)
    result = Result(datetime(2026, 1, 2), 7, 10, "0.1", history)
    result.violations.append(Violation("starts", "run 1 began 2 times", ID))
    result.lives = [Life("node1/agent", then, now, 52 << 20), Life("node2/agent", None, then, then.memory)]
    text = result.text()
    assert "Seed 7: 1 containers asked for, 1 calls" in text
    assert f"- starts: run 1 began 2 times {ID[:12]}" in text
    rows = [[cell.strip() for cell in line.split("|")][1:-1] for line in text.splitlines()]
    assert ["operation", "done", "Conflict", "gave up"] in rows
    assert ["run", "2", "", "1"] in rows
    assert ["node1/agent", "50.0", "51.0", "52.0", "20 to 21", "8 to 8", "600"] in rows
    assert ["node2/agent", "-", "50.0", "50.0", "- to 20", "- to 8", "61"] in rows
    assert result.stories().splitlines()[0] == f"{ID} s1: exits 5 after 1.0 s"


def test_a_report_is_dated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "REPORTS", tmp_path / "reports")
    path = Result(datetime(2026, 1, 2), 7, 10, "0.1", History()).write()
    assert path.name == "2026-01-02-soak.md"
    assert "`make soak MINUTES=10 SEED=7`" in path.read_text()
