from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import pytest

from shoal_common.errors import Internal, InvalidSpec, NotFound, Unavailable
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.changes import Change
from shoal_controller.state.kv import Batch, Listing, Txn
from shoal_controller.state.store import Stored, encode, read
from shoal_proto.v1.cluster_pb2 import Cluster
from shoal_proto.v1.container_pb2 import ContainerSpec, Tombstone
from shoal_proto.v1.node_pb2 import Hold, NodeSpec
from tests.fakes.kv import FakeKV

#: Seconds after which who waits for the watch lists.
CATCH_UP = "shoal_controller.state.cache._CATCH_UP"

A, B = "a" * 64, "a" * 10 + "b" * 54


@pytest.fixture
def kv() -> FakeKV:
    return FakeKV()


@pytest.fixture
async def cache(kv: FakeKV) -> AsyncIterator[ClusterCache]:
    cache = ClusterCache(kv)
    running = asyncio.create_task(cache.run(), name="cache")
    await cache.synced.wait()
    yield cache
    running.cancel()
    await asyncio.wait({running})


async def write(
    kv: FakeKV, values: dict[str, ContainerSpec | NodeSpec | Hold | Cluster | Tombstone | str | None]
) -> int:
    """Put or (None) delete at whatever revision there is, in one transaction."""
    txn = Txn()
    for key, value in values.items():
        _, entry = await kv.get(key)
        expect = entry.mod_revision if entry else 0
        if value is None:
            txn.delete(key, expect=expect)
        else:
            txn.put(key, encode(value), expect=expect)
    return await kv.commit(txn)


def spec(container: str, name: str, namespace: str = "default") -> dict[str, ContainerSpec | str]:
    return {
        keys.container_spec(namespace, container): ContainerSpec(schema=1, id=container, name=name),
        keys.name(namespace, "container", name): container,
    }


async def test_containers_are_found_by_id_name_and_beginning(kv: FakeKV, cache: ClusterCache) -> None:
    await write(kv, {**spec(A, "web")})
    await write(kv, {**spec(B, "aaaa")})
    await cache.reached(await write(kv, {**spec("c" * 64, "web", "other")}))
    for ref in (A, "web", "a" * 11):
        assert cache.resolve("default", ref).id == A
    assert cache.resolve("default", "aaaa").id == B, "a name goes before the beginning of an id"
    assert cache.resolve("other", "web").id == "c" * 64
    assert cache.resolve("other", "c").id == "c" * 64
    with pytest.raises(InvalidSpec, match="beginning of several"):
        cache.resolve("default", "aa")
    for namespace, ref in (("default", "c"), ("default", "c" * 64), ("default", "nothing"), ("other", A)):
        with pytest.raises(NotFound, match="not found"):
            cache.resolve(namespace, ref)
    with pytest.raises(InvalidSpec, match="no container was named"):
        cache.resolve("default", "")


async def test_nodes_are_found_by_id_name_and_beginning(kv: FakeKV, cache: ClusterCache) -> None:
    one, two = "1" * 32, "12" * 16
    await write(kv, {keys.node_spec(one): NodeSpec(schema=1, id=one, name="alpha")})
    await write(kv, {keys.hold("3" * 32, A): Hold(schema=1)})
    await cache.reached(await write(kv, {keys.node_spec(two): NodeSpec(schema=1, id=two, name="beta")}))
    assert cache.resolve_node("alpha").id == cache.resolve_node("11").id == cache.resolve_node(one).id == one
    assert cache.resolve_node("12").id == two
    with pytest.raises(InvalidSpec, match="2 node ids"):
        cache.resolve_node("1")
    for ref in ("gamma", "3"):
        with pytest.raises(NotFound):
            cache.resolve_node(ref)


async def test_a_change_names_what_was_written_and_what_went(kv: FakeKV, cache: ClusterCache) -> None:
    with cache.subscribe() as changes:
        one = await write(kv, {**spec(A, "web"), keys.hold("n", A): Hold(schema=1, container=A)})
        await cache.reached(one)
        assert await anext(changes) == Change(one, frozenset({A}), frozenset({"n"}))
        assert cache.holders(A) == {"n"}
        two = await write(
            kv,
            {
                **dict.fromkeys([*spec(A, "web"), keys.hold("n", A)]),
                keys.tombstone("default", A): Tombstone(schema=1, id=A),
            },
        )
        await cache.reached(two)
        assert await anext(changes) == Change(two, frozenset(), frozenset({"n"}), frozenset({A}))
        assert cache.holders(A) == frozenset()
        assert (A in cache.containers, "n" in cache.nodes) == (False, False)
        assert cache.tombstones["default", A].value.id == A
        await cache.reached(await write(kv, {keys.cluster(): Cluster(schema=1, id="x")}))
        assert (await anext(changes)).everything


