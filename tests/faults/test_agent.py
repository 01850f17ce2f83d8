"""Agents are killed; containers are not, and nothing is started twice."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

from tests.parts.lab import LabUnderTest, eventually

#: Says a line as each of its starts begins, then counts.
COUNTER = "echo began; i=0; while :; do i=$((i+1)); echo line $i; sleep 0.05; done"


def _running(lab: LabUnderTest, name: str) -> bool:
    return bool(lab.inspect(name)["phase"] == "CONTAINER_PHASE_RUNNING")


def _exec_works(lab: LabUnderTest, name: str) -> bool:
    return lab.run("exec", name, "true", ok=None).returncode == 0


def test_a_killed_agent_is_replaced_and_adopts(clean_lab: LabUnderTest) -> None:
    shoal = clean_lab
    here = ("--constraint", "node.name==node1")
    shoal.run("run", "-d", "--name", "count", *here, shoal.image, "sh", "-c", COUNTER)
    shoal.run("run", "-d", "--name", "ends", *here, shoal.image, "sh", "-c", "sleep 2; exit 5")
    pid = shoal.inspect("count")["status"]["pid"]
    follower = shoal.spawn("logs", "-f", "count")
    assert follower.stdout is not None
    for _ in range(5):
        follower.stdout.readline()
    shoal.lab("kill", "node1")
    assert shoal.inside("node1", "sh", "-c", f"kill -0 {pid} && echo alive") == "alive"
    # It ends while no agent is there to see it.
    eventually(
        lambda: "sleep 2" not in shoal.inside("node1", "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"),
        seconds=10,
        what="the end of the other container",
    )
    shoal.lab("start", "node1")
    assert shoal.out("wait", "ends") == "5"
    eventually(lambda: _exec_works(shoal, "count"), seconds=15, what="exec after adoption")
    inspected = shoal.inspect("count")
    assert inspected["status"]["pid"] == pid
    assert inspected["phase"] == "CONTAINER_PHASE_RUNNING"
    shoal.run("stop", "-t", "0", "count")
    output, errors = follower.communicate(timeout=30)
    lines = [int(number) for number in re.findall(rb"line (\d+)\n", output)]
    # The first lines were read above.
    assert lines == list(range(lines[0], lines[0] + len(lines))), errors
    assert len(lines) > 20
    whole = shoal.out("logs", "count")
    assert whole.count("began") == 1
    numbers = [int(number) for number in re.findall(r"line (\d+)", whole)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert numbers[-1] == lines[-1]


def test_a_burst_of_starts_survives_killed_agents(clean_lab: LabUnderTest) -> None:
    shoal = clean_lab
    count = 24
    command = ("sh", "-c", "echo began; exec sleep 1000")
    with ThreadPoolExecutor(6) as pool:
        runs = [pool.submit(shoal.run, "run", "-d", "--name", f"b{n}", shoal.image, *command) for n in range(count)]
        for node in ("node1", "node2", "node1", "node3"):
            eventually(lambda: len(shoal.containers()) >= 4, seconds=30, what="some containers")
            shoal.lab("kill", node)
            shoal.lab("start", node)
        for run in runs:
            run.result(timeout=120)
    for number in range(count):
        name = f"b{number}"
        eventually(lambda name=name: _running(shoal, name), seconds=30, what=f"{name} running")  # type: ignore[misc]
        assert eventually(lambda name=name: shoal.out("logs", name), seconds=10, what="output") == "began"  # type: ignore[misc]
    for node in shoal.nodes:
        processes = shoal.inside(node, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0\\n' '  '")
        here = [each for each in shoal.containers().values() if each["node_name"] == node]
        assert processes.count("sleep 1000") == len(here)


def test_a_removal_while_the_agent_is_away_is_finished_later(clean_lab: LabUnderTest) -> None:
    shoal = clean_lab
    shoal.run("run", "-d", "--name", "gone", "--constraint", "node.name==node2", shoal.image)
    pid = shoal.inspect("gone")["status"]["pid"]
    shoal.lab("kill", "node2")
    remover = shoal.spawn("rm", "-f", "gone")
    eventually(lambda: "gone" not in shoal.containers() or remover.poll() is not None, seconds=15, what="acceptance")
    shoal.lab("start", "node2")
    remover.communicate(timeout=30)
    eventually(
        lambda: shoal.inside("node2", "sh", "-c", f"kill -0 {pid} 2>/dev/null || echo ended") == "ended",
        seconds=15,
        what="the end of its process",
    )
    eventually(lambda: not shoal.containers(), seconds=15, what="nothing left")
