"""Controllers that run know of each other, through a real etcd."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from shoal_controller.state import keys, registration
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.etcd import EtcdKV
from shoal_controller.state.registration import Registration
from shoal_proto.v1.cluster_pb2 import Controller
from tests.parts.etcd import EtcdServer


class World:
    """A cache that follows one etcd, and controllers that register in it."""

    def __init__(self, kv: EtcdKV, cache: ClusterCache) -> None:
        self.kv = kv
        self.cache = cache

    def registration(self, name: str) -> Registration:
        return Registration(self.kv, self.cache, Controller(schema=1, name=name, address=f"{name}:7400"))

    async def until(self, holds: Callable[[], bool]) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(20):
                with self.cache.subscribe() as changes:
                    while not holds():
                        await anext(changes)
        assert holds()

    async def lease(self, name: str) -> int:
        _, entry = await self.kv.get(keys.controller(name))
        assert entry is not None
        return entry.lease


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    with EtcdServer(tmp_path) as server:
        kv = EtcdKV(server.endpoints)
        cache = ClusterCache(kv)
        following = asyncio.create_task(cache.run(), name="cache")
        await cache.synced.wait()
        try:
            yield World(kv, cache)
        finally:
            following.cancel()
            await asyncio.wait({following})
            await kv.close()


async def test_who_comes_and_goes_is_known_at_once(world: World) -> None:
    one, two = world.registration("one"), world.registration("two")
    assert one.addresses() == ("one:7400",)
    keeping = [asyncio.create_task(each.keep()) for each in (one, two)]
    await world.until(lambda: one.addresses() == two.addresses() == ("one:7400", "two:7400"))
    keeping[1].cancel()
    await asyncio.wait({keeping[1]})
    await world.until(lambda: one.addresses() == ("one:7400",))
    keeping[0].cancel()
    await asyncio.wait({keeping[0]})
    await world.until(lambda: not world.cache.controllers)


async def test_one_that_was_given_up_comes_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "_RENEW", 0.05)
    one = world.registration("one")
    keeping = asyncio.create_task(one.keep())
    await world.until(lambda: "one" in world.cache.controllers)
    # As when it was suspended for longer than its lease.
    first, before = world.cache.controllers["one"], await world.lease("one")
    await world.kv.revoke(before)
    await world.until(lambda: world.cache.controllers.get("one") is not first)
    await world.until(lambda: "one" in world.cache.controllers)
    assert await world.lease("one") != before
    keeping.cancel()
    await asyncio.wait({keeping})


async def test_being_known_costs_no_write(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "_RENEW", 0.05)
    keeping = asyncio.create_task(world.registration("one").keep())
    await world.until(lambda: "one" in world.cache.controllers)
    before, _ = await world.kv.get(keys.PREFIX)
    for _ in range(5):
        assert await world.kv.keep_alive(await world.lease("one")) == registration.LEASE_TTL
    after, _ = await world.kv.get(keys.PREFIX)
    assert after == before
    keeping.cancel()
    await asyncio.wait({keeping})
