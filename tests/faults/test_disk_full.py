"""A node's disk fills: it says so and takes nothing new, what runs runs on, and with room it goes on by itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.parts.lab import LabUnderTest, eventually

FULL = ("--constraint", "node.name==node1")
DATA = "/var/lib/shoal-lab"


@pytest.fixture(scope="module")
def small(lab: LabUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabUnderTest]:
    """A lab beside that of all tests, of two nodes with a disk of 192 MiB each."""
    folder = tmp_path_factory.mktemp("small")
    third, fourth = (os.getpid() // 256 + 50) % 100 + 100, os.getpid() % 256
    env = {"SHOAL_CONFIG": str(folder / "config.json")}
    small = replace(lab, name=f"d{os.getpid()}", subnet=f"10.{third}.{fourth}.0/24", env=env, nodes=("node1", "node2"))
    small.run("lab", "up", "--name", small.name, "--subnet", small.subnet, "--nodes", "2", "--node-disk", "192m")
    try:
        archive = folder / "web.tar"
        archive.write_bytes((Path(lab.env["SHOAL_CONFIG"]).parent / "web.tar").read_bytes())
        small.run("image", "import", str(archive), small.image, "--cmd", '["sleep", "1000"]')
        yield small
    finally:
        small.run("lab", "down", "--name", small.name)


def _data(shoal: LabUnderTest) -> str:
    """Return where node1's disk is mounted, as node1 sees it."""
    mounts = shoal.inside("node1", "cat", "/proc/mounts").splitlines()
    return next(line.split()[1] for line in mounts if line.startswith("/dev/loop") and line.split()[1].startswith(DATA))


def test_a_full_disk_stops_nothing_and_lets_nothing_in(small: LabUnderTest) -> None:
    shoal = small
    for name in ("web", "idle", "gone"):
        shoal.run("run", "-d", "--name", name, *FULL, shoal.image)
    # What is seen after the disk is full is what it was before.
    pid = shoal.inspect("web")["status"]["pid"]
    filler = f"{_data(shoal)}/filler"
    shoal.inside("node1", "sh", "-c", f"cat /dev/zero >{filler} 2>/dev/null || true; sync")
    try:
        told = eventually(
            lambda: [line for line in shoal.out("node", "ls").splitlines() if "disk full" in line],
            seconds=10,
            what="news",
        )
        assert "node1" in told[0]
        waiting = shoal.spawn("run", "-d", "--name", "late", *FULL, shoal.image)
        detail = eventually(lambda: shoal.containers().get("late", {}).get("detail"), seconds=10, what="why it waits")
        assert "disk full" in detail
        assert "needed" in detail
        # The other node takes what may go there.
        shoal.run("run", "-d", "--name", "other", shoal.image)
        assert shoal.inspect("other")["node_name"] == "node2"
        # What can be done about it can be done.
        assert shoal.out("exec", "web", "echo", "here") == "here"
        shoal.run("stop", "-t", "0", "idle")
        shoal.run("rm", "-f", "gone")
        eventually(lambda: "gone" not in shoal.containers(), seconds=15, what="a removal")
        # Neither agent nor container minds; the next agent comes up as well.
        shoal.lab("kill", "node1")
        shoal.lab("start", "node1")
        eventually(lambda: shoal.run("exec", "web", "true", ok=None).returncode == 0, seconds=20, what="another agent")
        assert shoal.inspect("web")["status"]["pid"] == pid
        assert "disk full" in shoal.inspect("late")["detail"]
    finally:
        shoal.inside("node1", "rm", "-f", filler)
    eventually(lambda: shoal.inspect("late")["phase"] == "CONTAINER_PHASE_RUNNING", seconds=20, what="what waited")
    _, errors = waiting.communicate(timeout=20)
    assert b"disk full" in errors
    assert "disk full" not in shoal.out("node", "ls")
    shoal.run("start", "idle")
    shoal.run("rm", "-f", "web", "idle", "late", "other")
