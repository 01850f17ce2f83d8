"""The stand-in for the runtime, tried alone."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.soak import cuts
from tests.soak.cuts import Cut

SCRIPT = Path(cuts.__file__).with_name("runtime_witness.sh")
NAME = f"{'a' * 64}-1-2"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A directory with the stand-in, a runtime that says its arguments, and the log of an attempt."""
    crun = tmp_path / "crun"
    crun.write_text('#!/bin/sh\necho "crun $*"\n')
    crun.chmod(0o755)
    (tmp_path / "keep").mkdir()
    log = tmp_path / "containers" / NAME.partition("-")[0] / "1" / "logs" / "2.0.log"
    log.parent.mkdir(parents=True)
    log.write_text("began\n")
    text = SCRIPT.read_text()
    for name, path in (("HERE", "."), ("KEEP", "keep"), ("CONTAINERS", "containers"), ("CRUN", "crun")):
        text = text.replace(f"@{name}@", str(tmp_path / path))
    program = tmp_path / "witness"
    program.write_text(text)
    program.chmod(0o755)
    return tmp_path


def call(here: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen([here / "witness", "--root", "/r", *words], stdout=subprocess.PIPE, text=True)


def test_what_is_asked_is_written_down_and_done(here: Path) -> None:
    assert call(here, "start", NAME).communicate()[0] == f"crun --root /r start {NAME}\n"
    assert call(here, "--version").communicate()[0] == "crun --root /r --version\n"
    orders = [line.split(" ")[1:] for line in (here / "orders").read_text().splitlines()]
    assert orders == [["start", NAME]]
    assert os.path.samefile(here / "keep" / NAME, next(here.glob("containers/*/1/logs/2.0.log")))


def test_a_slow_start_goes_on_when_its_state_was_asked_for(here: Path) -> None:
    (here / "slow").write_text("600\n")
    start = call(here, "start", NAME)
    began = time.monotonic()
    while not (here / "orders").exists():
        assert time.monotonic() < began + 10
    assert start.poll() is None
    assert call(here, "state", NAME).communicate()[0] == f"crun --root /r state {NAME}\n"
    assert start.communicate()[0] == f"crun --root /r start {NAME}\n"
    assert time.monotonic() < began + 30


def test_cuts_have_a_direction_peers_and_a_port() -> None:
    out = cuts.rules("t", Cut(("10.0.0.1", "10.0.0.2"), 2379, into=False))
    assert "add rule inet t output ip daddr { 10.0.0.1, 10.0.0.2 } tcp dport 2379 drop" in out
    assert "input" not in out
    into = cuts.rules("t", Cut(("10.0.0.1",), out=False))
    assert "add rule inet t input ip saddr { 10.0.0.1 } drop" in into
    assert "output" not in into
