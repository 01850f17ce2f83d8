"""The etcd client against a real etcd that is away, slow, full, compacted, set back, or one of three."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import aclosing, suppress
from pathlib import Path

import pytest

from shoal_common.errors import Compacted, Exhausted, InvalidSpec, Unavailable
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.endpoints import Endpoints
from shoal_controller.state.etcd import EtcdKV
from shoal_controller.state.kv import KV, Batch, CompareFailed, OutcomeUnknown, SetBack, Txn
from shoal_controller.state.store import encode
from shoal_proto.v1.container_pb2 import ContainerSpec
from tests.parts.etcd import EtcdServer, free_ports
from tests.parts.proxy import Proxy

PREFIX = "/shoal/v1/containers/"


def single_put(key: str, value: bytes, expect: int = 0) -> Txn:
    txn = Txn()
    txn.put(key, value, expect=expect)
    return txn


async def take(kv: KV, count: int, *, after: int) -> list[Batch]:
    found: list[Batch] = []
    async with asyncio.timeout(30), aclosing(kv.watch(PREFIX, after=after)) as batches:
        async for batch in batches:
            found.append(batch)
            if len(found) == count:
                return found
    raise AssertionError("the watch ended")


async def test_a_commit_whose_answer_is_lost_is_unknown_and_happened(etcd: EtcdServer, proxy: Proxy) -> None:
    kv, direct = EtcdKV(Endpoints((f"127.0.0.1:{proxy.port}",)), timeout=1.0), EtcdKV(etcd.endpoints)
    try:
        await kv.get(PREFIX)
        proxy.answers.clear()
        txn = single_put(PREFIX + "a", b"1")
        with pytest.raises(OutcomeUnknown, match="may or may not have happened"):
            await kv.commit(txn)
        proxy.answers.set()
        _, entry = await kv.get(PREFIX + "a")
        assert entry is not None
        assert entry.value == b"1"
        with pytest.raises(CompareFailed):
            await kv.commit(txn)
    finally:
        await kv.close()
        await direct.close()


async def test_a_commit_that_breaks_midway_is_unknown(etcd: EtcdServer, proxy: Proxy) -> None:
    kv = EtcdKV(Endpoints((f"127.0.0.1:{proxy.port}",)))
    try:
        await kv.get(PREFIX)
        proxy.answers.clear()
        committing = asyncio.create_task(kv.commit(single_put(PREFIX + "a", b"1")), name="commit")
        await committed(etcd)
        await proxy.cut()
        with pytest.raises(OutcomeUnknown):
            await committing
    finally:
        await kv.close()


async def committed(etcd: EtcdServer) -> None:
    """Wait until something was committed."""
    direct = EtcdKV(etcd.endpoints)
    try:
        async with asyncio.timeout(10):
            while (await direct.get(PREFIX + "a"))[1] is None:
                pass
    finally:
        await direct.close()


async def test_a_late_commit_of_a_timed_out_transaction_is_harmless(etcd: EtcdServer, proxy: Proxy) -> None:
    """What the timed-out transaction wanted never shows, however late it arrives."""
    slow, direct = EtcdKV(Endpoints((f"127.0.0.1:{proxy.port}",)), timeout=0.5), EtcdKV(etcd.endpoints)
    try:
        ledger = await direct.commit(single_put(PREFIX + "ledger", b"free"))
        await slow.get(PREFIX)
        proxy.requests.clear()
        late = Txn()
        late.put(PREFIX + "placement", b"node 1", expect=0)
        late.put(PREFIX + "ledger", b"node 1", expect=ledger)
        with pytest.raises(OutcomeUnknown):
            await slow.commit(late)
        again = Txn()
        again.put(PREFIX + "placement", b"node 2", expect=0)
        again.put(PREFIX + "ledger", b"node 2", expect=ledger)
        committed = await direct.commit(again)
        proxy.requests.set()
        # It travels the same connection, and so arrives after the late one.
        await slow.get(PREFIX)
        with pytest.raises(CompareFailed):
            await direct.commit(late)
        listing = await direct.list(PREFIX)
        assert listing.revision == committed
        assert {entry.value for entry in listing.entries} == {b"node 2"}
    finally:
        await slow.close()
        await direct.close()


async def test_nothing_is_sent_to_who_cannot_be_reached(etcd: EtcdServer) -> None:
    (nobody,) = free_ports(1)
    alone = EtcdKV(Endpoints((f"127.0.0.1:{nobody}",)), timeout=0.5)
    either = EtcdKV(Endpoints((f"127.0.0.1:{nobody}", *etcd.endpoints.addresses)))
    try:
        with pytest.raises(Unavailable, match=f"127.0.0.1:{nobody} can't be reached") as error:
            await alone.commit(single_put(PREFIX + "a", b"1"))
        assert not isinstance(error.value, OutcomeUnknown)
        revision = await either.commit(single_put(PREFIX + "a", b"1"))
        assert (await take(either, 1, after=revision - 1))[0].revision == revision
    finally:
        await alone.close()
        await either.close()


async def test_a_frozen_member_is_left_for_another(members: list[EtcdServer], all_members: Endpoints) -> None:
    kv = EtcdKV(all_members)
    try:
        revision = await kv.commit(single_put(PREFIX + "a", b"1"))
        watching = asyncio.create_task(take(kv, 2, after=revision - 1), name="watch")
        members[0].freeze()
        # Whoever led, the others answer within the client's timeout.
        async with asyncio.timeout(20):
            while True:
                try:
                    second = await kv.commit(single_put(PREFIX + "b", b"1"))
                    break
                except CompareFailed:
                    _, entry = await kv.get(PREFIX + "b")
                    assert entry is not None
                    second = entry.mod_revision
                    break
                except Unavailable:
                    continue
        assert [batch.revision for batch in await watching] == [revision, second]
        members[0].thaw()
    finally:
        await kv.close()


async def test_a_minority_answers_nothing_and_a_watch_on_it_does_not_hang(
    members: list[EtcdServer], all_members: Endpoints
) -> None:
    kv = EtcdKV(all_members, timeout=1.5)
    try:
        revision = await kv.commit(single_put(PREFIX + "a", b"1"))
        watching = asyncio.create_task(take(kv, 2, after=revision - 1), name="watch")
        members[0].stop(kill=True)
        members[1].stop(kill=True)
        with pytest.raises(Unavailable):
            await kv.get(PREFIX + "a")
        with pytest.raises(Unavailable):
            await kv.commit(single_put(PREFIX + "b", b"1"))
        await asyncio.to_thread(members[0].start)
        # The commit that got no answer may have been kept by the one that stayed, or not.
        _, entry = await kv.get(PREFIX + "b")
        if entry is None:
            with suppress(CompareFailed):
                await kv.commit(single_put(PREFIX + "b", b"1"))
        _, entry = await kv.get(PREFIX + "b")
        assert entry is not None
        assert [batch.revision for batch in await watching] == [revision, entry.mod_revision]
    finally:
        await kv.close()


async def test_pieces_of_a_large_answer_are_put_together(etcd: EtcdServer) -> None:
    kv = EtcdKV(etcd.endpoints)
    try:
        start, _ = await kv.get(PREFIX)
        expected = []
        for number in range(8):
            txn = Txn()
            for part in range(7):
                txn.put(f"{PREFIX}{number}/{part}", bytes([part]) * 200_000, expect=0)
            expected.append(await kv.commit(txn))
        told = await take(kv, 8, after=start)
        assert [batch.revision for batch in told] == expected
        assert [len(batch.events) for batch in told] == [7] * 8
        assert all(event.value == bytes([int(event.key[-1])]) * 200_000 for batch in told for event in batch.events)
        # etcd itself refuses the first, its gRPC the second.
        for size in (2_000_000, 3_000_000):
            txn = Txn()
            txn.put(PREFIX + "huge", bytes(size), expect=0)
            with pytest.raises(InvalidSpec, match="too large"):
                await kv.commit(txn)
    finally:
        await kv.close()


async def test_quiet_watches_are_told_of_progress(tmp_path: Path) -> None:
    options = ["--experimental-watch-progress-notify-interval=200ms"]
    with EtcdServer(tmp_path, options=options) as server:
        kv = EtcdKV(server.endpoints)
        try:
            start, _ = await kv.get(PREFIX)
            revision = await kv.commit(single_put("/somebody/else", b"1"))
            told = await take(kv, 1, after=start)
            assert told == [Batch(revision, ())]
        finally:
            await kv.close()


async def fill_until_refused(kv: KV) -> None:
    # etcd counts what it has written back, every 100 ms: a quick disk takes more than the quota before that.
    async with asyncio.timeout(30):
        for number in itertools.count():
            await kv.commit(single_put(f"{PREFIX}{number}", bytes(1_000_000)))


async def grant_until_refused(kv: EtcdKV) -> None:
    # The write that finds no room is refused at once; the alarm that refuses all others comes through Raft, after it.
    async with asyncio.timeout(10):
        while True:
            await kv.grant(5)


async def test_a_full_etcd_is_said_to_be_full(tmp_path: Path) -> None:
    with EtcdServer(tmp_path, options=["--quota-backend-bytes=4000000"]) as server:
        kv = EtcdKV(server.endpoints)
        try:
            with pytest.raises(Exhausted, match="shoal cluster compact"):
                await fill_until_refused(kv)
            assert len((await kv.list(PREFIX)).entries) > 0, "it still answers"
            with pytest.raises(Exhausted):
                await grant_until_refused(kv)
        finally:
            await kv.close()


async def test_a_watch_on_an_etcd_that_was_emptied_says_so(tmp_path: Path) -> None:
    with EtcdServer(tmp_path) as server:
        kv = EtcdKV(server.endpoints)
        try:
            for number in range(5):
                revision = await kv.commit(single_put(f"{PREFIX}{number}", b""))
            watching = asyncio.create_task(take(kv, 1, after=revision), name="watch")
            await asyncio.to_thread(server.restart, empty=True)
            with pytest.raises(Compacted, match="set back"):
                await watching
        finally:
            await kv.close()


async def test_a_watch_knows_a_store_that_was_set_back_and_has_grown_again(tmp_path: Path) -> None:
    with EtcdServer(tmp_path) as server:
        async with Proxy(server.port) as proxy:
            kv, direct = EtcdKV(Endpoints((f"127.0.0.1:{proxy.port}",))), EtcdKV(server.endpoints)
            try:
                for number in range(5):
                    revision = await kv.commit(single_put(f"{PREFIX}{number}", b"old"))
                listed = await kv.list(PREFIX)
                watching = asyncio.create_task(take(kv, 1, after=listed.revision), name="watch")
                await asyncio.sleep(0)
                await proxy.cut()
                await asyncio.to_thread(server.restart, empty=True)
                # As far as it was and further, before anybody looks.
                for number in range(20):
                    later = await direct.commit(single_put(f"{PREFIX}{number}", b"new"))
                assert later > revision
                await proxy.start()
                with pytest.raises(SetBack, match="is not what it was"):
                    await watching
            finally:
                await kv.close()
                await direct.close()


@pytest.mark.parametrize("emptied", [False, True])
async def test_the_cache_lives_over_restarts_and_lost_history(tmp_path: Path, emptied: bool) -> None:
    with EtcdServer(tmp_path) as server:
        async with Proxy(server.port) as proxy:
            kv, direct = EtcdKV(Endpoints((f"127.0.0.1:{proxy.port}",))), EtcdKV(server.endpoints)
            cache = ClusterCache(kv)
            running = asyncio.create_task(cache.run(), name="cache")
            try:
                key = keys.container_spec("default", "a")
                revision = await direct.commit(single_put(key, encode(ContainerSpec(schema=1, run=1))))
                await cache.reached(revision)
                await proxy.cut()
                # While nobody listens: changes, their history gone, and etcd restarted.
                for run in (2, 3):
                    spec = encode(ContainerSpec(schema=1, run=run))
                    revision = await direct.commit(single_put(key, spec, revision))
                server.compact(revision)
                await asyncio.to_thread(server.restart, empty=emptied)
                with cache.subscribe() as changes:
                    await proxy.start()
                    async with asyncio.timeout(20):
                        assert (await anext(changes)).everything
                    stored = cache.containers["a"].spec if "a" in cache.containers else None
                    assert (stored.value.run if stored else 0) == (0 if emptied else 3)
                    assert cache.revision == (await direct.list(keys.PREFIX)).revision
            finally:
                running.cancel()
                await asyncio.wait({running})
                await kv.close()
                await direct.close()
