"""What every `KV` promises; the store in memory and a real etcd run the same tests."""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing
from typing import Any

import pytest

from shoal_common.errors import Compacted, Internal, NotFound
from shoal_controller.state import keys
from shoal_controller.state.kv import KV, Batch, CompareFailed, Txn
from shoal_controller.state.leadership import Leadership

PREFIX = "/shoal/v1/containers/"


async def put(kv: KV, key: str, value: bytes, *, expect: int = 0, lease: int = 0) -> int:
    txn = Txn()
    txn.put(key, value, expect=expect, lease=lease)
    return await kv.commit(txn)


async def delete(kv: KV, key: str, *, expect: int) -> int:
    txn = Txn()
    txn.delete(key, expect=expect)
    return await kv.commit(txn)


async def take(kv: KV, count: int, *, after: int, prefix: str = PREFIX) -> list[Batch]:
    """Return the first `count` batches with events."""
    found: list[Batch] = []
    async with asyncio.timeout(20), aclosing(kv.watch(prefix, after=after)) as batches:
        async for batch in batches:
            if batch.events:
                found.append(batch)
            if len(found) == count:
                return found
    raise AssertionError("the watch ended")


async def lead(kv: KV) -> Leadership:
    revision = await put(kv, keys.leader(), b"me")
    return Leadership(revision, deadline=1.0, clock=lambda: 0.0)


async def test_what_was_put_is_read_back(store: Any) -> None:
    kv: KV = store.kv
    first = await put(kv, PREFIX + "a", b"1")
    second = await put(kv, PREFIX + "a", b"2", expect=first)
    revision, entry = await kv.get(PREFIX + "a")
    assert second == first + 1 == revision
    assert entry is not None
    assert (entry.value, entry.mod_revision, entry.create_revision, entry.lease) == (b"2", second, first, 0)
    assert await kv.get(PREFIX + "b") == (second, None)


async def test_a_transaction_happens_whole_or_not_at_all(store: Any) -> None:
    kv: KV = store.kv
    a = await put(kv, PREFIX + "a", b"1")
    txn = Txn()
    txn.put(PREFIX + "a", b"2", expect=a)
    txn.put(PREFIX + "b", b"2", expect=a)
    txn.put(PREFIX + "c", b"2", expect=0)
    with pytest.raises(CompareFailed) as refused:
        await kv.commit(txn)
    assert refused.value.keys == {PREFIX + "b"}
    assert refused.value.revision == a
    assert [entry.value for entry in (await kv.list(PREFIX)).entries] == [b"1"]


@pytest.mark.parametrize("expect", [0, 1, 10**9])
async def test_no_write_without_the_right_revision(store: Any, expect: int) -> None:
    kv: KV = store.kv
    revision = await put(kv, PREFIX + "a", b"1")
    with pytest.raises(CompareFailed):
        await put(kv, PREFIX + "a", b"2", expect=expect)
    if expect:
        with pytest.raises(CompareFailed):
            await delete(kv, PREFIX + "a", expect=expect)
        with pytest.raises(CompareFailed):
            await put(kv, PREFIX + "b", b"2", expect=expect)
    assert await delete(kv, PREFIX + "a", expect=revision) == revision + 1
    assert await put(kv, PREFIX + "a", b"3") == revision + 2


async def test_a_requirement_is_compared_and_not_written(store: Any) -> None:
    kv: KV = store.kv
    a = await put(kv, PREFIX + "a", b"1")
    txn = Txn()
    txn.require(PREFIX + "a", revision=a)
    txn.require(PREFIX + "b", revision=0)
    assert await kv.commit(txn) == a, "it wrote nothing"
    txn.put(PREFIX + "c", b"1", expect=0)
    c = await kv.commit(txn)
    assert c == a + 1
    txn = Txn()
    txn.require(PREFIX + "c", revision=0)
    txn.put(PREFIX + "d", b"1", expect=0)
    with pytest.raises(CompareFailed):
        await kv.commit(txn)


async def test_the_largest_transaction_is_taken(store: Any) -> None:
    kv: KV = store.kv
    leadership = await lead(kv)
    txn = Txn()
    txn.fence(leadership)
    for number in range(127):
        txn.put(f"{PREFIX}{number:03}", b"", expect=0)
    with pytest.raises(Internal, match="128 compares"):
        txn.put(PREFIX + "127", b"", expect=0)
    txn = Txn()
    for number in range(128):
        txn.put(f"{PREFIX}{number:03}", b"", expect=0)
    await kv.commit(txn)
    assert len((await kv.list(PREFIX)).entries) == 128


