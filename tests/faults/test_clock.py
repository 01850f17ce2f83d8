"""Wall clocks that jump by an hour, of a node and of a controller: nothing is counted by them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.parts.daemons import fake_clock
from tests.parts.lab import LabUnderTest, eventually

HERE = ("--constraint", "node.name==node2")
JUMPS = ("+3600", "-3600", "+0")
COUNT = "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.05; done"


@pytest.fixture
def node_clock(clean_lab: LabUnderTest, tmp_path: Path) -> Iterator[Path]:
    """Says how far off the wall clock of node2's agent is."""
    offset = tmp_path / "offset"
    offset.write_text("+0")
    tmp_path.chmod(0o755)
    fake_clock(clean_lab, "node2", "agent", offset)
    eventually(lambda: clean_lab.node_state("node2") == "READY", seconds=20, what="node2 ready")
    yield offset
    clean_lab.lab("kill", "node2")
    clean_lab.lab("start", "node2")


@pytest.fixture
def controller_clock(clean_lab: LabUnderTest, tmp_path: Path) -> Iterator[Path]:
    """Says how far off the wall clock of the controller is."""
    offset = tmp_path / "offset"
    offset.write_text("+0")
    fake_clock(clean_lab, "control1", "controller", offset)
    eventually(lambda: clean_lab.run("ps", ok=None).returncode == 0, seconds=20, what="the controller")
    yield offset
    clean_lab.lab("kill", "control1/controller")
    clean_lab.lab("start", "control1/controller")


def _restarts(shoal: LabUnderTest, name: str) -> int:
    return int(shoal.inspect(name)["status"]["restarts"])


def _command(shoal: LabUnderTest, name: str) -> str:
    return " ".join(shoal.inspect(name)["status"]["command"])


def _off(stamp: str) -> float:
    """Return the seconds by which a time that was stored just now is off."""
    return datetime.fromisoformat(re.sub(r"\.\d+", "", stamp).replace("Z", "+00:00")).timestamp() - time.time()


def test_a_node_whose_clock_jumps(clean_lab: LabUnderTest, node_clock: Path) -> None:
    shoal = clean_lab
    shoal.run("run", "-d", "--name", "count", *HERE, shoal.image, "sh", "-c", COUNT)
    looping = time.monotonic()
    shoal.run("run", "-d", "--name", "loop", "--restart", "always", *HERE, shoal.image, "false")
    follower = shoal.spawn("logs", "-f", "count")
    eventually(lambda: _restarts(shoal, "loop") >= 3, seconds=20, what="three restarts")
    pid = shoal.inspect("count")["status"]["pid"]
    for number, jump in enumerate(JUMPS):
        node_clock.write_text(jump)
        name = f"stubborn{number}"
        shoal.run(
            "run", "-d", "--name", name, *HERE, shoal.image, "sh", "-c", "trap '' TERM; while :; do sleep 1; done"
        )
        eventually(lambda name=name: "trap" in _command(shoal, name), seconds=20, what=name)  # type: ignore[misc]
        assert abs(_off(shoal.inspect(name)["status"]["started_at"]) - int(jump)) < 60
        # The grace of a stop is neither cut short nor drawn out by the hour that the clock has jumped.
        began = time.monotonic()
        shoal.run("stop", "-t", "2", name)
        assert 2 <= time.monotonic() - began < 60
        assert shoal.node_state("node2") == "READY"
        assert shoal.out("exec", "count", "echo", "here") == "here"
    # Restarts go on, and wait for as long as they should: the eighth comes 12.7 s after the first end, the tenth 51 s.
    eventually(lambda: _restarts(shoal, "loop") >= 4, seconds=20, what="another restart")
    assert 0.1 * (2 ** (_restarts(shoal, "loop") - 1) - 1) < time.monotonic() - looping
    # A new connection is made, and its certificates hold, with the clock an hour behind and an hour ahead.
    for jump in JUMPS:
        node_clock.write_text(jump)
        shoal.lab("kill", "control1/controller")
        shoal.lab("start", "control1/controller")
        eventually(
            lambda: shoal.run("exec", "count", "true", ok=None).returncode == 0, seconds=20, what=f"exec at {jump}"
        )
        eventually(lambda: shoal.node_state("node2") == "READY", seconds=20, what=f"a session at {jump}")
    assert shoal.inspect("count")["status"]["pid"] == pid
    shoal.run("stop", "-t", "0", "count")
    output, errors = follower.communicate(timeout=30)
    lines = [int(line) for line in re.findall(rb"line (\d+)\n", output)]
    assert lines == list(range(1, len(lines) + 1)), errors
    assert len(lines) > 40
    shoal.run("stop", "loop")


def test_a_controller_whose_clock_jumps(clean_lab: LabUnderTest, controller_clock: Path) -> None:
    shoal = clean_lab
    shoal.run("run", "-d", "--name", "web", shoal.image, "sleep", "1000")
    token = shoal.out("cluster", "token")
    for number, jump in enumerate(JUMPS):
        controller_clock.write_text(jump)
        began = time.monotonic()
        while time.monotonic() - began < 7:
            # No node is lost, no term ends: longer than a node may be silent, and twice as long as the leader's lease.
            assert {shoal.node_state(node) for node in shoal.nodes} == {"READY"}
        shoal.run("run", "--rm", "--name", f"job{number}", shoal.image, "true")
        shoal.run("create", "--name", f"made{number}", shoal.image)
        assert abs(_off(shoal.inspect(f"made{number}")["spec"]["created_at"]) - int(jump)) < 60
        assert shoal.out("exec", "web", "echo", "here") == "here"
    assert token != shoal.out("cluster", "token")
