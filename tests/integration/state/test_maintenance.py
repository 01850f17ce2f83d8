"""etcd is compacted, defragmented, and its alarm cleared; with a quota so small that it is soon full."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from shoal_common.errors import Exhausted, Unavailable
from shoal_controller.state import keys
from shoal_controller.state.etcd import EtcdKV
from shoal_controller.state.kv import KV, Txn
from shoal_controller.state.maintenance import Maintenance
from tests.parts.etcd import EtcdServer

QUOTA = 4 << 20
KEY = f"{keys.PREFIX}big"


async def put(kv: KV, value: bytes) -> int:
    """Put the key over what is there."""
    _, entry = await kv.get(KEY)
    txn = Txn()
    txn.put(KEY, value, expect=entry.mod_revision if entry else 0)
    return await kv.commit(txn)


async def fill(kv: EtcdKV) -> None:
    """Write one key again and again: what fills the store is history."""

    async def write_on() -> None:
        for number in range(200):
            await put(kv, bytes([number]) * 200_000)

    with pytest.raises(Exhausted, match="shoal cluster compact"):
        await write_on()
    async with asyncio.timeout(10):
        while not await kv.full():  # noqa: ASYNC110 (the alarm comes through Raft; nobody is told of it)
            await asyncio.sleep(0.01)


async def test_a_full_store_takes_writes_again_once_compacted(tmp_path: Path) -> None:
    with EtcdServer(tmp_path, options=[f"--quota-backend-bytes={QUOTA}"]) as server:
        kv, maintenance = EtcdKV(server.endpoints), Maintenance(server.endpoints)
        try:
            assert not await kv.full()
            await fill(kv)
            kept = (await kv.get(KEY))[1]
            done = await maintenance.compact()
            assert done.alarm_cleared
            assert done.size_after < done.size_before / 2
            assert not await kv.full()
            assert (await kv.get(KEY))[1] == kept
            await put(kv, b"goes on")
            # Again, with nothing to do: as good.
            again = await maintenance.compact()
            assert not again.alarm_cleared
        finally:
            await kv.close()


async def test_recent_history_is_kept_for_watches_unless_the_store_is_full(tmp_path: Path) -> None:
    with EtcdServer(tmp_path) as server:
        kv, maintenance = EtcdKV(server.endpoints), Maintenance(server.endpoints)
        try:
            first = await put(kv, b"first")
            await put(kv, b"second")
            await maintenance.compact()
            listed = await kv.list(KEY, revision=first)
            assert [entry.value for entry in listed.entries] == [b"first"]
        finally:
            await kv.close()


async def test_a_member_that_is_away_is_named_and_the_others_are_done(tmp_path: Path) -> None:
    with EtcdServer(tmp_path) as server:
        away = EtcdServer(tmp_path / "away")
        endpoints = type(server.endpoints)((*away.endpoints.addresses, *server.endpoints.addresses))
        with pytest.raises(Unavailable, match=f"not all members.*{away.endpoints.addresses[0]}"):
            await Maintenance(endpoints).compact()


async def test_a_snapshot_is_whole_and_counts_down(tmp_path: Path) -> None:
    with EtcdServer(tmp_path) as server:
        kv = EtcdKV(server.endpoints)
        try:
            await put(kv, bytes(300_000))
            pieces = [piece async for piece in Maintenance(server.endpoints).snapshot()]
        finally:
            await kv.close()
    total = sum(len(piece.data) for piece in pieces)
    assert pieces[0].remaining + len(pieces[0].data) >= 300_000
    assert total >= pieces[0].remaining + len(pieces[0].data)
    assert pieces[-1].remaining == 0
