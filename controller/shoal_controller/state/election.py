"""Which controller leads: a key in etcd under a lease that a thread of its own keeps alive.

The lease is renewed from a thread, over connections that nothing else uses, so that neither a busy event loop nor a
stalled watch loses it. The term that the process believes in ends before the lease can: it is counted from *before*
a renewal was sent, and a margin is taken off. What nevertheless slips through (a process that was stopped between
looking at the clock and sending) is refused by etcd, since every write of a leader compares the leader key's creation
revision (`Txn.fence`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

import grpc

from shoal_controller.state import keys, wire
from shoal_controller.state.endpoints import REQUIRE_LEADER, Endpoints
from shoal_controller.state.leadership import Leadership, boot_clock
from shoal_controller.state.store import SCHEMA, encode
from shoal_proto.etcd import rpc_pb2, rpc_pb2_grpc
from shoal_proto.v1.cluster_pb2 import Leader

__all__ = ["Election", "Leadership"]

A = TypeVar("A")

_log: Final = logging.getLogger(__name__)

#: Seconds that the lease lasts without renewal; etcd's least is 2.
LEASE_TTL: Final = 3
#: Seconds by which the believed term ends before the lease: clocks that run apart, and a write already on its way.
MARGIN: Final = 0.5
#: Seconds between renewals, and until one is tried again after a failure.
_RENEW: Final = 0.5
_RETRY: Final = 0.1
#: Seconds for one call.
_CALL: Final = 0.8
#: Seconds between looks at the leader key of somebody else. A look costs etcd less than a watch is worth here.
_LOOK: Final = 0.25
#: Seconds that the thread gets to end, revoking its lease.
_STOP: Final = 5.0


@dataclass(frozen=True, slots=True)
class _Term:
    leadership: Leadership
    lease: int


class Election:
    """Campaigns for as long as it runs, and lets a callback lead while this controller does.

    Args:
        endpoints: of etcd's members.
        address: "IP:PORT" of this controller's API, told to those who look for the leader.
        controller: random name of this process.
    """

    def __init__(self, endpoints: Endpoints, *, address: str, controller: str) -> None:
        self._endpoints = endpoints
        self._leader = Leader(schema=SCHEMA, controller=controller, address=address)

    async def run(self, on_leadership: Callable[[Leadership], Awaitable[None]]) -> None:
        """Campaign, lead, campaign again, until cancelled.

        Args:
            on_leadership: leads for one term. It is cancelled when the term is lost, and no other term begins before
                it has ended. If it returns by itself, the term is given up and the campaign begins again. If it
                raises, the term is given up and so does `run`.

        Raises:
            Unauthenticated: the TLS files are not usable.
        """
        won: asyncio.Queue[_Term] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        candidate = _Candidate(self._endpoints, self._leader, loop, won)
        candidate.start()
        try:
            while True:
                term = await won.get()
                _log.info("leading since revision %d", term.leadership.create_revision)
                try:
                    await _lead(term.leadership, on_leadership)
                finally:
                    term.leadership.end()
                    term.leadership.lost.set()
                    candidate.term_over()
                _log.info("not leading any more (term of revision %d)", term.leadership.create_revision)
        finally:
            candidate.stop()
            try:
                async with asyncio.timeout(_STOP):
                    await candidate.stopped.wait()
            except TimeoutError:
                _log.warning("etcd does not answer; the leader's lease ends by itself")


async def _lead(leadership: Leadership, on_leadership: Callable[[Leadership], Awaitable[None]]) -> None:
    """Run the callback until it ends or the term does."""

    async def lead() -> None:
        await on_leadership(leadership)

    leading = asyncio.create_task(lead(), name="lead")
    losing = asyncio.create_task(leadership.lost.wait(), name="lead-until-lost")
    try:
        # The end moves with every renewal: waking at what was the end and looking again needs no word from the thread.
        while not leading.done() and (left := leadership.remaining()) > 0:
            await asyncio.wait({leading, losing}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
    finally:
        leadership.lost.set()
        leading.cancel()
        await asyncio.wait({leading, losing})
        error = None if leading.cancelled() else leading.exception()
    if error is not None:
        raise error


@dataclass(frozen=True, slots=True)
class _Member:
    kv: rpc_pb2_grpc.KVStub
    lease: rpc_pb2_grpc.LeaseStub


class _NoAnswer(Exception):
    """No member of etcd answered."""


class _Candidate(threading.Thread):
    """Campaigns and renews. Everything here runs in the thread but what is said to be for the loop."""

    def __init__(
        self, endpoints: Endpoints, leader: Leader, loop: asyncio.AbstractEventLoop, won: asyncio.Queue[_Term]
    ) -> None:
        super().__init__(name="election", daemon=True)
        #: For the loop: the thread has ended.
        self.stopped = asyncio.Event()
        self._channels = [endpoints.blocking_channel(address) for address in endpoints.addresses]
        self._members = [
            _Member(rpc_pb2_grpc.KVStub(channel), rpc_pb2_grpc.LeaseStub(channel)) for channel in self._channels
        ]
        self._endpoints = endpoints
        self._current = 0
        self._leader = leader
        self._loop = loop
        self._won = won
        self._stopping = threading.Event()
        self._term_over = threading.Event()
        #: A lease of a term that is over, which etcd did not take back when it was asked to; 0: none.
        self._owed = 0
        self._silent = False

    def stop(self) -> None:
        """Begin to end the thread. For the loop."""
        self._stopping.set()
        self._term_over.set()

    def term_over(self) -> None:
        """Say that the term is led by nobody any more. For the loop."""
        self._term_over.set()

    def run(self) -> None:
        """Campaign until stopped."""
        try:
            while not self._stopping.is_set():
                try:
                    term = self._campaign()
                except _NoAnswer as error:
                    self._complain("can't campaign", error)
                    term = None
                if term is not None:
                    self._hold(term)
                # Jitter keeps candidates from looking, and so campaigning, in step.
                self._stopping.wait(_LOOK * random.uniform(0.8, 1.2))
        finally:
            for channel in self._channels:
                channel.close()
            self._tell(self.stopped.set)

    def _campaign(self) -> _Term | None:
        """Return the term that was won, or None while somebody else leads."""
        if self._owed:
            # Else this process waits for its own lease to end, as long as etcd was away and longer.
            self._revoke(self._owed)
        key = keys.leader().encode()
        look = rpc_pb2.RangeRequest(key=key, keys_only=True)
        if self._ask(lambda member: member.kv.Range(look, timeout=_CALL, metadata=REQUIRE_LEADER)).kvs:
            return None
        asked = boot_clock()
        grant = rpc_pb2.LeaseGrantRequest(TTL=LEASE_TTL)
        lease = self._ask(lambda member: member.lease.LeaseGrant(grant, timeout=_CALL, metadata=REQUIRE_LEADER))
        claim = rpc_pb2.TxnRequest()
        leader = Leader()
        leader.CopyFrom(self._leader)
        leader.elected_at.FromNanoseconds(time.time_ns())
        claim.compare.add(result=rpc_pb2.Compare.EQUAL, target=rpc_pb2.Compare.CREATE, key=key, create_revision=0)
        claim.success.add(request_put=rpc_pb2.PutRequest(key=key, value=encode(leader), lease=lease.ID))
        try:
            answer = self._ask(lambda member: member.kv.Txn(claim, timeout=_CALL, metadata=REQUIRE_LEADER))
        except _NoAnswer:
            # It may have been committed, or may be yet: without its lease it is neither.
            self._revoke(lease.ID)
            raise
        if not answer.succeeded:
            self._revoke(lease.ID)
            return None
        leadership = Leadership(answer.header.revision, deadline=asked + lease.TTL - MARGIN)
        return _Term(leadership, lease.ID)

    def _hold(self, term: _Term) -> None:
        """Renew until the term is lost or given up; then end it, and wait until the loop has ended it too."""
        self._term_over.clear()
        if self._stopping.is_set():
            self._term_over.set()
        self._tell(lambda: self._won.put_nowait(term))
        pause = _RENEW
        while not self._term_over.wait(pause) and term.leadership.valid():
            asked = boot_clock()
            try:
                ttl = self._ask(lambda member: _keep_alive(member, term.lease))
            except _NoAnswer as error:
                self._complain("leader's lease was not renewed", error)
                pause = _RETRY
                continue
            pause = _RENEW
            if ttl <= 0 or not term.leadership.extend(asked + ttl - MARGIN):
                break
        term.leadership.end()
        self._tell(term.leadership.lost.set)
        # Others need not wait for the lease's end. Writes still under way here are fenced.
        self._revoke(term.lease)
        self._term_over.wait()

    def _revoke(self, lease: int) -> None:
        request = rpc_pb2.LeaseRevokeRequest(ID=lease)

        def revoke(member: _Member) -> None:
            try:
                member.lease.LeaseRevoke(request, timeout=_CALL, metadata=REQUIRE_LEADER)
            except grpc.RpcError as error:
                # Gone already is as good.
                if error.code() is not grpc.StatusCode.NOT_FOUND:
                    raise

        try:
            self._ask(revoke)
        except _NoAnswer as error:
            self._owed = lease
            self._complain("leader's lease was not revoked", error)
        else:
            self._owed = 0

    def _complain(self, what: str, error: _NoAnswer) -> None:
        """Log a failure, once until etcd has answered again: it is asked several times a second."""
        if not self._silent:
            _log.warning("%s: %s", what, error)
        self._silent = True

    def _ask(self, call: Callable[[_Member], A]) -> A:
        """Return the answer of the first member that gives one.

        All calls here may be repeated: a claim that was committed unnoticed is refused the second time, and its lease
        revoked.
        """
        reasons = []
        for _ in self._members:
            try:
                answer = call(self._members[self._current])
            except grpc.RpcError as error:
                reasons.append(str(wire.translate(error, peer=self._endpoints.addresses[self._current])))
                self._current = (self._current + 1) % len(self._members)
            else:
                self._silent = False
                return answer
        raise _NoAnswer("; ".join(reasons))

    def _tell(self, callback: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # The loop was closed before the thread could end.
            self._loop.call_soon_threadsafe(callback)


def _keep_alive(member: _Member, lease: int) -> int:
    """Return the seconds for which the lease was renewed; 0 or less: it is gone."""
    # A stream for each renewal: a stream that goes on has no deadline by which an answer has to be there.
    requests: Iterator[rpc_pb2.LeaseKeepAliveRequest] = iter([rpc_pb2.LeaseKeepAliveRequest(ID=lease)])
    call = member.lease.LeaseKeepAlive(requests, timeout=_CALL, metadata=REQUIRE_LEADER)
    try:
        for answer in call:
            return answer.TTL
    finally:
        call.cancel()
    raise _NoAnswer("the stream of renewals ended without an answer")
