"""Elections on a real etcd: one leader at a time, and one that lost writes nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from shoal_common.errors import NotLeader
from shoal_controller.state import keys
from shoal_controller.state.election import LEASE_TTL, Election, Leadership
from shoal_controller.state.endpoints import Endpoints
from shoal_controller.state.etcd import EtcdKV
from shoal_controller.state.kv import CompareFailed, Txn
from shoal_controller.state.store import read
from shoal_proto.v1.cluster_pb2 import Leader
from tests.parts.etcd import EtcdServer
from tests.parts.proxy import Proxy

Lead = Callable[[Leadership], Awaitable[None]]


@asynccontextmanager
async def campaigning(endpoints: Endpoints, name: str, lead: Lead) -> AsyncIterator[asyncio.Task[None]]:
    election = Election(endpoints, address=f"10.0.0.1:{name}", controller=name)
    task = asyncio.create_task(election.run(lead), name=f"election {name}")
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})


class Terms:
    """A callback that leads until it is told otherwise, and remembers."""

    def __init__(self) -> None:
        self.began: asyncio.Queue[Leadership] = asyncio.Queue()
        self.ended: asyncio.Queue[Leadership] = asyncio.Queue()
        self.leading = 0

    async def __call__(self, leadership: Leadership) -> None:
        self.leading += 1
        assert self.leading == 1, "two terms at a time"
        self.began.put_nowait(leadership)
        try:
            await asyncio.Event().wait()
        finally:
            self.leading -= 1
            self.ended.put_nowait(leadership)


async def test_one_leads_and_the_next_takes_over_at_once(etcd: EtcdServer) -> None:
    kv, one, two = EtcdKV(etcd.endpoints), Terms(), Terms()
    try:
        async with asyncio.timeout(20), campaigning(etcd.endpoints, "1", one) as first:
            leadership = await one.began.get()
            async with campaigning(etcd.endpoints, "2", two):
                _, stored = await read(kv, Leader, keys.leader())
                assert stored is not None
                assert (stored.value.controller, stored.value.address) == ("1", "10.0.0.1:1")
                assert stored.create_revision == leadership.create_revision
                # Longer than the lease: it is renewed.
                await asyncio.sleep(LEASE_TTL + 0.5)
                assert leadership.valid()
                assert two.began.empty()
                first.cancel()
                stopped = time.monotonic()
                later = await two.began.get()
                assert time.monotonic() - stopped < 1.5, "the first gave its lease back"
                assert later.create_revision > leadership.create_revision
                assert not leadership.valid()
                assert leadership.lost.is_set()
    finally:
        await kv.close()


async def test_a_leader_whose_etcd_was_away_does_not_wait_for_its_own_lease(etcd: EtcdServer) -> None:
    """etcd counts leases from its start anew, so that the key of the last term is still there for seconds."""
    terms = Terms()
    async with asyncio.timeout(30), campaigning(etcd.endpoints, "1", terms):
        leadership = await terms.began.get()
        await asyncio.to_thread(etcd.stop, kill=True)
        await terms.ended.get()
        await asyncio.to_thread(etcd.start)
        started = time.monotonic()
        later = await terms.began.get()
        assert time.monotonic() - started < LEASE_TTL / 2
        assert later.create_revision > leadership.create_revision


async def test_who_returns_gives_the_term_up_and_campaigns_again(etcd: EtcdServer) -> None:
    terms: list[int] = []
    third = asyncio.Event()

    async def lead(leadership: Leadership) -> None:
        terms.append(leadership.create_revision)
        if len(terms) == 3:
            third.set()

    async with asyncio.timeout(20), campaigning(etcd.endpoints, "1", lead):
        await third.wait()
    assert terms == sorted(set(terms))


async def test_who_fails_to_lead_says_so_and_gives_the_term_up(etcd: EtcdServer) -> None:
    kv = EtcdKV(etcd.endpoints)

    async def lead(leadership: Leadership) -> None:
        raise RuntimeError("broken")

    try:
        with pytest.raises(RuntimeError, match="broken"):
            await Election(etcd.endpoints, address="a:1", controller="1").run(lead)
        assert (await kv.get(keys.leader()))[1] is None
    finally:
        await kv.close()


async def test_a_leader_without_etcd_stops_before_its_lease_ends(etcd: EtcdServer, proxy: Proxy) -> None:
    """The network is cut: the term ends by the clock, and only then can another one begin."""
    behind, direct = Endpoints((f"127.0.0.1:{proxy.port}",)), EtcdKV(etcd.endpoints)
    one, two = Terms(), Terms()
    try:
        async with asyncio.timeout(30), campaigning(behind, "1", one):
            leadership = await one.began.get()
            txn = Txn()
            txn.fence(leadership)
            txn.put("/shoal/v1/containers/default/a/spec", b"late", expect=0)
            async with campaigning(etcd.endpoints, "2", two):
                cut = time.monotonic()
                await proxy.cut()
                assert await one.ended.get() is leadership
                assert time.monotonic() - cut < LEASE_TTL
                assert two.began.empty()
                assert leadership.lost.is_set()
                with pytest.raises(NotLeader):
                    Txn().fence(leadership)
                second = await two.began.get()
                # What the first had built before, and sends now.
                with pytest.raises(CompareFailed) as refused:
                    await direct.commit(txn)
                assert refused.value.keys == {keys.leader()}
                assert refused.value.revision >= second.create_revision
                assert (await direct.get("/shoal/v1/containers/default/a/spec"))[1] is None
                await proxy.start()
    finally:
        await direct.close()


async def test_a_lease_that_an_operator_revokes_ends_the_term(etcd: EtcdServer) -> None:
    kv, terms = EtcdKV(etcd.endpoints), Terms()
    try:
        async with asyncio.timeout(20), campaigning(etcd.endpoints, "1", terms):
            first = await terms.began.get()
            _, entry = await kv.get(keys.leader())
            assert entry is not None
            await kv.revoke(entry.lease)
            assert await terms.ended.get() is first
            assert (await terms.began.get()).create_revision > first.create_revision
    finally:
        await kv.close()


async def test_a_busy_event_loop_keeps_its_term(etcd: EtcdServer) -> None:
    """The lease is renewed from a thread: planning for longer than the lease does not lose it."""
    terms = Terms()
    async with asyncio.timeout(20), campaigning(etcd.endpoints, "1", terms):
        leadership = await terms.began.get()
        time.sleep(LEASE_TTL + 1)  # noqa: ASYNC251 - this is the point
        assert leadership.valid()
        await asyncio.sleep(0)
        assert terms.ended.empty()


PAUSED = """
import asyncio, sys
from shoal_controller.state.election import Election, Leadership
from shoal_controller.state.endpoints import Endpoints
from shoal_controller.state.etcd import EtcdKV
from shoal_controller.state.kv import CompareFailed, Txn

