"""What the cluster stands on is away for a while, or slow: what was asked happens once, and what runs runs on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from shoal_lab.cluster import Lab
from tests.parts.lab import LabUnderTest, eventually
from tests.parts.leftovers import assert_nothing_left

RUNS = 20
#: Seconds for which a part of the cluster is away.
OUTAGE = 10.0


@contextmanager
def _away(lab: LabUnderTest, daemon: str) -> Iterator[None]:
    """Kill a daemon, and start it again after the outage."""
    lab.lab("kill", daemon)
    until = time.monotonic() + OUTAGE
    try:
        yield
        # The length of the outage is what this is about.
        time.sleep(max(0.0, until - time.monotonic()))
    finally:
        lab.lab("start", daemon)


@pytest.mark.parametrize("daemon", ["control1/etcd", "control1/registry"])
def test_twenty_runs_outlast_ten_seconds_without(clean_lab: LabUnderTest, daemon: str) -> None:
    shoal = clean_lab
    shoal.run("run", "-d", "--name", "calm", shoal.image)
    before = shoal.inspect("calm")["status"]
    with ThreadPoolExecutor(4) as pool:
        runs: list[Future[CompletedProcess[str]]] = [
            pool.submit(
                shoal.run, "run", "-d", "--name", f"b{number}", shoal.image, "sh", "-c", "echo began; exec sleep 1000"
            )
            for number in range(RUNS)
        ]
        eventually(lambda: len(shoal.containers()) > 3, seconds=30, what="the first of them")
        with _away(shoal, daemon):
            unfinished = [run for run in runs if not run.done()]
            assert unfinished, "all runs were over before the outage"
        for run in runs:
            run.result(timeout=120)
    containers = shoal.containers()
    assert sorted(containers) == sorted(["calm", *(f"b{number}" for number in range(RUNS))])
    assert Counter(each["phase"] for each in containers.values()) == {"CONTAINER_PHASE_RUNNING": RUNS + 1}
    for number in range(RUNS):
        name = f"b{number}"
        assert eventually(lambda name=name: shoal.out("logs", name), seconds=10, what="output") == "began"  # type: ignore[misc]
        assert containers[name]["status"]["attempt"] == 1
    assert shoal.inspect("calm")["status"] == before
    shoal.run("rm", "-f", *containers)
    assert_nothing_left(shoal)


@contextmanager
def _slow_disk(lab: LabUnderTest, host: str, service: str, *, milliseconds: int) -> Iterator[None]:
    """Have every fsync of a daemon take so much longer."""
    pid = asyncio.run(_pid(lab, host, service))
    calls = "fsync,fdatasync"
    # strace can hold a system call up as it returns; with -f also in threads that come later.
    words = (
        "-f",
        "-q",
        "-p",
        str(pid),
        "-e",
        f"trace={calls}",
        "-e",
        f"inject={calls}:delay_exit={milliseconds * 1000}",
    )
    tracer = subprocess.Popen(["strace", *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        eventually(lambda: _traced(pid, tracer.pid), seconds=10, what="strace in every thread")
        yield
        assert tracer.poll() is None, tracer.communicate()
    finally:
        tracer.terminate()
        tracer.communicate(timeout=20)


async def _pid(lab: LabUnderTest, host: str, service: str) -> int:
    """Return a daemon's process id on this machine; its host knows it by another."""
    orders = Lab.load(lab.name).orders(host)
    inner, _ = (await orders.services())[service]
    space = os.readlink(f"/proc/{orders.pid}/ns/pid")
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            ids = next(line for line in status.read_text().splitlines() if line.startswith("NSpid:")).split()[1:]
            if ids[-1] == str(inner) and os.readlink(status.parent / "ns" / "pid") == space:
                return int(ids[0])
    raise AssertionError(f"{service} of {host} does not run")


def _traced(pid: int, tracer: int) -> bool:
    threads = list(Path(f"/proc/{pid}/task").iterdir())
    return all(f"TracerPid:\t{tracer}\n" in (thread / "status").read_text() for thread in threads)


