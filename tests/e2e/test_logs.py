"""What containers wrote, as a person reads it: over restarts, by time, by number of lines, from a node that is away."""

from __future__ import annotations

import re
import time

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
                r"shoal: node node2 is down since \d+ s, its logs can't be read now "
                r"\(bring its host and agent back; shoal node ls shows when it is\)\n",
                done.stderr,
            )
    finally:
        lab.lab("start", "node2")
    eventually(lambda: lab.node_state("node2") == "READY", seconds=30, what="the node is back")
    assert lab.out("logs", "web") == "here"
