"""Restart policies while agents are killed and nodes are cut off: no restart is lost, none is made twice."""

from __future__ import annotations

import re
import time
from itertools import pairwise
from typing import Any

from tests.parts.lab import LabUnderTest, eventually

HERE = ("--constraint", "node.name==node2")
#: Milliseconds since boot at which each start began, from the container's own mouth.
CRASHES = ("sh", "-c", "echo began $(cut -d' ' -f1 /proc/uptime); exit 3")


def _status(shoal: LabUnderTest, name: str) -> dict[str, Any]:
    status: dict[str, Any] = shoal.inspect(name)["status"]
    return status


def _began(shoal: LabUnderTest, name: str) -> dict[int, list[float]]:
    """Return the seconds at which starts began, by attempt."""
    container = shoal.inspect(name)
    logs = shoal.data("node2") / "shoal" / "containers" / container["spec"]["id"] / "1" / "logs"
    return {
        int(log.name.partition(".")[0]): [float(s) for s in re.findall(r"began ([0-9.]+)", log.read_text())]
        for log in logs.iterdir()
    }


def _check_starts(shoal: LabUnderTest, name: str) -> None:
    """Each attempt began once, and none before the pause that it owed."""
    began = _began(shoal, name)
    assert all(len(times) <= 1 for times in began.values()), "an attempt began twice"
    times = [began[attempt][0] for attempt in sorted(began) if began[attempt]]
    pauses = [min(0.1 * 2**number, 60) for number in range(len(times))]
    for (earlier, later), pause in zip(pairwise(times), pauses, strict=False):
        # /proc/uptime has hundredths.
        assert later - earlier >= pause - 0.02, (times, pauses)


def test_restarts_go_on_while_cut_off_and_are_counted_later(clean_lab: LabUnderTest) -> None:
    shoal = clean_lab
    shoal.run("run", "-d", "--name", "loop", "--restart", "always", *HERE, shoal.image, *CRASHES)
    eventually(lambda: _status(shoal, "loop")["restarts"] >= 2, seconds=10, what="two restarts")
    shoal.lab("partition", "node2")
    try:
        known = _status(shoal, "loop")["restarts"]
        eventually(lambda: len(_began(shoal, "loop")) >= known + 4, seconds=30, what="restarts while cut off")
    finally:
        shoal.lab("heal", "node2")
    made = len(_began(shoal, "loop"))
    eventually(lambda: _status(shoal, "loop")["restarts"] >= made - 1, seconds=15, what="the news of them")
    status = _status(shoal, "loop")
    assert status["attempt"] == status["restarts"] + 1
    assert len(status["attempts"]) == min(16, status["attempt"])
    _check_starts(shoal, "loop")


def test_killed_agents_neither_lose_a_restart_nor_make_it_twice(clean_lab: LabUnderTest) -> None:
    shoal = clean_lab
    shoal.run("run", "-d", "--name", "loop", "--restart", "always", *HERE, shoal.image, *CRASHES)
    shoal.run("run", "-d", "--name", "limited", "--restart", "on-failure:4", *HERE, shoal.image, *CRASHES)
    for _ in range(4):
        made = len(_began(shoal, "loop"))
        shoal.lab("kill", "node2")
        shoal.lab("start", "node2")
        eventually(lambda made=made: len(_began(shoal, "loop")) > made, seconds=30, what="another restart")  # type: ignore[misc]
    assert shoal.out("wait", "limited") == "3"
    assert _status(shoal, "limited")["restarts"] == 4
    assert sum(map(len, _began(shoal, "limited").values())) == 5, _status(shoal, "limited")
    for name in ("loop", "limited"):
        _check_starts(shoal, name)


def test_in_the_pause_it_counts_as_running(clean_lab: LabUnderTest) -> None:
    shoal = clean_lab
    follower = shoal.spawn("run", "--name", "loop", "-m", "64m", "--restart", "always", *HERE, shoal.image, *CRASHES)
    eventually(lambda: "loop" in shoal.containers(), seconds=10, what="the container")
    waiter = shoal.spawn("wait", "loop")
    eventually(lambda: _status(shoal, "loop")["restarts"] >= 5, seconds=20, what="five restarts")
    shown = eventually(
        lambda: [line for line in shoal.out("ps").splitlines() if "Restarting (3)" in line], seconds=10, what="a pause"
    )
    assert re.search(r"Restarting \(3\) .* ago, again in ", shown[0])
    assert "--rm" not in shoal.run("rm", "loop", ok=False).stderr
    nodes = {each["spec"]["name"]: each for each in shoal.json_lines("node", "ls", "--format", "json")}
    assert int(nodes["node2"]["ledger"]["reserved"]["memory_bytes"]) == 64 << 20
    assert follower.poll() is None
    assert waiter.poll() is None
    shoal.run("stop", "loop")
    output, errors = follower.communicate(timeout=20)
    assert follower.returncode == 3, errors
    status = _status(shoal, "loop")
    assert output.count(b"began") == status["attempt"]
    assert waiter.communicate(timeout=20)[0].strip() == b"3"
    assert "restart_at" not in status
    made = len(_began(shoal, "loop"))
    time.sleep(4)
    assert len(_began(shoal, "loop")) == made, "it was started after it had been stopped"
    nodes = {each["spec"]["name"]: each for each in shoal.json_lines("node", "ls", "--format", "json")}
    assert int(nodes["node2"]["ledger"]["reserved"]["memory_bytes"]) == 0
    shoal.run("start", "loop")
    eventually(lambda: _status(shoal, "loop")["run_served"] == "2", seconds=10, what="another run")
    shoal.run("rm", "-f", "loop")
