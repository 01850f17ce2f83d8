"""How large trees are: what is counted, and when counting ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shoal_agent.care import measuring
from shoal_agent.care.measuring import Measurer
from shoal_agent.trees import remove_tree
from tests.parts.lab import eventually

KIB = 1 << 10


@pytest.fixture
def measurer() -> Iterator[Measurer]:
    made = Measurer()
    yield made
    made.close()


def tree(path: Path, *sizes: int) -> Path:
    path.mkdir()
    for number, size in enumerate(sizes):
        (path / f"{number}").write_bytes(os.urandom(size))
    return path


def own(path: Path) -> int:
    return path.lstat().st_blocks * 512


def readers(path: Path) -> list[bytes]:
    """The command lines of processes that name a file."""
    lines = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(each.read_bytes())
    return [line for line in lines if os.fsencode(path) in line]


def alive(group: int) -> list[str]:
    """The processes of a group that have not ended."""
    stats = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            stats.append(path.read_text().rpartition(")")[2].split())
    return [" ".join(each) for each in stats if int(each[2]) == group and each[0] not in "ZX"]


async def test_a_tree_is_what_is_below_it_on_the_disk(tmp_path: Path, measurer: Measurer) -> None:
    empty, full = tree(tmp_path / "empty"), tree(tmp_path / "full", 64 * KIB, 4 * KIB)
    (full / "deeper").mkdir()
    (full / "deeper" / "file").write_bytes(os.urandom(16 * KIB))
    # A name more is no byte more, a hole takes no room, and what a link leads to is elsewhere.
    (full / "again").hardlink_to(full / "0")
    with (full / "hole").open("wb") as file:
        file.truncate(1 << 40)
    (full / "link").symlink_to("/")
    gone = tmp_path / "gone"
    found = await measurer.measure([empty, full, gone])
    assert set(found) == {empty, full, gone}
    assert (found[empty], found[gone]) == (0, 0)
    below = sum(own(path) for path in full.rglob("*") if path.name != "again")
    assert found[full] == below
    assert 84 * KIB <= found[full] < 150 * KIB


async def test_names_are_bytes_and_depth_is_no_matter(tmp_path: Path, measurer: Measurer) -> None:
    deep = tree(tmp_path / "deep")
    above = os.open(deep, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(1500):
        os.mkdir(b"\xff\n\t" * 20, dir_fd=above)
        below = os.open(b"\xff\n\t" * 20, os.O_RDONLY | os.O_DIRECTORY, dir_fd=above)
        os.close(above)
        above = below
    file = os.open("file", os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=above)
    os.write(file, b"x" * 64 * KIB)
    assert stat.S_ISREG(os.fstat(file).st_mode)
    os.close(file)
    os.close(above)
    odd = tree(tmp_path / os.fsdecode(b"odd \xfe\n\tname"), 8 * KIB)
    found = await measurer.measure([deep, odd])
    assert found[deep] >= 64 * KIB
    assert found[odd] == 8 * KIB
    # pytest's own removal, in a later run, would not get so deep, and leave what that run fails by.
    remove_tree(deep)


async def test_what_is_not_counted_in_time_is_missing_and_nothing_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, slow = tree(tmp_path / "first", 8 * KIB), tree(tmp_path / "slow", 8 * KIB)
    # Tells how large one tree is, then counts for ever.
    script = f'while read -r -d "" each; do [ "$each" = {slow} ] && sleep 1000; du -s0 -B1 "$each"; done'
    monkeypatch.setattr(measuring, "_COUNT", ("bash", "-c", script))
    begun: list[int] = []
    start = asyncio.create_subprocess_exec

    async def starting(*args: str, **more: int) -> asyncio.subprocess.Process:
        process = await start(*args, **more)  # type: ignore[arg-type]
        begun.append(process.pid)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", starting)
    measurer = Measurer()
    assert await measurer.measure([first, slow], limit=0.5) == {first: 8 * KIB}
    assert not alive(begun[0])
    # Who comes next has a turn.
    assert await measurer.measure([first]) == {first: 8 * KIB}
    measurer.close()


async def test_what_is_given_up_as_it_begins_ends_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "mark"
    mark.write_bytes(b"")
    monkeypatch.setattr(measuring, "_COUNT", ("bash", "-c", f"tail -f {mark} & wait"))
    begun: list[int] = []
    start: Callable[..., subprocess.Popen[bytes]] = subprocess.Popen

    def starting(*args: object, **more: object) -> subprocess.Popen[bytes]:
        process = start(*args, **more)
        begun.append(process.pid)
        # The group is whole, and asyncio not done with it.
        eventually(lambda: len(readers(mark)) == 2, seconds=20, what="both of them")
        counting.cancel()
        return process

    monkeypatch.setattr(subprocess, "Popen", starting)
    measurer = Measurer()
    counting = asyncio.create_task(measurer.measure([tmp_path]))
    try:
        await asyncio.wait([counting])
        assert counting.cancelled()
        await asyncio.to_thread(eventually, lambda: not readers(mark), seconds=20, what="nobody left")
    finally:
        for group in begun:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        measurer.close()


def test_whoever_is_left_with_no_tree_counts_nothing(tmp_path: Path) -> None:
    done = subprocess.run(measuring._COUNT, input=b"", capture_output=True, check=False, cwd=tmp_path, timeout=30)
    assert (done.returncode, done.stdout) == (0, b"")
