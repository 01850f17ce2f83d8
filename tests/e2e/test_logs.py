"""What containers wrote, as a person reads it: over restarts, by time, by number of lines, from a node that is away."""

from __future__ import annotations

import contextlib
import re
import signal
import threading
import time
from pathlib import Path
from typing import IO

from shoal_agent.runtime.log_files import removed
from tests.parts.lab import LabUnderTest, eventually

#: Says which start it is, on both streams.
COUNTS = "n=$(($(cat /n 2>/dev/null) + 1)); echo $n >/n; echo out $n; echo err $n >&2"
HERE = ("--constraint", "node.name==node2")


def written(lab: LabUnderTest, *words: str) -> tuple[list[str], list[str]]:
    done = lab.run("logs", *words)
    return done.stdout.splitlines(), done.stderr.splitlines()


def test_logs_go_over_all_starts_and_are_cut_by_time_and_number(clean_lab: LabUnderTest) -> None:
    lab = clean_lab
    named = ("--label", "tier=front", "-e", "A=1", "--log-opt", "labels=tier", "--log-opt", "env=A")
    lab.out("run", "-d", "--name", "web", *named, lab.image, "sh", "-c", COUNTS)
    for _ in range(2):
        lab.out("wait", "web")
        lab.out("start", "web")
    lab.out("wait", "web")
    assert written(lab, "web") == (["out 1", "out 2", "out 3"], ["err 1", "err 2", "err 3"])
    # The last lines are those of all starts.
    assert written(lab, "--tail", "4", "web") == (["out 2", "out 3"], ["err 2", "err 3"])
    assert written(lab, "-n", "0", "web") == ([], [])
    lines = written(lab, "-t", "--details", "web")[0]
    found = [re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) A=1,tier=front (out \d)", line) for line in lines]
    times = [match[1] for match in found if match is not None]
    assert len(times) == 3
    assert written(lab, "--since", times[1], "web")[0] == ["out 2", "out 3"]
    assert written(lab, "--until", times[1], "web")[0] == ["out 1"]
    assert written(lab, "--since", times[1], "--until", times[2], "web")[0] == ["out 2"]
    assert written(lab, "--since", "10m", "--tail", "all", "web")[0] == ["out 1", "out 2", "out 3"]
    assert written(lab, "--until", "10m", "web") == ([], [])
    for words in (("--since", "soon"), ("--tail", "-1"), ("--until", "")):
        assert lab.run("logs", *words, "web", ok=False).returncode == 2


def test_following_ends_when_its_time_has_come(clean_lab: LabUnderTest) -> None:
    lab = clean_lab
    lab.out("run", "-d", "--name", "web", lab.image, "sh", "-c", "while :; do date +%s; sleep 0.05; done")
    until = time.time() + 3
    seen = lab.out("logs", "-f", "--until", f"{until:.6f}", "web").splitlines()
    assert int(until) - 2 <= int(seen[-1]) <= until
    assert lab.inspect("web")["phase"] == "CONTAINER_PHASE_RUNNING"


def test_logs_of_a_node_that_is_down_say_so(clean_lab: LabUnderTest) -> None:
    lab = clean_lab
    lab.out("run", "-d", "--name", "web", *HERE, lab.image, "sh", "-c", "echo here; exec sleep 1000")
    eventually(lambda: lab.out("logs", "web") == "here", seconds=20, what="the line")
    lab.lab("kill", "node2")
    try:
        eventually(lambda: lab.node_state("node2") == "DOWN", seconds=30, what="the node counts as down")
        for words in (("logs", "web"), ("logs", "-f", "web")):
            done = lab.run(*words, ok=False)
            assert done.returncode == 1
            assert re.fullmatch(
                r"shoal: node node2 has been down for \d+ s, its logs can't be read now "
                r"\(bring its host and agent back; shoal node ls shows when it is\)\n",
                done.stderr,
            )
    finally:
        lab.lab("start", "node2")
    eventually(lambda: lab.node_state("node2") == "READY", seconds=30, what="the node is back")
    assert lab.out("logs", "web") == "here"


def recorded(lab: LabUnderTest, name: str) -> Path:
    """Where a container's log is on its node."""
    container = lab.inspect(name)
    node = lab.data(str(container["node_name"])) / "shoal" / "containers" / str(container["spec"]["id"])
    return node / str(container["placement"]["generation"]) / "logs"


