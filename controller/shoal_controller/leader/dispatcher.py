"""The service that agents speak to: sessions, reports, heartbeats.

It is registered on every controller. On one that doesn't lead, every call answers who does. What an agent says is put
into the leader's inbox; only the leader's loop writes, and only then is a report acknowledged.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final

import grpc.aio

from shoal_common.dispatch import LOST_LEADER
from shoal_common.errors import (
    Conflict,
    DeadlineExceeded,
    Internal,
    InvalidSpec,
    NotFound,
    NotLeader,
    PermissionDenied,
    ShoalError,
    Superseded,
    Unavailable,
)
from shoal_common.identity import Role
from shoal_common.ids import is_container_id
from shoal_common.rpc_server import caller
from shoal_common.sealing import Sealer
from shoal_controller.core import allocation, liveness
from shoal_controller.leader import intake
from shoal_controller.leader.assignments import Assignments
from shoal_controller.leader.inbox import Described, Inbox, Opening, StateSeen, StraysFound, VolumesGone
from shoal_controller.leader.sessions import AgentSession, Sessions
from shoal_controller.leader.volume_draft import removals
from shoal_controller.recovery.health import StoreHealth
from shoal_controller.recovery.roll import Present, Roll
from shoal_controller.state.cache import Change, ClusterCache
from shoal_proto.v1.cluster_pb2 import Cluster
from shoal_proto.v1.dispatcher_pb2 import (
    AgentToLeader,
    HeartbeatRequest,
    HeartbeatResponse,
    LeaderToAgent,
    SessionHello,
    SessionOpened,
    StatusReport,
)
from shoal_proto.v1.dispatcher_pb2_grpc import DispatcherServiceServicer
from shoal_proto.v1.node_pb2 import NodeState

_log: Final = logging.getLogger(__name__)

#: Seconds within which an agent has to say hello, and the leader's loop to open its session.
_HELLO: Final = 10.0
#: Seconds that an agent is kept waiting for who leads next: less than it waits for its session, more than a lease.
_LEADERLESS: Final = 8.0
#: Processes of a node that are remembered as superseded.
_REMEMBERED: Final = 16


class Term:
    """What the dispatcher has while this controller leads.

    Args:
        cache: synced.
        inbox: of the leader's loop.
        now: on the loop's clock; the terms of all nodes begin here.
        heartbeat_seconds: between heartbeats, at least.
    """

    def __init__(self, cache: ClusterCache, inbox: Inbox, *, now: float, heartbeat_seconds: float) -> None:
        self.inbox = inbox
        self.sessions = Sessions(cache)
        self._cache = cache
        self._least = heartbeat_seconds
        self._superseded: dict[str, deque[str]] = {}
        ready = [
            node
            for node, entry in cache.nodes.items()
            if entry.status is not None and entry.status.value.state == NodeState.NODE_STATE_READY
        ]
        self._terms = liveness.Terms(now, ready, interval_seconds=self.interval())

    def interval(self) -> float:
        """Return the seconds between two heartbeats of a node."""
        return liveness.interval(len(self._cache.nodes), least=self._least)

    def beat(self, node: str, now: float) -> None:
        """Note that a node was heard of; one that was thought down is ready again."""
        if not self._terms.watches(node):
            self.inbox.put_news(StateSeen(node, NodeState.NODE_STATE_READY, ""))
        self._terms.beat(node, now, interval_seconds=self.interval())

    def opened(self, node: str, now: float) -> None:
        """Note that a node has a session, which the store knows for ready since."""
        self._terms.opened(node, now, interval_seconds=self.interval(), nodes=len(self._cache.nodes))

    def look(self, now: float) -> None:
        """Look at the nodes' terms, every `liveness.TICK`."""
        for node in self._terms.look(now):
            self._terms.forget(node)
            entry = self._cache.nodes.get(node)
            if entry is None or entry.spec is None:
                continue  # It was removed from the cluster.
            reason = f"no heartbeat for {liveness.term(self.interval()):g} s"
            _log.warning("node %s is down: %s", node, reason)
            self.inbox.put_news(StateSeen(node, NodeState.NODE_STATE_DOWN, reason))

    def supersede(self, node: str, process_id: str) -> None:
        """Note that another process speaks for the node from now on."""
        self._superseded.setdefault(node, deque(maxlen=_REMEMBERED)).append(process_id)

    def is_superseded(self, node: str, process_id: str) -> bool:
        """Say whether a newer process spoke for the node since."""
        return process_id in self._superseded.get(node, ())


