"""A disk that fills is cleared: of images first, then of logs that others have followed, until there is room."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from shoal_agent.care import old_logs
from shoal_agent.care.clearing import Clearing
from shoal_agent.clock import Clock
from shoal_agent.core.collecting import Thresholds
from shoal_agent.core.disk import Usage
from shoal_agent.core.image_room import ImageStore, StoredImage
from shoal_agent.images.store import Removed
from shoal_agent.paths import NodePaths
from shoal_common.errors import Conflict

if TYPE_CHECKING:
    from shoal_agent.containers.node import Node
    from shoal_agent.disk import Disk
    from shoal_agent.images.store import Images

ONE, TWO = "a1" * 32, "b2" * 32
OLD, MIDDLE, NEW = "sha256:" + "1" * 64, "sha256:" + "2" * 64, "sha256:" + "3" * 64
KIB = 1 << 10


class Host:
    """A disk of 100 bytes with three images of ten each, and what containers have of them."""

    def __init__(self) -> None:
        self.used = 86
        self.images = {OLD: 1.0, MIDDLE: 2.0, NEW: 3.0}
        self.containers: dict[str, str] = {}
        self.at: dict[str, tuple[int, int]] = {}
        self.lost: frozenset[str] = frozenset()
        self.told = 0

    async def usage(self) -> Usage:
        return Usage(100, 100 - self.used, 0, 0)

    async def stored(self) -> ImageStore:
        images = (StoredImage(digest, "r:5000/web", frozenset([digest]), at) for digest, at in self.images.items())
        return ImageStore(tuple(images), dict.fromkeys(self.images, 10))

    async def remove(self, digests: Collection[str], *, keep: Callable[[], Collection[str]]) -> Removed:
        going = [digest for digest in digests if digest in self.images and digest not in keep()]
        for digest in going:
            del self.images[digest]
            self.used -= 10
        return Removed(tuple(going), frozenset(going), 10 * len(going))

    def tell(self) -> None:
        self.told += 1


@pytest.fixture
def paths(tmp_path: Path) -> NodePaths:
    return NodePaths(data=tmp_path, run=tmp_path / "run")


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def clearing(paths: NodePaths, host: Host) -> Iterator[Clearing]:
    node = SimpleNamespace(images=lambda: host.containers, attempts=lambda: host.at, unknown=lambda: host.lost)
    made = Clearing(
        paths,
        cast("Node", node),
        cast("Images", host),
        cast("Disk", host),
        Clock(),
        Thresholds(85, 80),
        tell=host.tell,
    )
    yield made
    made.close()


def write(paths: NodePaths, container: str, generation: int, name: str, *, at: float = 0.0) -> Path:
    path = paths.logs(container, generation) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 8 * KIB)
    os.utime(path, (at, at))
    return path


async def test_the_image_that_was_of_use_longest_ago_goes_and_no_more_than_needed(
    clearing: Clearing, host: Host
) -> None:
    host.containers = {ONE: OLD}
    assert await clearing.clear()
    assert set(host.images) == {OLD, NEW}
    (told,) = clearing.cleanings
    assert (told.kind, told.count, told.freed_bytes) == ("images", 1, 10)
    assert list(told.names) == ["r:5000/web@222222222222"]
    assert told.reason == "86% of the disk are taken, 85% is the most"
    assert host.told == 1


async def test_logs_go_only_when_no_image_can(clearing: Clearing, host: Host, paths: NodePaths) -> None:
    host.containers = {ONE: OLD, TWO: NEW}
    host.at = {ONE: (2, 3)}
    host.used = 95
    past = [write(paths, ONE, 1, "9.0.log", at=5.0), write(paths, ONE, 2, "2.0.log"), write(paths, ONE, 2, "2.1.log")]
    present = write(paths, ONE, 2, "3.0.log")
    assert not await clearing.clear()
    assert set(host.images) == {OLD, NEW}
    assert present.exists()
    assert not any(path.exists() for path in past)
    assert [(each.kind, each.count) for each in clearing.cleanings] == [("images", 1), ("logs", 1)]
    assert clearing.cleanings[1].freed_bytes == 3 * 8 * KIB
    # There is nothing more to be had, nor to be told.
    assert not await clearing.clear()
    assert host.told == 2


def test_old_logs_are_whole_attempts_by_age(paths: NodePaths) -> None:
    write(paths, ONE, 2, "1.0.log", at=30.0)
    write(paths, ONE, 2, "1.1.log", at=40.0)
    write(paths, ONE, 1, "7.0.log", at=50.0)
    write(paths, TWO, 1, "1.0.log", at=20.0)
    write(paths, TWO, 1, "2.0.log", at=10.0)
    write(paths, TWO, 1, "odd.0.log", at=10.0)
    found = old_logs.find(paths, {ONE: (2, 2), TWO: (1, 2)})
    assert [(each.container, len(each.files), each.written_at) for each in found] == [
        (TWO, 1, 20.0),
        (ONE, 2, 40.0),
        (ONE, 1, 50.0),
    ]
    assert [old_logs.remove(each) for each in found] == [8 * KIB, 16 * KIB, 8 * KIB]
    assert [old_logs.remove(each) for each in found] == [0, 0, 0]


async def test_no_image_goes_while_a_containers_is_not_known(clearing: Clearing, host: Host) -> None:
    host.lost = frozenset([ONE])
    assert not await clearing.clear()
    with pytest.raises(Conflict, match="a1a1a1a1a1a1"):
        await clearing.remove_images([])
    assert len(host.images) == 3
    assert clearing.cleanings == []


async def test_only_images_that_are_named_go_when_somebody_asks(clearing: Clearing, host: Host) -> None:
    host.containers = {ONE: OLD}
    done = await clearing.remove_images([OLD, NEW])
    assert [each.images for each in done] == [(NEW,), ()]
    done = await clearing.remove_images([])
    assert [each.images for each in done] == [(MIDDLE,), ()]
    assert set(host.images) == {OLD}


async def test_a_full_disk_is_cleared_again_only_after_a_pause_if_that_was_not_enough(
    clearing: Clearing, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused = asyncio.Event()

    async def pause() -> None:
        paused.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(clearing, "_pause", pause)
    running = asyncio.create_task(clearing.run())
    async with asyncio.timeout(5):
        clearing.looked(Usage(100, 20, 0, 0))
        clearing.looked(Usage(100, 14, 0, 0))
        while len(host.images) == 3:
            await asyncio.wait({running}, timeout=0.01)
        assert not paused.is_set()
        host.used, host.containers = 99, {ONE: MIDDLE, TWO: NEW}
        clearing.looked(Usage(100, 1, 0, 0))
        await paused.wait()
    assert set(host.images) == {MIDDLE, NEW}
    running.cancel()
    await asyncio.wait({running})