async def test_lost_leadership_writes_nothing(store: Any) -> None:
    kv: KV = store.kv
    leadership = await lead(kv)
    txn = Txn()
    txn.fence(leadership)
    txn.put(PREFIX + "a", b"1", expect=0)
    a = await kv.commit(txn)
    late = Txn()
    late.fence(leadership)
    late.put(PREFIX + "a", b"2", expect=a)
    gone = await delete(kv, keys.leader(), expect=leadership.create_revision)
    with pytest.raises(CompareFailed) as refused:
        await kv.commit(late)
    assert refused.value.keys == {keys.leader()}
    assert refused.value.revision == gone
    await put(kv, keys.leader(), b"another")
    with pytest.raises(CompareFailed) as refused:
        await kv.commit(late)
    assert refused.value.keys == {keys.leader()}
    _, entry = await kv.get(PREFIX + "a")
    assert entry is not None
    assert entry.value == b"1"


async def test_the_leader_key_may_be_rewritten_in_a_term(store: Any) -> None:
    kv: KV = store.kv
    leadership = await lead(kv)
    await put(kv, keys.leader(), b"me, moved", expect=leadership.create_revision)
    txn = Txn()
    txn.fence(leadership)
    txn.put(PREFIX + "a", b"1", expect=0)
    await kv.commit(txn)


async def test_a_late_commit_after_another_write_is_harmless(store: Any) -> None:
    """The sender gave up, read again, and somebody wrote: then the first transaction arrives."""
    kv: KV = store.kv
    ledger = await put(kv, PREFIX + "ledger", b"0")
    late = Txn()
    late.put(PREFIX + "placement", b"node 1", expect=0)
    late.put(PREFIX + "ledger", b"1 on node 1", expect=ledger)
    # Not sent yet, as far as the store knows. Meanwhile the sender plans anew from what it reads.
    again = Txn()
    again.put(PREFIX + "placement", b"node 2", expect=0)
    again.put(PREFIX + "ledger", b"1 on node 2", expect=ledger)
    committed = await kv.commit(again)
    with pytest.raises(CompareFailed):
        await kv.commit(late)
    listing = await kv.list(PREFIX)
    assert listing.revision == committed
    assert [entry.value for entry in listing.entries] == [b"1 on node 2", b"node 2"]


async def test_a_transaction_repeated_after_no_answer_happens_once(store: Any) -> None:
    kv: KV = store.kv
    txn = Txn()
    txn.put(PREFIX + "a", b"1", expect=0)
    committed = await kv.commit(txn)
    with pytest.raises(CompareFailed):
        await kv.commit(txn)
    assert (await kv.get(PREFIX + "a"))[0] == committed


async def test_a_listing_is_of_one_revision_and_of_its_prefix(store: Any) -> None:
    kv: KV = store.kv
    for start in range(0, 1100, 100):
        txn = Txn()
        for number in range(start, start + 100):
            txn.put(f"{PREFIX}{number:04}", b"old", expect=0)
        last = await kv.commit(txn)
    txn = Txn()
    txn.put("/shoal/v1/containers", b"", expect=0)
    txn.put("/shoal/v1/containers0", b"", expect=0)
    await kv.commit(txn)
    writes = asyncio.create_task(put(kv, PREFIX + "1099", b"new", expect=last), name="write while listing")
    listing = await kv.list(PREFIX)
    changed = await writes
    assert len(listing.entries) == 1100
    assert [entry.key for entry in listing.entries] == sorted(entry.key for entry in listing.entries)
    assert (listing.entries[-1].value == b"new") == (listing.revision >= changed)
    then = await kv.list(PREFIX, revision=last)
    assert then.revision == last
    assert {entry.value for entry in then.entries} == {b"old"}


async def test_a_listing_of_compacted_history_says_so(store: Any) -> None:
    kv: KV = store.kv
    a = await put(kv, PREFIX + "a", b"1")
    b = await put(kv, PREFIX + "a", b"2", expect=a)
    store.compact(b)
    with pytest.raises(Compacted):
        await kv.list(PREFIX, revision=a)
    assert (await kv.list(PREFIX)).entries[0].value == b"2"


async def test_a_watch_tells_each_revision_whole_and_in_order(store: Any) -> None:
    kv: KV = store.kv
    a = await put(kv, PREFIX + "a", b"1")
    txn = Txn()
    txn.put(PREFIX + "b", b"1", expect=0)
    txn.put(PREFIX + "c", b"1", expect=0)
    txn.put("/shoal/v1/nodes/n/spec", b"1", expect=0)
    txn.delete(PREFIX + "a", expect=a)
    second = await kv.commit(txn)
    await put(kv, "/shoal/v1/nodes/m/spec", b"1")
    told = await take(kv, 2, after=a - 1)
    assert [batch.revision for batch in told] == [a, second]
    assert [(event.key, event.value, event.create_revision) for event in told[0].events] == [(PREFIX + "a", b"1", a)]
    assert {(event.key, event.value) for event in told[1].events} == {
        (PREFIX + "a", None),
        (PREFIX + "b", b"1"),
        (PREFIX + "c", b"1"),
    }
    assert [batch.revision for batch in await take(kv, 1, after=a)] == [second]


