"""A controller that has seen more than its store has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from shoal_common.errors import Conflict, InvalidSpec, ShoalError, Unavailable
from shoal_controller.core.store_health import Mark
from shoal_controller.recovery.guarded import GuardedStore
from shoal_controller.recovery.health import StoreHealth
from shoal_controller.recovery.mark import MarkFile
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.etcd import EtcdKV
from shoal_controller.state.kv import Txn
from shoal_controller.state.store import encode
from shoal_proto.v1.cluster_pb2 import Cluster
from tests.fakes.kv import FakeKV
from tests.fakes.leading import CLUSTER_ID, Rig


@asynccontextmanager
async def judged(kv: FakeKV, file: MarkFile | None = None) -> AsyncIterator[tuple[ClusterCache, StoreHealth]]:
    cache = ClusterCache(kv)
    health = StoreHealth(kv, cache, CLUSTER_ID, file)
    work = [asyncio.create_task(cache.run(), name="cache"), asyncio.create_task(health.run(), name="health")]
    try:
        await cache.synced.wait()
        yield cache, health
    finally:
        for task in work:
            task.cancel()
        await asyncio.wait(work)


async def cluster(kv: FakeKV, epoch: int, *, recovering: bool = False) -> None:
    made = Cluster(schema=1, id=CLUSTER_ID, epoch=epoch, subnet="10.88.0.0/16", recovering=recovering)
    await Rig(kv).put(keys.cluster(), encode(made))


async def until(condition: object, cache: ClusterCache) -> None:
    assert callable(condition)
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 (what is waited for is in no one place)
            await asyncio.sleep(0.01)


async def test_a_mark_above_the_store_is_a_suspicion_that_is_kept_and_told(tmp_path: Path) -> None:
    file = MarkFile(tmp_path / "mark", CLUSTER_ID)
    file.save(Mark(1, 500))
    kv = FakeKV()
    await cluster(kv, 1)
    async with judged(kv, file) as (cache, health):
        assert "set back" in health.problem
        await until(lambda: cache.cluster is not None and cache.cluster.value.recovering, cache)
        await until(lambda: file.load().suspicion, cache)
        assert file.load().revision == 500
    # Once it has grown: the next process knows, and so does a controller that has seen nothing.
    kv.revision = 10_000
    async with judged(kv, file) as (_, health):
        assert "set back" in health.problem
    async with judged(kv) as (_, health):
        assert "recover" in health.problem
    await cluster(kv, 2)
    async with judged(kv, file) as (cache, health):
        assert health.problem == ""
        await until(lambda: file.load().epoch == 2, cache)
        assert not file.load().suspicion


async def test_what_was_seen_last_is_kept_with_the_end(tmp_path: Path) -> None:
    file = MarkFile(tmp_path / "mark", CLUSTER_ID)
    kv = FakeKV()
    await cluster(kv, 1)
    async with judged(kv, file) as (cache, health):
        await Rig(kv).put(keys.name("default", "container", "x"), b"y")
        await cache.reached(kv.revision)
        assert health.problem == ""
    assert file.load() == Mark(1, kv.revision)


async def test_writes_of_the_api_are_refused_and_reads_served() -> None:
    kv = FakeKV()
    await cluster(kv, 1, recovering=True)
    async with judged(kv) as (_, health):
        store = GuardedStore(cast("EtcdKV", kv), health)
        txn = Txn()
        txn.put(keys.name("default", "container", "x"), b"y", expect=0)
        with pytest.raises(Conflict, match="shoal cluster recover"):
            await store.commit(txn)
        with pytest.raises(Conflict, match="shoal cluster recover"):
            await store.grant(10)
        assert (await store.get(keys.cluster()))[1] is not None
        assert len((await store.list(keys.PREFIX)).entries) == 1
        await cluster(kv, 2)
        await health.until(well=True)
        await store.commit(txn)


async def test_a_node_that_is_ahead_of_the_cache_only_has_to_wait_for_it() -> None:
    kv = FakeKV()
    await cluster(kv, 1)
    async with judged(kv) as (cache, health):
        await health.check_position("n1", 1, kv.revision)
        await cluster(kv, 1)
        await health.check_position("n1", 1, kv.revision)
        assert cache.revision == kv.revision
        assert health.problem == ""
        with pytest.raises(Unavailable, match="node n2 has followed epoch 1, revision 9999"):
            await health.check_position("n2", 1, 9999)
        with pytest.raises(Conflict):
            health.check()


async def test_a_node_that_was_accounted_for_is_not_believed_against_the_store() -> None:
    kv = FakeKV()
    await cluster(kv, 1)
    async with judged(kv) as (_, health):
        await health.check_position("n1", 1, kv.revision)
        for position in ((1, 9999), (2, 1)):
            with pytest.raises(ShoalError, match="node n1") as raised:
                await health.check_position("n1", *position)
            assert isinstance(raised.value, InvalidSpec), "and not: the store has lost something"
        assert health.problem == ""
        # Another controller may have led meanwhile, and have told it.
        health.begin_term()
        with pytest.raises(Unavailable, match="node n1 has followed epoch 1, revision 9999"):
            await health.check_position("n1", 1, 9999)


async def test_no_node_uses_up_the_epochs() -> None:
    kv = FakeKV()
    await cluster(kv, 3)
    async with judged(kv) as (_, health):
        health.check_epoch("n1", 1003)
        with pytest.raises(InvalidSpec):
            health.check_epoch("n1", 1004)
        with pytest.raises(InvalidSpec, match="can't be"):
            await health.check_position("n1", 2**64 - 1, 0)
        assert health.problem == ""


async def test_a_disk_that_takes_no_mark_keeps_nothing_from_working(tmp_path: Path) -> None:
    kv = FakeKV()
    await cluster(kv, 1)
    async with judged(kv, MarkFile(tmp_path / "none" / "mark", CLUSTER_ID)) as (_, health):
        assert health.problem == ""
        await asyncio.sleep(0)
        health.check()
