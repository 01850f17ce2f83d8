"""Freezing by control groups of version 2, whose kernel is played here; version 1 is tried with the real one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from shoal_agent.runtime import cgroups
from shoal_agent.runtime.cgroups import Cgroups, Mounts
from shoal_common.errors import Unavailable


@pytest.fixture
def group(tmp_path: Path) -> Path:
    made = tmp_path / "shoal/containers/one"
    made.mkdir(parents=True)
    (made / "cgroup.freeze").write_text("0\n")
    (made / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    return made


def groups(tmp_path: Path) -> Cgroups:
    return Cgroups("/shoal", Mounts(version=2, trees={"": tmp_path}))


async def test_is_frozen_when_the_kernel_says_so(tmp_path: Path, group: Path) -> None:
    control = groups(tmp_path)
    assert not control.frozen("one")
    freezing = asyncio.create_task(control.freeze("one"), name="freeze")
    while not control.frozen("one"):
        await asyncio.wait({freezing}, timeout=0.001)
    assert not freezing.done(), "frozen before the last process was"
    (group / "cgroup.events").write_text("populated 1\nfrozen 1\n")
    async with asyncio.timeout(5):
        await freezing
    control.thaw("one")
    assert not control.frozen("one")
    # Again, and of what is not there: nothing happens.
    control.thaw("one")
    control.thaw("two")
    assert not control.frozen("two")


async def test_what_can_not_be_frozen_in_time_is_let_go(
    tmp_path: Path, group: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "_FREEZING", 0.02)
    with pytest.raises(Unavailable, match="can't be frozen"):
        await groups(tmp_path).freeze("one")
    assert (group / "cgroup.freeze").read_text() == "0"


async def test_a_host_without_a_freezer_says_so(tmp_path: Path) -> None:
    control = Cgroups("/shoal", Mounts(version=1, trees={"memory": tmp_path, "pids": tmp_path, "cpu": tmp_path}))
    with pytest.raises(Unavailable, match="no freezer"):
        await control.freeze("one")
    assert not control.frozen("one")
