"""What the benchmark makes of its samples, and of a machine without Docker or Podman."""

from __future__ import annotations

import itertools
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench import docker, podman, steps
from bench.__main__ import main
from bench.commands import Measured
from bench.facts import Fact, Facts
from bench.figures import Figures, figures
from bench.results import Results
from bench.turns import in_turn


def test_figures_are_median_and_tenths() -> None:
    assert figures([float(each) for each in range(11)]) == Figures(median=5.0, p10=1.0, p90=9.0, p99=9.9)
    assert figures([7.0]) == Figures(median=7.0, p10=7.0, p90=7.0, p99=7.0)


def test_table_shows_the_ratio_of_medians_and_every_step() -> None:
    way = steps.Way("to first byte")
    way.add(10.0, [("asked", 10.002), ("came", 10.008)])
    samples = {"docker": [200.0, 200.0], "podman": [100.0, 100.0], "shoal": [100.0, 300.0]}
    commands = [Measured("run", "run -d", samples)]
    measured = [Fact("agent", 110.0, None, 70.25, "under 100"), Fact("container", 3.0, 0.25, 0.5)]
    facts = Facts("memory, MiB", measured)
    results = Results(datetime(2026, 1, 2), "20.10", "4.3", "0.1", 2, commands, [facts], [way])
    lines = [[cell.strip() for cell in line.split("|")] for line in results.table().splitlines()]
    run = ["", "run -d", "200 (200 to 200)", "100 (100 to 100)", "200 (120 to 280)", "1.00", "2.00", ""]
    assert lines[0][2:-1] == ["docker", "podman", "shoal", "shoal / docker", "shoal / podman"]
    assert run in lines
    assert ["", "agent", "110.00", "", "70.25", "under 100", ""] in lines
    assert ["", "container", "3.00", "0.25", "0.50", "", ""] in lines
    assert ["", "99th percentile of 1", "8", "", ""] in lines
    assert ["", "came", "6.0 (6.0 to 6.0)", "75%", ""] in lines
    assert ["", "all of it", "8.0 (8.0 to 8.0)", "", ""] in lines


def test_each_side_begins_and_follows_each_other_equally_often() -> None:
    rounds = [tuple(in_turn("dps", number)) for number in range(-2, 4)]
    assert sorted(rounds) == sorted(itertools.permutations("dps"))
    assert {order[0] for order in rounds[2:5]} == {"d", "p", "s"}


def test_absent_podman_fails_the_run_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(podman, "CLIENT", Path("/nonexistent/podman"))
    monkeypatch.setenv("SHOAL_CONFIG", "kept")
    result = CliRunner().invoke(main, [])
    assert result.exit_code == 1
    assert "/nonexistent/podman" in result.output
    assert "podman netavark" in result.output


def test_absent_docker_fails_the_run_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker, "CLIENT", Path("/nonexistent/docker"))
    monkeypatch.setenv("SHOAL_CONFIG", "kept")
    result = CliRunner().invoke(main, [])
    assert result.exit_code == 1
    assert "/nonexistent/docker missing" in result.output
    assert "tools/setup.sh bench" in result.output