@pytest.mark.parametrize(("host", "service"), [("control1", "etcd"), ("node1", "agent")])
def test_a_slow_disk_only_makes_it_slow(clean_lab: LabUnderTest, host: str, service: str) -> None:
    shoal = clean_lab
    here = ("--constraint", "node.name==node1")
    shoal.run("run", "-d", "--name", "calm", *here, shoal.image)
    before = shoal.inspect("calm")["status"]
    sessions = shoal.json_lines("node", "ls", "--format", "json")
    with _slow_disk(shoal, host, service, milliseconds=150):
        for number in range(3):
            shoal.run(
                "run", "-d", "--name", f"d{number}", *here, shoal.image, "sh", "-c", "echo began; exec sleep 1000"
            )
        shoal.run("stop", "-t", "0", "d0")
        assert shoal.out("run", "--rm", *here, shoal.image, "echo", "through") == "through"
        assert all(shoal.node_state(node) == "READY" for node in shoal.nodes)
    phases = {name: each["phase"].removeprefix("CONTAINER_PHASE_") for name, each in shoal.containers().items()}
    assert phases == {"calm": "RUNNING", "d0": "EXITED", "d1": "RUNNING", "d2": "RUNNING"}
    assert shoal.inspect("calm")["status"] == before
    # Nobody was thought dead for being slow: each agent has the session that it had.
    after = shoal.json_lines("node", "ls", "--format", "json")
    assert [each["session"] for each in after] == [each["session"] for each in sessions]
    shoal.run("rm", "-f", *phases)
    assert_nothing_left(shoal)


@pytest.mark.parametrize("host", ["node1", "control1"])
def test_a_slow_network_only_makes_it_slow(clean_lab: LabUnderTest, host: str) -> None:
    shoal = clean_lab
    here = ("--constraint", "node.name==node1")
    shoal.run("run", "-d", "--name", "calm", *here, shoal.image)
    before = shoal.inspect("calm")["status"]
    sessions = shoal.json_lines("node", "ls", "--format", "json")
    # As fast as an old DSL line.
    shoal.lab("slow", host, "--rate", "1mbit", "--delay", "1000")
    try:
        for number in range(3):
            shoal.run(
                "run", "-d", "--name", f"n{number}", *here, shoal.image, "sh", "-c", "echo began; exec sleep 1000"
            )
        # Over 100 KB of output at 125 KB a second, beside the heartbeats.
        told = shoal.out("run", "--rm", *here, shoal.image, "sh", "-c", "seq 1 30000")
        assert told.split() == [str(number) for number in range(1, 30001)]
        assert all(shoal.node_state(node) == "READY" for node in shoal.nodes)
    finally:
        shoal.lab("heal", host)
    phases = {name: each["phase"].removeprefix("CONTAINER_PHASE_") for name, each in shoal.containers().items()}
    assert phases == dict.fromkeys(("calm", "n0", "n1", "n2"), "RUNNING")
    assert shoal.inspect("calm")["status"] == before
    after = shoal.json_lines("node", "ls", "--format", "json")
    assert [each["session"] for each in after] == [each["session"] for each in sessions]
    shoal.run("rm", "-f", *phases)
    assert_nothing_left(shoal)


@pytest.mark.parametrize("way", ["in", "out"])
def test_a_network_that_loses_one_direction(clean_lab: LabUnderTest, way: str) -> None:
    """What the node sends is lost, or what it is sent: in either case it is down, and nothing happens twice."""
    shoal = clean_lab
    here = ("--constraint", "node.name==node2")
    shoal.run("run", "-d", "--name", "calm", *here, shoal.image, "sh", "-c", "echo began; exec sleep 1000")
    before = shoal.inspect("calm")
    shoal.lab("partition", "node2", "--one-way", way)
    try:
        eventually(lambda: shoal.node_state("node2") == "DOWN", seconds=20, what="node2 down")
        # Asked for meanwhile: the node hears of it later, or its answer is lost.
        waiting = shoal.spawn(
            "run", "-d", "--name", "later", *here, shoal.image, "sh", "-c", "echo began; exec sleep 1000"
        )
        detail = eventually(lambda: shoal.containers().get("later", {}).get("detail"), seconds=20, what="a reason")
        assert "node2" in detail
        assert "down" in detail
    finally:
        shoal.lab("heal", "node2")
    eventually(lambda: shoal.node_state("node2") == "READY", seconds=20, what="node2 ready")
    _, errors = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, errors
    after = shoal.inspect("calm")
    assert (after["status"], after["placement"]) == (before["status"], before["placement"])
    for name in ("calm", "later"):
        assert eventually(lambda name=name: shoal.out("logs", name), seconds=10, what="output") == "began"  # type: ignore[misc]
    shoal.run("rm", "-f", "calm", "later")
    assert_nothing_left(shoal)