class Dispatcher(DispatcherServiceServicer):
    """Serves the agents.

    Args:
        cache: of the cluster.
        sealer: opens what is stored sealed and sent in clear.
        address: "HOST:PORT" of this controller's API.
        controllers: tells the same of every controller, for agents to find the next leader.
        heartbeat_ms: between heartbeats of a node, at least.
        health: of the store.
        reconcile: takes over what a node has that was away when the cluster was recovered.
    """

    def __init__(
        self,
        cache: ClusterCache,
        sealer: Sealer,
        *,
        address: str,
        controllers: Callable[[], Sequence[str]],
        health: StoreHealth,
        reconcile: Callable[[Present], Awaitable[None]],
        heartbeat_ms: int = 2000,
    ) -> None:
        self._health = health
        self._reconcile = reconcile
        self._roll: Roll | None = None
        self._cache = cache
        self._assignments = Assignments(cache, sealer)
        self._address = address
        self._controllers = controllers
        self._heartbeat_seconds = heartbeat_ms / 1000
        self._term: Term | None = None
        #: Set when another one leads than before, and replaced.
        self._turn = asyncio.Event()

    async def follow_leaders(self) -> None:
        """Let those who wait for the next leader know of it, for as long as this controller runs."""
        with self._cache.subscribe() as changes:
            known = self._cache.leader
            async for _ in changes:
                if self._cache.leader is not known:
                    known = self._cache.leader
                    self._next_turn()

    def _next_turn(self) -> None:
        turn, self._turn = self._turn, asyncio.Event()
        turn.set()

    # The leader's side

    def begin(self, inbox: Inbox) -> None:
        """Begin to serve; the cache has everything that leaders before wrote."""
        now = asyncio.get_running_loop().time()
        self._term = Term(self._cache, inbox, now=now, heartbeat_seconds=self._heartbeat_seconds)
        self._next_turn()

    def end(self) -> None:
        """Stop to serve: all streams end, and the agents look for the next leader."""
        term, self._term, self._roll = self._term, None, None
        if term is not None:
            problem = self._health.problem
            term.sessions.end_all(Unavailable(problem) if problem else self._not_leader())

    def hold(self, roll: Roll) -> None:
        """Note who is there, and send everybody away: the store has lost something. Ended with `end`."""
        self._roll = roll
        self._next_turn()

    def publish(self, change: Change) -> None:
        """Tell the agents concerned what changed in the cache."""
        if self._term is not None:
            self._term.sessions.publish(change)
            if change.membership:
                self._term.sessions.tell_controllers(self._controllers())

    async def watch_terms(self) -> None:
        """Look at the nodes' terms for as long as this controller leads."""
        loop = asyncio.get_running_loop()
        while self._term is not None:
            await asyncio.sleep(liveness.TICK)
            if self._term is not None:
                self._term.look(loop.time())

    # The agents' side

    async def Session(
        self, request_iterator: Any, context: grpc.aio.ServicerContext[AgentToLeader, LeaderToAgent]
    ) -> AsyncIterator[LeaderToAgent]:
        """Serve one agent process until it, its successor or the term ends."""
        node = _node()
        requests: AsyncIterator[AgentToLeader] = aiter(request_iterator)
        hello = await self._hello(requests)
        # Not before: an agent whose hello meets a stream that has ended is told by its gRPC of that, not of the leader.
        await self._led(_lost_leader(context), hello.revision)
        if self._roll is not None:
            intake.check_description(node, hello.description)
            self._health.check_epoch(node, hello.epoch)
            self._roll.hear(node, hello)
            raise Unavailable(self._health.problem or "the cluster has just been recovered")
        term = self._leading()
        self._check(node, hello, term)
        await self._health.check_position(node, hello.epoch, hello.revision)
        if 0 < hello.epoch < self._cluster().epoch:
            # It has followed what was before the recovery, and nobody has asked it yet what it has.
            await self._reconcile(Present(node, hello.description, hello.epoch, hello.revision))
        self._same_term(term)
        session = AgentSession(node, hello.process_id, self._assignments, self._cache)
        replaced = term.sessions.add(session)
        if replaced is not None:
            if replaced.process_id != hello.process_id:
                term.supersede(node, replaced.process_id)
            replaced.end(Superseded(f"a newer stream of node {node} took over"))
        reader: asyncio.Task[None] | None = None
        try:
            epoch = await self._open(term, session, hello)
            term.opened(node, asyncio.get_running_loop().time())
            self._believe()
            matches, whole = session.first(hello.set_digest)
            yield self._opened(session, epoch, matches=matches)
            if whole is not None:
                yield whole
            session.tell_removals(removals(self._cache).get(node, ()))
            reader = asyncio.create_task(_read(requests, session, term.inbox), name=f"session-{node}")
            while (messages := await session.next()) is not None:
                self._believe()
                for message in messages:
                    yield message
        finally:
            term.sessions.remove(session)
            if reader is not None:
                reader.cancel()
                await asyncio.wait({reader})

    async def Heartbeat(
        self, request: HeartbeatRequest, context: grpc.aio.ServicerContext[HeartbeatRequest, HeartbeatResponse]
    ) -> HeartbeatResponse:
        """Note that an agent lives. Nothing is stored unless its node was thought down."""
        node = _node()
        term = self._leading()
        session = term.sessions.of(node)
        if session is None or session.process_id != request.process_id:
            raise NotFound(f"node {node} has no session of this process (open one)")
        term.beat(node, asyncio.get_running_loop().time())
        return HeartbeatResponse(next_ms=int(term.interval() * 1000))

    async def _led(self, lost: str, followed: int) -> None:
        """Wait until some controller leads, in another term than `lost` did; not longer than an agent has the patience.

        When a leader is killed all agents come here at once. Told to try again each of them would, several times until
        the leader's lease has ended.

        Args:
            followed: the revision that the agent has followed: a term that began later is one that it does not know.
        """
        try:
            async with asyncio.timeout(_LEADERLESS):
                while self._term is None and self._roll is None and not self._known_to_lead(lost, followed):
                    await self._turn.wait()
        except TimeoutError:
            pass  # The answer is that of who asks now.

    def _known_to_lead(self, lost: str, followed: int) -> bool:
        leader = self._cache.leader
        if leader is None or leader.value.address == self._address:
            return False
        return leader.value.address != lost or leader.create_revision > followed

    def _believe(self) -> None:
        """Check that what comes from the store may be told.

        Raises:
            Unavailable: it may not.
        """
        if problem := self._health.problem:
            raise Unavailable(problem)

    def _same_term(self, term: Term) -> None:
        if term is not self._term:
            raise self._not_leader()

    def _leading(self) -> Term:
        if self._term is None:
            raise self._not_leader()
        return self._term

    def _not_leader(self) -> NotLeader:
        leader = self._cache.leader
        if leader is None:
            return NotLeader("this controller does not lead, and nobody does at the moment (try again)")
        address = leader.value.address
        return NotLeader(f"this controller does not lead, {address} does", metadata={"leader": address})

    async def _hello(self, requests: AsyncIterator[AgentToLeader]) -> SessionHello:
        # A time limit on a read cancels the whole call, which is what is wanted here.
        try:
            async with asyncio.timeout(_HELLO):
                first = await anext(requests, None)
        except TimeoutError as error:
            raise DeadlineExceeded(f"the agent said nothing for {_HELLO:g} s") from error
        if first is None or first.WhichOneof("message") != "hello" or not first.hello.process_id:
            raise InvalidSpec("a session begins with a hello that names the agent process")
        return first.hello

    def _check(self, node: str, hello: SessionHello, term: Term) -> None:
        cluster = self._cluster()
        if hello.cluster_id and hello.cluster_id != cluster.id:
            raise Conflict(
                f"node {node} belongs to cluster {hello.cluster_id}, not to {cluster.id} (shoal agent reset)"
            )
        if len(hello.process_id) > intake.MAX_PROCESS_ID or not hello.process_id.isprintable():
            raise InvalidSpec(f"node {node} names its agent process in a way that no agent does")
        intake.check_description(node, hello.description)
        if term.is_superseded(node, hello.process_id):
            raise Superseded(f"a newer agent process speaks for node {node}")

    def _cluster(self) -> Cluster:
        if self._cache.cluster is None:
            raise Unavailable("the cluster has no identity in etcd, nothing is dispatched")
        return self._cache.cluster.value

    async def _open(self, term: Term, session: AgentSession, hello: SessionHello) -> int:
        """Have the leader's loop store the session, and return its epoch."""
        epoch: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        term.inbox.put_news(Opening(session.node, hello.process_id, hello.description, epoch))
        try:
            async with asyncio.timeout(_HELLO):
                return await epoch
        except TimeoutError as error:
            raise Unavailable(f"the session of node {session.node} was not stored within {_HELLO:g} s") from error
        finally:
            epoch.cancel()

    def _opened(self, session: AgentSession, epoch: int, *, matches: bool) -> LeaderToAgent:
        subnet = self._cluster().subnet
        message = session.message()
        message.opened.CopyFrom(
            SessionOpened(
                session_epoch=epoch,
                set_matches=matches,
                subnet=subnet,
                gateway=allocation.gateway(subnet),
                heartbeat_ms=int(self._leading().interval() * 1000),
                controllers=session.tell_controllers(self._controllers()),
            )
        )
        return message


