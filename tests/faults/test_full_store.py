"""etcd runs out of space: it is said with the one command that mends it, and all goes on after that."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shoal_lab.image import root_filesystem
from tests.parts.lab import LabUnderTest, eventually
from tests.parts.store_loss import StoreOfLab

REMEDY = "shoal cluster compact"


@pytest.fixture
def small_store(lab: LabUnderTest, tmp_path: Path) -> Iterator[LabUnderTest]:
    """A lab of its own, of one node, whose etcd keeps next to nothing."""
    number = os.getpid() % 256
    small = replace(
        lab,
        name=f"f{os.getpid()}",
        subnet=f"10.{200 + number % 50}.{number}.0/24",
        env={"SHOAL_CONFIG": str(tmp_path / "config.json")},
        nodes=("node1",),
    )
    up = ("lab", "up", "--name", small.name, "--subnet", small.subnet, "--nodes", "1", "--node-memory", "1g")
    small.run(*up, "--etcd-quota", "4m")
    try:
        archive = tmp_path / "web.tar"
        archive.write_bytes(root_filesystem())
        small.run("image", "import", str(archive), small.image, "--cmd", "sleep 1000")
        yield small
    finally:
        small.run("lab", "down", "--name", small.name)


def test_a_full_etcd_is_said_and_takes_writes_again_with_one_command(small_store: LabUnderTest, tmp_path: Path) -> None:
    shoal = small_store
    store = StoreOfLab(shoal)
    shoal.run("run", "-d", "--name", "calm", shoal.image)
    before = shoal.inspect("calm")["status"]
    assert json.loads(shoal.out("info", "--format", "json"))["problems"] == []
    # One key, again and again: it is its history that fills the store.
    value = tmp_path / "value"
    value.write_bytes(b"v" * 500_000)
    said = eventually(lambda: _said(store, value), seconds=60, what="a full etcd")
    assert REMEDY in said
    refused = shoal.run("run", "-d", "--name", "x", shoal.image, ok=False).stderr.strip().splitlines()[-1]
    assert REMEDY in refused
    assert shoal.inspect("calm")["status"] == before
    assert shoal.out("exec", "calm", "echo", "here") == "here"
    done = shoal.run("cluster", "compact")
    assert "takes writes again" in done.stdout
    assert json.loads(shoal.out("info", "--format", "json"))["problems"] == []
    assert shoal.out("run", "--rm", shoal.image, "echo", "goes on") == "goes on"
    assert shoal.inspect("calm")["status"] == before
    shoal.run("rm", "-f", "calm")


def _said(store: StoreOfLab, value: Path) -> str:
    store.ctl("put", "/fill", stdin=value, ok=None)
    problems = json.loads(store.lab.out("cluster", "info", "--format", "json"))["problems"]
    return str(problems[0]) if problems else ""
