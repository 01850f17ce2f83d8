"""Our client of etcd (version 3.4 and later): all members, one call or one watch at a time, nothing lost or doubled.

Source: etcd's API reference and API guarantees (etcd.io/docs/v3.4/learning). docs/adr/0001-etcd-client.md says why
it is our own.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing, suppress
from typing import Final, TypeAlias, TypeVar

import grpc
import grpc.aio

from shoal_common.errors import Compacted, NotFound, Unavailable
from shoal_controller.state import wire
from shoal_controller.state.endpoints import REQUIRE_LEADER, Endpoints
from shoal_controller.state.kv import Batch, Entry, Event, Listing, OutcomeUnknown, SetBack, Txn
from shoal_proto.etcd import kv_pb2, rpc_pb2, rpc_pb2_grpc

T = TypeVar("T")
Q = TypeVar("Q")
A = TypeVar("A")
_WatchCall: TypeAlias = "grpc.aio.StreamStreamCall[rpc_pb2.WatchRequest, rpc_pb2.WatchResponse]"

_log: Final = logging.getLogger(__name__)

#: Entries on one page of a listing.
_PAGE: Final = 500
#: Seconds for a connection to one member before the next is tried.
_CONNECT: Final = 1.0
#: Seconds for one member to answer a read before the next is asked.
_ATTEMPT: Final = 2.0
#: Seconds for etcd to say that it committed, before that is found out in another way: what is proposed while etcd has
#: no leader, and does not know it yet, is never answered. It elects another within 1 to 2 s.
_COMMIT: Final = 1.5
#: Seconds between rounds over members that don't answer.
_PAUSE: Final = 0.05
#: Longest wait, in seconds, before a watch is opened again.
_WATCH_PAUSE: Final = 1.0


class _Member:
    """One member of etcd and the calls on it."""

    def __init__(self, address: str, channel: grpc.aio.Channel) -> None:
        self.address = address
        self.channel = channel
        self.kv = rpc_pb2_grpc.KVStub(channel)
        self.watch = rpc_pb2_grpc.WatchStub(channel)
        self.lease = rpc_pb2_grpc.LeaseStub(channel)
        self.maintenance = rpc_pb2_grpc.MaintenanceStub(channel)

    async def connected(self, seconds: float) -> bool:
        """Connect if need be, and say whether the connection stands within `seconds`."""
        state = self.channel.get_state(try_to_connect=True)
        try:
            async with asyncio.timeout(seconds):
                while state is not grpc.ChannelConnectivity.READY:
                    if state in (grpc.ChannelConnectivity.TRANSIENT_FAILURE, grpc.ChannelConnectivity.SHUTDOWN):
                        return False
                    await self.channel.wait_for_state_change(state)
                    state = self.channel.get_state(try_to_connect=True)
        except TimeoutError:
            return False
        return True


class EtcdKV:
    """The `KV` that is etcd. Make it in the event loop that uses it.

    Reads are repeated at other members until the timeout. A transaction is sent once a connection stands, and sent
    again only if etcd said that it did not look at it; anything else without an answer is `OutcomeUnknown`.

    Args:
        endpoints: of all members.
        timeout: seconds that a call may take, over all members: room for an election inside etcd (1 to 2 s).

    Raises:
        Unauthenticated: the TLS files are not usable.
    """

    def __init__(self, endpoints: Endpoints, *, timeout: float = 5.0) -> None:
        self._members = [_Member(address, endpoints.channel(address)) for address in endpoints.addresses]
        self._current = 0
        self._timeout = timeout
        #: The newest change that was told of, to know the store again by.
        self._newest: Entry | None = None

    async def close(self) -> None:
        """Close all connections; watches that are open end with an error."""
        for member in self._members:
            await member.channel.close()

    async def get(self, key: str) -> tuple[int, Entry | None]:
        """See `KV.get`."""
        request = rpc_pb2.RangeRequest(key=key.encode())
        answer = await self._read(lambda member, left: _call(member.kv.Range, request, left))
        return answer.header.revision, wire.entry_of(answer.kvs[0]) if answer.kvs else None

    async def list(self, prefix: str, *, revision: int = 0) -> Listing:
        """See `KV.list`."""
        while True:
            try:
                return await self._list(prefix, revision)
            except Compacted:
                if revision:
                    raise
                # The revision of the first page was compacted before the last page was read. Compactions are minutes
                # apart, so the next attempt gets through.

    async def _list(self, prefix: str, revision: int) -> Listing:
        request = rpc_pb2.RangeRequest(
            key=prefix.encode(), range_end=wire.range_end(prefix), limit=_PAGE, revision=revision
        )
        entries: list[Entry] = []
        while True:
            page = await self._read(lambda member, left: _call(member.kv.Range, request, left))
            # All pages are of the revision of the first.
            request.revision = request.revision or page.header.revision
            entries.extend(map(wire.entry_of, page.kvs))
            if not page.more:
                self._newest = max(entries, key=lambda entry: entry.mod_revision, default=None)
                return Listing(request.revision, tuple(entries))
            request.key = page.kvs[-1].key + b"\0"

    async def commit(self, txn: Txn) -> int:
        """See `KV.commit`."""
        request = wire.txn_request(txn)
        deadline = _now() + self._timeout
        while True:
            member = await self._connected(deadline)
            try:
                answer = await _call(member.kv.Txn, request, min(_COMMIT, deadline - _now()))
            except grpc.aio.AioRpcError as error:
                self._avoid(member)
                if wire.never_proposed(error) and _now() < deadline:
                    await asyncio.sleep(_PAUSE)
                    continue
                if wire.refused(error):
                    raise wire.translate(error, peer=member.address) from error
                raise OutcomeUnknown(
                    f"etcd at {member.address} did not say whether it committed "
                    f"({error.details() or error.code().name}); what was asked may or may not have happened"
                ) from error
            if not answer.succeeded:
                raise wire.refusal(txn, answer)
            return answer.header.revision

    async def grant(self, ttl_seconds: int) -> int:
        """See `KV.grant`."""
        # Asked twice, it leaves one lease that nobody uses until it ends.
        request = rpc_pb2.LeaseGrantRequest(TTL=ttl_seconds)
        answer = await self._read(lambda member, left: _call(member.lease.LeaseGrant, request, left))
        return answer.ID

    async def keep_alive(self, lease: int) -> int:
        """See `KV.keep_alive`."""
        return await self._read(lambda member, left: _keep_alive(member, lease, left))

    async def revoke(self, lease: int) -> None:
        """See `KV.revoke`."""
        request = rpc_pb2.LeaseRevokeRequest(ID=lease)
        with suppress(NotFound):
            await self._read(lambda member, left: _call(member.lease.LeaseRevoke, request, left))

    async def version(self) -> str:
        """Return etcd's version, such as "3.4.23".

        Raises:
            Unavailable: no member answers.
        """
        request = rpc_pb2.StatusRequest()
        answer = await self._read(lambda member, left: _call(member.maintenance.Status, request, left))
        return answer.version

    async def full(self) -> bool:
        """Say whether etcd is out of space: it takes no writes until its alarm is cleared.

        Raises:
            Unavailable: no member answers.
        """
        request = rpc_pb2.AlarmRequest(action=rpc_pb2.AlarmRequest.GET)
        answer = await self._read(lambda member, left: _call(member.maintenance.Alarm, request, left))
        return any(alarm.alarm == rpc_pb2.NOSPACE for alarm in answer.alarms)

    async def watch(self, prefix: str, *, after: int) -> AsyncGenerator[Batch, None]:
        """See `KV.watch`."""
        told = after
        failures = 0
        while True:
            try:
                async with aclosing(self._watch_once(prefix, told)) as batches:
                    async for batch in batches:
                        failures = 0
                        if batch.revision > told:
                            told = batch.revision
                            yield batch
            except Unavailable as error:
                failures += 1
                # A member that restarts, or loses its leader for a moment, is no news; that it lasts is.
                _log.log(logging.WARNING if failures == 3 else logging.DEBUG, "watch interrupted: %s", error)
                await asyncio.sleep(random.uniform(0.5, 1.0) * min(_WATCH_PAUSE, _PAUSE * 2**failures))

    async def _watch_once(self, prefix: str, told: int) -> AsyncGenerator[Batch, None]:
        """Yield what comes of one stream that starts after revision `told`; its end is `Unavailable`."""
        member = await self._connected(_now() + self._timeout)
        call = member.watch.Watch(metadata=REQUIRE_LEADER)
        try:
            await self._open_watch(call, member, prefix, told)
            events: list[kv_pb2.Event] = []
            while True:
                answer = await _read_watch(call, member)
                events.extend(answer.events)
                if answer.fragment:
                    continue  # A piece may end in the middle of a revision; the whole answer doesn't.
                if not events:
                    yield Batch(answer.header.revision, ())
                for batch in wire.batches_of(events):
                    self._remember(batch.events)
                    yield batch
                events.clear()
        except grpc.aio.AioRpcError as error:
            self._avoid(member)
            raise wire.translate(error, peer=member.address) from error
        except Unavailable:
            self._avoid(member)
            raise
        finally:
            call.cancel()

    def _remember(self, events: Iterable[Event]) -> None:
        for event in events:
            if event.value is not None:
                self._newest = Entry(event.key, event.value, event.mod_revision, event.create_revision, event.lease)

    async def _open_watch(self, call: _WatchCall, member: _Member, prefix: str, told: int) -> None:
        create = rpc_pb2.WatchCreateRequest(
            key=prefix.encode(),
            range_end=wire.range_end(prefix),
            start_revision=told + 1,
            progress_notify=True,
            fragment=True,
        )
        try:
            async with asyncio.timeout(_ATTEMPT):
                await call.write(rpc_pb2.WatchRequest(create_request=create))
                created = await _read_watch(call, member)
        except TimeoutError:
            raise Unavailable(f"etcd at {member.address} does not open a watch") from None
        except asyncio.InvalidStateError as error:
            raise Unavailable(f"etcd at {member.address} ended the watch") from error
        if created.header.revision < told:
            # Either this member lags, and the watch will go on when it has caught up, or the whole store was set back
            # (restored from a backup, emptied), and a watch from the future would tell nothing for a long time and
            # then what was never missed.
            revision, _ = await self.get(prefix)
            if revision < told:
                raise SetBack(f"etcd was set back: it is at revision {revision}, and was at {told}")
        await self._check_history()

    async def _check_history(self) -> None:
        """Check that the store is the one whose newest change is known here.

        A store that was set back grows again, and may be further than it was by the time anybody looks; and another
        cluster's has revisions of its own.

        Raises:
            SetBack: it isn't.
            Compacted: that can't be said any more.
        """
        known = self._newest
        if known is None:
            return
        request = rpc_pb2.RangeRequest(key=known.key.encode(), revision=known.mod_revision)
        answer = await self._read(lambda member, left: _call(member.kv.Range, request, left))
        entry = wire.entry_of(answer.kvs[0]) if answer.kvs else None
        if entry is None or (entry.mod_revision, entry.value) != (known.mod_revision, known.value):
            raise SetBack(f"etcd was set back: what it had at revision {known.mod_revision} is not what it was")

    async def _read(self, call: Callable[[_Member, float], Awaitable[T]]) -> T:
        """Return the answer of the first member that gives one to a request that may be repeated."""
        deadline = _now() + self._timeout
        while True:
            member = await self._connected(deadline)
            try:
                return await call(member, min(_ATTEMPT, deadline - _now()))
            except grpc.aio.AioRpcError as error:
                if not wire.worth_asking_elsewhere(error) or _now() >= deadline:
                    raise wire.translate(error, peer=member.address) from error
                self._avoid(member)
                await asyncio.sleep(_PAUSE)

    async def _connected(self, deadline: float) -> _Member:
        """Return a member to which the connection stands, the last one that answered first."""
        while True:
            for _ in self._members:
                member = self._members[self._current]
                left = deadline - _now()
                if left > 0 and await member.connected(min(_CONNECT, left)):
                    return member
                self._avoid(member)
            if _now() >= deadline:
                addresses = ", ".join(member.address for member in self._members)
                raise Unavailable(f"etcd at {addresses} can't be reached (is it running, with these certificates?)")
            await asyncio.sleep(_PAUSE)

    def _avoid(self, member: _Member) -> None:
        """Let the next call try another member first, unless one before has turned away from `member` already."""
        if self._members[self._current] is member:
            self._current = (self._current + 1) % len(self._members)


async def _call(method: grpc.aio.UnaryUnaryMultiCallable[Q, A], request: Q, seconds: float) -> A:
    return await method(request, timeout=seconds, metadata=REQUIRE_LEADER)


async def _keep_alive(member: _Member, lease: int, seconds: float) -> int:
    # A stream for each: one that goes on has no deadline by which an answer has to be there.
    call = member.lease.LeaseKeepAlive(timeout=seconds, metadata=REQUIRE_LEADER)
    try:
        await call.write(rpc_pb2.LeaseKeepAliveRequest(ID=lease))
        answer = await call.read()
    finally:
        call.cancel()
    if not isinstance(answer, rpc_pb2.LeaseKeepAliveResponse):
        raise Unavailable(f"etcd at {member.address} ended the renewal of a lease without an answer")
    return max(0, answer.TTL)


async def _read_watch(call: _WatchCall, member: _Member) -> rpc_pb2.WatchResponse:
    """Return the next answer on a watch.

    Raises:
        Compacted: revisions that it should tell are gone.
        Unavailable: the stream or the watch ended.
        grpc.aio.AioRpcError: the connection broke.
    """
    answer = await call.read()
    if not isinstance(answer, rpc_pb2.WatchResponse):
        raise Unavailable(f"etcd at {member.address} ended the watch")
    if answer.compact_revision:
        raise Compacted(
            f"etcd keeps nothing from before revision {answer.compact_revision}, and not all of it was told"
        )
    if answer.canceled:
        raise Unavailable(f"etcd at {member.address} cancelled the watch ({answer.cancel_reason or 'no reason given'})")
    return answer


def _now() -> float:
    return asyncio.get_running_loop().time()
