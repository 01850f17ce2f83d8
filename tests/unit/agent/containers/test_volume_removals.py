"""Which volumes a node removes, and what it tells of that."""

# Nothing tells of what is looked at here but that it is so.
# ruff: noqa: ASYNC110

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace

import pytest

from shoal_agent.containers import volume_removals as module
from shoal_agent.containers.volume_removals import VolumeRemovals


class Store:
    """Volumes that can be removed, but for those that fail."""

    def __init__(self) -> None:
        self.removed: list[str] = []
        self.failing: set[str] = set()

    async def remove(self, volume: str) -> None:
        if volume in self.failing:
            raise OSError(5, "the disk is gone")
        self.removed.append(volume)


class Rig:
    """Removals of a node whose containers mount `used`."""

    def __init__(self) -> None:
        self.store = Store()
        self.used: set[str] = set()
        self.node = SimpleNamespace(news=asyncio.Event(), on_settled=lambda: None, mounts_volume=self.used.__contains__)
        self.removals = VolumeRemovals(self.store, self.node)  # type: ignore[arg-type]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0)


@pytest.fixture
async def rig(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    monkeypatch.setattr(module, "_PAUSE", 0.01)
    rig = Rig()
    running = asyncio.create_task(rig.removals.run(), name="removals")
    yield rig
    running.cancel()
    await asyncio.wait({running})


async def test_what_is_wanted_gone_goes_and_is_told(rig: Rig) -> None:
    rig.removals.want(["a", "b"])
    await rig.until(lambda: rig.removals.gone() == ["a", "b"])
    assert rig.node.news.is_set()
    # Asked again, by the same leader or the next: answered again.
    rig.removals.want(["b"])
    assert rig.removals.gone() == []
    await rig.until(lambda: rig.removals.gone() == ["b"])


async def test_what_a_container_here_mounts_stays_until_that_is_gone(rig: Rig) -> None:
    rig.used.add("a")
    rig.removals.want(["a", "b"])
    await rig.until(lambda: rig.removals.gone() == ["b"])
    assert rig.store.removed == ["b"]
    rig.used.clear()
    rig.node.on_settled()
    await rig.until(lambda: rig.removals.gone() == ["a", "b"])


async def test_what_fails_is_tried_again_and_holds_up_nothing(rig: Rig) -> None:
    rig.store.failing.add("a")
    rig.removals.want(["a", "b"])
    await rig.until(lambda: rig.removals.gone() == ["b"])
    rig.store.failing.clear()
    await rig.until(lambda: rig.removals.gone() == ["a", "b"])