async def test_a_watch_from_before_a_compaction_says_so(store: Any) -> None:
    kv: KV = store.kv
    a = await put(kv, PREFIX + "a", b"1")
    b = await put(kv, PREFIX + "a", b"2", expect=a)
    c = await put(kv, PREFIX + "a", b"3", expect=b)
    store.compact(c)
    with pytest.raises(Compacted):
        await take(kv, 1, after=a - 1)
    assert [batch.revision for batch in await take(kv, 1, after=b)] == [c]


async def test_a_watch_from_the_future_says_that_the_store_was_set_back(store: Any) -> None:
    revision = await put(store.kv, PREFIX + "a", b"1")
    with pytest.raises(Compacted):
        await take(store.kv, 1, after=revision + 1000)


async def test_a_watch_over_interruptions_skips_and_repeats_nothing(store: Any) -> None:
    kv: KV = store.kv
    start = await put(kv, PREFIX + "a", b"0")
    revisions: list[int] = []

    async def write(count: int) -> None:
        for _ in range(count):
            last = revisions[-1] if revisions else start
            revisions.append(await put(kv, PREFIX + "a", b"x", expect=last))

    watching = asyncio.create_task(take(kv, 90, after=start), name="watch")
    for _ in range(2):
        await write(30)
        store.interrupt()
    await write(30)
    assert [batch.revision for batch in await watching] == revisions


async def test_a_watch_goes_on_with_the_very_next_revision(store: Any) -> None:
    kv: KV = store.kv
    first = await put(kv, PREFIX + "first", b"1")
    async with asyncio.timeout(20), aclosing(kv.watch(PREFIX, after=first - 1)) as batches:
        told = (batch.revision async for batch in batches if batch.events)
        assert await anext(told) == first
        store.interrupt()
        written = [await put(kv, f"{PREFIX}{number}", b"1") for number in range(10)]
        assert await anext(told) == written[0]


async def test_a_lease_is_kept_alive_until_it_has_ended(store: Any) -> None:
    kv = store.kv
    lease = await kv.grant(60)
    assert await kv.keep_alive(lease) == 60
    await kv.revoke(lease)
    assert await kv.keep_alive(lease) == 0


async def test_a_lease_ends_with_all_that_was_put_under_it(store: Any) -> None:
    kv: KV = store.kv
    lease = await kv.grant(60)
    a = await put(kv, PREFIX + "a", b"1", lease=lease)
    _, entry = await kv.get(PREFIX + "a")
    assert entry is not None
    assert entry.lease == lease
    await kv.revoke(lease)
    assert (await kv.get(PREFIX + "a"))[1] is None
    told = await take(kv, 1, after=a)
    assert [(event.key, event.value) for event in told[0].events] == [(PREFIX + "a", None)]
    await kv.revoke(lease)
    with pytest.raises(NotFound):
        await put(kv, PREFIX + "b", b"1", lease=lease)


@pytest.mark.parametrize("seed", range(2))
async def test_random_transactions_agree_with_a_model(store: Any, seed: int) -> None:
    """A dictionary of revisions says which transaction must succeed, and what is there afterwards."""
    kv: KV = store.kv
    choices = random.Random(seed)
    model: dict[str, tuple[int, bytes]] = {}
    names = [f"{PREFIX}{name}" for name in "abcdef"]
    start, _ = await kv.get(PREFIX)
    told_by_model: list[int] = []
    for step in range(120):
        txn, fits, writes = Txn(), True, dict[str, bytes | None]()
        for key in choices.sample(names, choices.randint(1, 4)):
            present = model.get(key, (0, b""))[0]
            expect = present if choices.random() < 0.85 else choices.choice([0, max(1, present - 1), present + 1])
            fits = fits and expect == present
            kind = choices.choice(["put", "put", "delete", "require"])
            if kind == "put":
                txn.put(key, b"%d" % step, expect=expect)
                writes[key] = b"%d" % step
            elif kind == "delete" and expect:
                txn.delete(key, expect=expect)
                writes[key] = None
            else:
                txn.require(key, revision=expect)
        if not fits:
            with pytest.raises(CompareFailed) as refused:
                await kv.commit(txn)
            assert refused.value.keys == txn.stale({key: (value[0], 0) for key, value in model.items()})
            continue
        revision = await kv.commit(txn)
        if writes:
            told_by_model.append(revision)
        for key, value in writes.items():
            if value is None:
                model.pop(key, None)
            else:
                model[key] = (revision, value)
    entries = (await kv.list(PREFIX)).entries
    assert {entry.key: (entry.mod_revision, entry.value) for entry in entries} == model
    told = await take(kv, len(told_by_model), after=start)
    assert [batch.revision for batch in told] == told_by_model
