"""The cache on either store: after anything that happened, it equals a fresh listing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.cluster_state import ClusterState
from shoal_controller.state.kv import KV, Txn
from shoal_controller.state.store import encode
from shoal_proto.v1.cluster_pb2 import Cluster, ClusterPolicy, JoinToken
from shoal_proto.v1.container_pb2 import ContainerPlacement, ContainerSpec, ContainerStatus, Tombstone
from shoal_proto.v1.node_pb2 import Hold, NodeLedger, NodeSession, NodeSpec, NodeStatus
from shoal_proto.v1.volume_pb2 import VolumePlacement, VolumeSpec

Maker = Callable[[int], bytes]


def some_keys() -> dict[str, Maker]:
    """Return a few keys of every kind, each with what makes a value for it."""
    made: dict[str, Maker] = {keys.cluster(): lambda n: encode(Cluster(schema=1, epoch=n))}
    for c in ("c1", "c2", "d3"):
        made |= {
            keys.container_spec("default", c): lambda n: encode(ContainerSpec(schema=1, run=n)),
            keys.container_placement("default", c): lambda n: encode(ContainerPlacement(schema=1, generation=n)),
            keys.container_status("default", c): lambda n: encode(ContainerStatus(schema=1, report=n)),
            keys.name("default", "container", f"name-{c}"): lambda n: encode(f"id-{n}"),
            keys.tombstone("default", c): lambda n: encode(Tombstone(schema=1, run=n)),
            keys.volume_spec("default", c): lambda n: encode(VolumeSpec(schema=1, name=f"name-{n}")),
            keys.volume_placement("default", c): lambda n: encode(VolumePlacement(schema=1, node=f"n{n}")),
            keys.address("default", f"10.88.0.{c[1]}"): lambda n: encode(f"id-{n}"),
        }
        for node in ("n1", "n2"):
            made |= {
                keys.node_spec(node): lambda n: encode(NodeSpec(schema=1, name=f"name-{n}")),
                keys.node_session(node): lambda n: encode(NodeSession(schema=1, epoch=n)),
                keys.node_status(node): lambda n: encode(NodeStatus(schema=1, reason=f"{n}")),
                keys.node_ledger(node): lambda n: encode(NodeLedger(schema=1)),
                keys.hold(node, c): lambda n: encode(Hold(schema=1, generation=n)),
            }
    made[keys.policy()] = lambda n: encode(ClusterPolicy(schema=1, last_request_id=f"{n}"))
    made[keys.token("t")] = lambda n: encode(JoinToken(schema=1, id=f"{n}"))
    made[keys.PREFIX + "moves/of-a-newer-version"] = lambda n: b"%d" % n
    made[keys.container_spec("default", "bad")] = lambda n: b"\xff" if n % 2 else encode(ContainerSpec(schema=1, run=n))
    return made


def contents(state: ClusterCache | ClusterState) -> dict[str, object]:
    """Return all that a cache has, indexes included."""
    ids = {*state.containers, "c1", "c2", "d3"}
    inner = state._state if isinstance(state, ClusterCache) else state
    return {
        "cluster": state.cluster,
        "leader": state.leader,
        "policy": state.policy,
        "containers": dict(state.containers),
        "nodes": dict(state.nodes),
        "volumes": dict(state.volumes),
        "names": dict(state.names),
        "addresses": dict(state.addresses),
        "tombstones": dict(state.tombstones),
        "tokens": dict(state.tokens),
        "controllers": dict(state.controllers),
        "revoked": dict(state.revoked),
        "holders": {container: state.holders(container) for container in sorted(ids)},
        "ids": list(inner.ids_with_prefix("")),
        "c*": list(inner.ids_with_prefix("c")),
    }


async def fresh(kv: KV) -> ClusterState:
    state = ClusterState()
    listing = await kv.list(keys.PREFIX)
    state.load(listing.entries)
    state.revision = listing.revision
    return state


@pytest.mark.parametrize("seed", range(3))
async def test_the_cache_equals_a_fresh_listing_after_random_operations(store: Any, seed: int) -> None:
    kv: KV = store.kv
    choices = random.Random(seed)
    makers = some_keys()
    known: dict[str, int] = {}
    cache = ClusterCache(kv)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(cache.run(), name="cache")
        revision = 0
        for step in range(150):
            txn = Txn()
            chosen = choices.sample(sorted(makers), choices.randint(1, 5))
            deleted = [key for key in chosen if key in known and choices.random() < 0.4]
            for key in chosen:
                if key in deleted:
                    txn.delete(key, expect=known.pop(key))
                else:
                    txn.put(key, makers[key](step), expect=known.get(key, 0))
            revision = await kv.commit(txn)
            known |= {key: revision for key in chosen if key not in deleted}
            if choices.random() < 0.05:
                store.compact(revision)
            if step in (50, 100) and seed == 0:
                store.interrupt()
                store.compact(revision)
            if choices.random() < 0.1:
                await cache.reached(revision)
                assert contents(cache) == contents(await fresh(kv))
        await cache.reached(revision)
        assert contents(cache) == contents(await fresh(kv))
        running.cancel()


async def test_a_write_is_read_after_it_was_reached(store: Any) -> None:
    kv: KV = store.kv
    cache = ClusterCache(kv)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(cache.run(), name="cache")
        for run in range(1, 30):
            txn = Txn()
            entry = cache.containers.get("a")
            stored = entry.spec if entry else None
            txn.put(
                keys.container_spec("default", "a"),
                encode(ContainerSpec(schema=1, run=run)),
                expect=stored.revision if stored else 0,
            )
            await cache.reached(await kv.commit(txn))
            spec = cache.containers["a"].spec
            assert spec is not None
            assert spec.value.run == run
        running.cancel()


async def test_a_revision_that_touches_nothing_of_ours_is_reached_too(store: Any) -> None:
    kv: KV = store.kv
    cache = ClusterCache(kv)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(cache.run(), name="cache")
        await cache.synced.wait()
        txn = Txn()
        txn.put("/somebody/else", b"", expect=0)
        revision = await kv.commit(txn)
        async with asyncio.timeout(10):
            await cache.reached(revision)
        assert cache.revision >= revision
        running.cancel()