KEY = "/shoal/v1/containers/default/paused/spec"

async def main() -> None:
    endpoints = Endpoints((sys.argv[1],))
    kv = EtcdKV(endpoints)
    sending = []

    async def send(txn: Txn) -> None:
        try:
            await kv.commit(txn)
            print("written", flush=True)
        except CompareFailed:
            print("refused", flush=True)

    async def lead(leadership: Leadership) -> None:
        txn = Txn()
        txn.fence(leadership)
        txn.put(KEY, b"written by who lost", expect=0)
        print("leading", flush=True)
        sys.stdin.readline()  # Stopped here; blocks the loop, so that no event can have told it when it wakes up.
        print("valid" if leadership.valid() else "knows", flush=True)
        # In a task of its own, which losing the term does not cancel: the worst that a leader could do.
        sending.append(asyncio.create_task(send(txn), name="send"))

    await Election(endpoints, address="a:1", controller="paused").run(lead)

asyncio.run(main())
"""


async def test_a_process_that_was_stopped_wakes_up_knowing_and_writes_nothing(etcd: EtcdServer) -> None:
    kv, terms = EtcdKV(etcd.endpoints), Terms()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PAUSED, *etcd.endpoints.addresses, stdin=-1, stdout=-1, stderr=-1
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            assert await process.stdout.readline() == b"leading\n"
            os.kill(process.pid, signal.SIGSTOP)
            async with campaigning(etcd.endpoints, "2", terms):
                leadership = await terms.began.get()
                process.stdin.write(b"\n")
                os.kill(process.pid, signal.SIGCONT)
                assert await process.stdout.readline() == b"knows\n"
                assert await process.stdout.readline() == b"refused\n"
                _, entry = await kv.get("/shoal/v1/containers/default/paused/spec")
                assert entry is None
                txn = Txn()
                txn.fence(leadership)
                txn.put("/shoal/v1/containers/default/paused/spec", b"written by who leads", expect=0)
                await kv.commit(txn)
    finally:
        process.kill()
        await process.communicate()
        await kv.close()