async def test_entries_given_out_do_not_change(kv: FakeKV, cache: ClusterCache) -> None:
    await cache.reached(await write(kv, {**spec(A, "web"), keys.hold("n", A): Hold(schema=1)}))
    container, node = cache.containers[A], cache.nodes["n"]
    await cache.reached(await write(kv, {keys.container_spec("default", A): ContainerSpec(schema=1, run=5)}))
    await cache.reached(await write(kv, {keys.hold("n", A): None, keys.hold("n", B): Hold(schema=1)}))
    assert container.spec is not None
    assert container.spec.value.run == 0
    assert node.holds.keys() == {A}
    assert cache.nodes["n"].holds.keys() == {B}


async def test_after_a_compaction_everything_may_have_changed(kv: FakeKV, cache: ClusterCache) -> None:
    with cache.subscribe() as changes:
        kv.interrupt()
        last = 0
        for run in (1, 2):
            txn = Txn()
            txn.put(keys.container_spec("default", A), encode(ContainerSpec(schema=1, run=run)), expect=last)
            last = kv.apply(txn)
        kv.compact(last)
        kv.restore()
        await cache.reached(last)
        assert (await anext(changes)).everything
        stored = cache.containers[A].spec
        assert stored is not None
        assert stored.value.run == 2


async def test_reaching_fails_when_the_store_is_away(
    kv: FakeKV, cache: ClusterCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CATCH_UP, 0.01)
    kv.interrupt()
    with pytest.raises(Unavailable):
        await cache.reached(cache.revision + 1)
    kv.restore()
    await cache.reached(cache.revision)


async def test_a_reader_that_is_cancelled_leaves_the_others_alone(kv: FakeKV, cache: ClusterCache) -> None:
    first = asyncio.create_task(cache.reached(cache.revision + 1), name="first")
    second = asyncio.create_task(cache.reached(cache.revision + 1), name="second")
    await asyncio.sleep(0)
    first.cancel()
    await write(kv, {**spec(A, "web")})
    await second


async def test_an_unreadable_value_blinds_nobody(
    kv: FakeKV, cache: ClusterCache, caplog: pytest.LogCaptureFixture
) -> None:
    txn = Txn()
    txn.put(keys.container_spec("default", A), b"\xff", expect=0)
    txn.put(keys.name("default", "container", "x"), b"\xff", expect=0)
    await kv.commit(txn)
    with caplog.at_level(logging.ERROR):
        await cache.reached(await write(kv, {**spec(B, "web")}))
    assert cache.containers.keys() == {B}
    assert keys.container_spec("default", A) in caplog.text


async def test_an_object_is_read_straight_from_the_store(kv: FakeKV) -> None:
    key = keys.container_spec("default", A)
    assert await read(kv, ContainerSpec, key) == (1, None)
    revision = await write(kv, {key: ContainerSpec(schema=1, run=3)})
    assert await read(kv, ContainerSpec, key) == (revision, Stored(ContainerSpec(schema=1, run=3), revision, revision))


def test_nothing_is_stored_without_a_schema() -> None:
    with pytest.raises(Internal, match="ContainerSpec has no schema"):
        encode(ContainerSpec(run=1))


class LaggingWatch(FakeKV):
    """Its watch tells nothing until `go` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    async def watch(self, prefix: str, *, after: int) -> AsyncGenerator[Batch, None]:
        async with aclosing(super().watch(prefix, after=after)) as batches:
            async for batch in batches:
                await self.go.wait()
                yield batch


async def test_a_watch_that_was_overtaken_does_not_set_the_cache_back(monkeypatch: pytest.MonkeyPatch) -> None:
    kv = LaggingWatch()
    cache = ClusterCache(kv)
    running = asyncio.create_task(cache.run(), name="cache")
    await cache.synced.wait()
    await write(kv, {**spec(A, "web")})
    last = await write(kv, dict.fromkeys(spec(A, "web")))
    with monkeypatch.context() as patched:
        patched.setattr(CATCH_UP, 0.01)
        await cache.reached(last)
    assert cache.revision == last
    with cache.subscribe() as changes:
        kv.go.set()
        newest = await write(kv, {**spec(B, "web")})
        await cache.reached(newest)
        assert await anext(changes) == Change(newest, frozenset({B}))
    running.cancel()
    await asyncio.wait({running})


class Away(FakeKV):
    """Does not answer the first three times."""

    left = 3

    async def list(self, prefix: str, *, revision: int = 0) -> Listing:
        if self.left:
            self.left -= 1
            raise Unavailable("etcd does not answer")
        return await super().list(prefix, revision=revision)


async def test_a_long_outage_is_told_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shoal_controller.state.cache._RETRY", 0)
    caplog.set_level(logging.INFO)
    kv = Away()
    cache = ClusterCache(kv)
    running = asyncio.create_task(cache.run(), name="cache")
    await cache.synced.wait()
    assert kv.left == 0
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    running.cancel()
    await asyncio.wait({running})