def _lost_leader(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    """Return the leader that an agent says it has lost; "" if it does not."""
    metadata = dict(context.invocation_metadata() or ())
    return str(metadata.get(LOST_LEADER, ""))


def _node() -> str:
    """Return the node that the caller may speak for: its own."""
    identity = caller()
    if identity.role is not Role.NODE:
        raise PermissionDenied(f"{identity} is not a node")
    return identity.id


async def _read(requests: AsyncIterator[AgentToLeader], session: AgentSession, inbox: Inbox) -> None:
    """Put everything that an agent says into the inbox, until it ends its side."""
    try:
        async for request in requests:
            _take(request, session, inbox)
    except ShoalError as error:
        session.end(error)
    except (grpc.aio.BaseError, asyncio.InvalidStateError) as error:
        # What gRPC has for a peer that went away.
        _log.info("stream of node %s ended: %r", session.node, error)
        session.end(Unavailable(f"the stream of node {session.node} broke"))
    except Exception:
        _log.exception("what node %s said could not be taken", session.node)
        session.end(Internal(f"what node {session.node} said met a fault of Shoal's own (the log has the details)"))
    else:
        session.end()


def _take_report(report: StatusReport, session: AgentSession, inbox: Inbox) -> None:
    """Put a report into the inbox if it is of a hold: so no more can wait there than a node holds.

    Whatever a node was told of, the cache has. The rest is decided by `statuses` without looking further.
    """
    hold, generation = session.hold(report.id), report.status.generation
    if hold is not None and hold.generation == generation:
        report.status.CopyFrom(intake.bounded(report.status))
        inbox.put_report(session, report)
    elif hold is None or not report.removed or generation < hold.generation:
        session.accept(report.id, generation, report.status.report)


def _take(request: AgentToLeader, session: AgentSession, inbox: Inbox) -> None:
    match request.WhichOneof("message"):
        case "reports":
            for report in request.reports.reports:
                if not is_container_id(report.id):
                    raise InvalidSpec(f"node {session.node} reports on {report.id[:80]!a}, which is no container id")
                _take_report(report, session, inbox)
        case "description":
            intake.check_description(session.node, request.description)
            inbox.put_news(Described(session.node, request.description))
        case "strays":
            inbox.put_news(StraysFound(session.node, intake.strays(request.strays.ids)))
        case "removed_volumes":
            gone = intake.removed_volumes(request.removed_volumes.ids, session.removals)
            if gone:
                inbox.put_news(VolumesGone(session.node, gone))
        case "hello":
            raise InvalidSpec(f"node {session.node} said hello twice in one session")
        case None:
            # A newer agent's message, while the cluster is being upgraded.
            pass