def on_disk(logs: Path) -> int:
    """Bytes of files, each once, however many names it has."""
    found = {}
    for path in logs.glob("*"):
        with contextlib.suppress(FileNotFoundError):
            known = path.lstat()
            found[known.st_ino] = known.st_blocks * 512
    return sum(found.values())


def drained(pipe: IO[bytes]) -> None:
    while pipe.read(1 << 16):
        pass


def test_a_flood_of_output_stays_within_its_bound_and_hurts_nobody(clean_lab: LabUnderTest) -> None:
    lab = clean_lab
    lab.out("run", "-d", "--name", "quiet", *HERE, lab.image, "sh", "-c", "while :; do date +%s; sleep 0.2; done")
    bound = ("--log-opt", "max-size=1m", "--log-opt", "max-file=3")
    lab.out("run", "-d", "--name", "flood", *HERE, *bound, "--cpus", "0.5", lab.image, "yes")
    logs = recorded(lab, "flood")
    eventually(lambda: removed(logs).size > 8 << 20, seconds=60, what="old files are removed")
    # A reader that stands still stops nobody, and hears later what it has missed.
    reader = lab.spawn("logs", "-f", "flood")
    assert reader.stdout is not None
    assert reader.stderr is not None
    drain: threading.Thread | None = None
    try:
        assert reader.stdout.read(2) == b"y\n"
        reader.send_signal(signal.SIGSTOP)
        before = removed(logs).size
        eventually(lambda: removed(logs).size > before + (64 << 20), seconds=120, what="the container writes on")
        began = time.monotonic()
        assert lab.out("exec", "quiet", "echo", "here") == "here"
        assert int(lab.out("logs", "-n", "1", "quiet")) >= time.time() - 10
        assert time.monotonic() - began < 20
        assert lab.out("logs", "-n", "3", "flood") == "y\ny\ny"
        drain = threading.Thread(target=drained, args=[reader.stdout])
        drain.start()
        reader.send_signal(signal.SIGCONT)
        assert re.fullmatch(
            rb"shoal: [0-9.]+ [KMG]iB of the log of container \"flood\" are missing here: .*\n",
            reader.stderr.readline(),
        )
        # Meanwhile there was as much more as is written between two looks.
        lab.out("kill", "flood")
        lab.out("wait", "flood")
        eventually(lambda: on_disk(logs) < (3 << 20) + (64 << 10), seconds=20, what="what is left is within its bound")
        assert lab.out("logs", "-n", "3", "flood") == "y\ny\ny"
    finally:
        reader.kill()
        reader.wait()
        if drain is not None:
            drain.join()
        reader.stdout.close()
        reader.stderr.close()
        lab.out("rm", "-f", "flood")


def test_rotation_goes_over_restarts_and_the_end_of_an_agent(clean_lab: LabUnderTest) -> None:
    """Each start writes a little more than a file holds; what is left are whole lines, the last ones, without a gap."""
    lab = clean_lab
    count = "n=$(cat /n || echo 0); m=$((n+800)); echo $m >/n; while [ $n -lt $m ]; do n=$((n+1)); echo $n; done"
    bound = ("--log-opt", "max-size=20k", "--log-opt", "max-file=4")
    lab.out("run", "-d", "--name", "web", *HERE, *bound, lab.image, "sh", "-c", f"{count}; sleep 0.5; echo $n end")
    for number in range(6):
        if number == 3:
            lab.lab("kill", "node2")
            lab.lab("start", "node2")
            eventually(lambda: lab.node_state("node2") == "READY", seconds=30, what="the node is back")
        lab.out("wait", "web")
        lab.out("start", "web")
    lab.out("wait", "web")
    lines = [int(line.split()[0]) for line in lab.out("logs", "web").splitlines()]
    assert lines[-1] == 7 * 800
    expected = [n for n in range(1, 5601) for _ in range(2 if n % 800 == 0 else 1)]
    assert lines == expected[-len(lines) :]
    assert len(lines) < 3000
    # Some 46 bytes a line: four files, and a little.
    assert on_disk(recorded(lab, "web")) < 160 << 10
