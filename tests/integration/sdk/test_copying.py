"""Copies through the SDK, against a controller in this process whose container is a directory."""

from __future__ import annotations

import asyncio
import os
import stat
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import shoal
from shoal_common.errors import Conflict, InvalidSpec, NotFound, Unavailable
from tests.fakes.api import State

#: struct vfs_cap_data (linux/capability.h): version 2, effective; CAP_SETUID is permitted.
_CAP_SETUID = struct.pack("<5I", 0x02000001, 1 << 7, 0, 0, 0)


@pytest.fixture
def root(state: State, tmp_path: Path) -> Path:
    state.files.root = tmp_path / "root"
    (state.files.root / "etc").mkdir(parents=True)
    (state.files.root / "etc" / "hosts").write_text("127.0.0.1 localhost\n")
    (state.files.root / "here").symlink_to("etc")
    return state.files.root


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    (tmp_path / "mine" / "below").mkdir(parents=True)
    (tmp_path / "mine" / "below" / "data").write_bytes(os.urandom(2_000_000))
    return tmp_path / "mine"


async def test_copies_go_where_docker_has_them_go(cluster: shoal.Cluster, root: Path, mine: Path) -> None:
    files = cluster.containers
    await files.copy_to("web", mine, "/etc")
    assert (root / "etc/mine/below/data").read_bytes() == (mine / "below/data").read_bytes()
    await files.copy_to("web", f"{mine}/.", "/etc")
    assert (root / "etc/below/data").is_file()
    await files.copy_to("web", mine / "below/data", "/here/other")
    assert (root / "etc/other").is_file()
    await files.copy_to("web", mine / "below/data", "/here")
    assert (root / "etc/data").is_file()
    assert await files.copy_from("web", "/etc/hosts", mine / "hosts")
    assert (mine / "hosts").read_text() == "127.0.0.1 localhost\n"
    await files.copy_from("web", "/etc/mine", mine)
    assert (mine / "mine/below/data").is_file()
    await files.copy_from("web", "/etc/mine", mine / "new")
    assert (mine / "new/below/data").is_file()


async def test_what_comes_out_of_a_container_gives_nobody_the_rights_of_who_copies(
    cluster: shoal.Cluster, root: Path, mine: Path
) -> None:
    program = root / "etc/program"
    program.write_text("#!/bin/sh\n")
    os.setxattr(program, "security.capability", _CAP_SETUID)
    program.chmod(0o6755)
    (root / "etc").chmod(0o3755)
    await cluster.containers.copy_from("web", "/etc", mine / "new")
    assert stat.S_IMODE((mine / "new/program").stat().st_mode) == 0o755
    assert stat.S_IMODE((mine / "new").stat().st_mode) == 0o1755
    assert os.listxattr(mine / "new/program") == []
    await cluster.containers.copy_from("web", "/etc/program", mine / "kept", keep_ids=True)
    assert stat.S_IMODE((mine / "kept").stat().st_mode) == 0o6755
    assert os.getxattr(mine / "kept", "security.capability") == _CAP_SETUID


async def test_what_can_not_be_copied(cluster: shoal.Cluster, root: Path, mine: Path) -> None:
    files = cluster.containers
    with pytest.raises(NotFound):
        await files.copy_from("web", "/nope", mine)
    with pytest.raises(NotFound):
        await files.copy_from("web", "/etc/hosts", mine / "no" / "where")
    with pytest.raises(NotFound):
        await files.copy_to("web", mine / "nope", "/etc")
    with pytest.raises(Conflict):
        await files.copy_to("web", mine, "/etc/hosts")
    with pytest.raises(Conflict):
        await files.copy_from("web", "/etc", mine / "below" / "data")
    with pytest.raises(InvalidSpec):
        await files.stat_path("", "/etc")


async def test_a_copy_that_breaks_leaves_no_half_of_a_file(
    cluster: shoal.Cluster, state: State, root: Path, mine: Path
) -> None:
    (root / "big").write_bytes(b"x" * 2_000_000)
    (mine / "big").write_text("old")
    state.files.break_after = 3
    with pytest.raises(Unavailable, match="went away"):
        await cluster.containers.copy_from("web", "/big", mine)
    assert (mine / "big").read_text() == "old"
    assert {path.name for path in mine.iterdir()} == {"big", "below"}
    with pytest.raises(Unavailable, match="went away"):
        await cluster.containers.copy_to("web", mine, "/etc")


async def test_what_was_refused_for_now_is_asked_for_again(
    cluster: shoal.Cluster, state: State, root: Path, mine: Path
) -> None:
    state.files.refusals = [Unavailable("not now"), Unavailable("not now")]
    await cluster.containers.copy_from("web", "/etc/hosts", mine)
    state.files.refusals = [Unavailable("not now")]
    taken = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal taken
        taken += 1
        yield bytes(1024)

    await cluster.containers.write_archive("web", "/etc", pieces())
    assert taken == 1


async def test_a_copy_that_is_given_up_ends(cluster: shoal.Cluster, state: State, root: Path, mine: Path) -> None:
    (root / "big").write_bytes(b"x" * 50_000_000)
    state.files.stall_after = 20
    copying = asyncio.create_task(cluster.containers.copy_from("web", "/big", mine))
    async with asyncio.timeout(20):
        await state.files.stalled.wait()
        copying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await copying
    assert {path.name for path in mine.iterdir()} == {"below"}
