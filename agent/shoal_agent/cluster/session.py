"""The session with the leader: finds it, tells it what this node has and sees, takes what it assigns."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

import grpc
import grpc.aio

from shoal_agent.cluster.channels import Channels, patience
from shoal_agent.cluster.heartbeat import AT_ONCE, Heartbeat
from shoal_agent.cluster.watermark import Watermark
from shoal_agent.containers import volume_removals
from shoal_agent.containers.node import Node
from shoal_common import rpc_errors
from shoal_common.dispatch import LOST_LEADER
from shoal_common.errors import Conflict, NotLeader, Revoked, ShoalError, Superseded, Unavailable, first_cause
from shoal_common.rpc_client import TlsFiles
from shoal_proto.v1.dispatcher_pb2 import (
    AgentToLeader,
    LeaderToAgent,
    SessionHello,
    SessionOpened,
    StatusReports,
    Strays,
    VolumeRemovals,
)
from shoal_proto.v1.dispatcher_pb2_grpc import DispatcherServiceStub
from shoal_proto.v1.node_pb2 import NodeCleaning, NodeDescription, NodeProblem

log = logging.getLogger(__name__)

#: Reports in one message.
_BATCH: Final = 256
#: Seconds after which what the leader has not accepted is sent again.
_RESEND: Final = 5.0
#: Seconds that a controller may take to open the session, beside the connection: it may wait for who leads next.
_OPENING: Final = 10.0
#: Seconds between tries: drawn between nothing and this, doubled with each failure up to the second.
_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 2.0
#: Seconds between tries of a node that was removed from its cluster.
_REVOKED_PAUSE: Final = 300.0

Call = grpc.aio.StreamStreamCall[AgentToLeader, LeaderToAgent]


async def send(call: Call, message: AgentToLeader) -> None:
    """Send a message of a session.

    Raises:
        grpc.RpcError: the call is over, and why.
        Superseded: the controller ended it in good order.
    """
    try:
        await call.write(message)
    except asyncio.InvalidStateError:
        # It was over before: gRPC tells why only to whoever asks for its status.
        raise await _end(call) from None


async def _end(call: Call) -> Exception:
    """Return why a call is over."""
    code, details = await call.code(), await call.details()
    if code is grpc.StatusCode.OK:
        return Superseded("the controller ended the session")
    return grpc.aio.AioRpcError(code, await call.initial_metadata(), await call.trailing_metadata(), details=details)


class Network(Protocol):
    """Configures the node's part of the flat network; idempotent."""

    async def configure(self, subnet: str, gateway: str) -> None:
        """Make it so. Raises ShoalError."""
        ...


class Beats(Protocol):
    """Sends this node's heartbeats: a thread in the agent, a task where thousands of agents are simulated."""

    def beat(self, address: str, interval: float) -> None:
        """Beat to a controller from now on, every `interval` seconds until it says otherwise."""
        ...

    def pause(self) -> None:
        """Stop beating: there is no session."""
        ...


class Session:
    """Keeps one session open, whatever happens to controllers.

    Args:
        controllers: "HOST:PORT" of those that were known when the node joined.
        process_id: random, this process's.
        description: of the host, without what is wrong with it.
        problems: returns what is wrong with it now.
        cleanings: returns what was cleared from its disk.
        volumes: removes those that the leader wants gone; None where there are none.
    """

    def __init__(
        self,
        *,
        node: Node,
        network: Network,
        watermark: Watermark,
        cluster_id: str,
        controllers: tuple[str, ...],
        tls: TlsFiles,
        process_id: str,
        description: NodeDescription,
        problems: Callable[[], Sequence[NodeProblem]] = tuple,
        cleanings: Callable[[], Sequence[NodeCleaning]] = tuple,
        volumes: volume_removals.VolumeRemovals | None = None,
    ) -> None:
        self._node = node
        self._network = network
        self._watermark = watermark
        self._cluster_id = cluster_id
        self._joined_with = controllers
        self._tls = tls
        self._process_id = process_id
        self._description = description
        self._problems = problems
        self._cleanings = cleanings
        self._volumes = volumes
        self._told = description
        self._reopen = asyncio.Event()
        self._silent = False
        self._open = False
        #: The controller that led and does not answer any more, until another session is open; "" if there is none.
        self._lost = ""
        self._interval = 0.0

    def describe(self) -> None:
        """What is wrong with the host, or was cleared from it, has changed: tell the leader."""
        self._node.news.set()

    async def run(self) -> None:
        """Keep the session open for ever."""
        loop = asyncio.get_running_loop()

        def reopen(silent: bool) -> None:
            with contextlib.suppress(RuntimeError):  # The loop may have ended before the thread.
                loop.call_soon_threadsafe(partial(self.reopen, silent=silent))

        heartbeat = Heartbeat(self._tls, self._process_id, reopen)
        heartbeat.start()
        try:
            await self.keep_open(heartbeat)
        finally:
            heartbeat.stop()

    def reopen(self, *, silent: bool = False) -> None:
        """Open the session anew: the controller it is with can't be trusted to know of it. For whoever beats.

        Args:
            silent: it answers no heartbeat.
        """
        self._silent = silent
        self._reopen.set()

    async def keep_open(self, heartbeat: Beats) -> None:
        """Do what `run` does, with somebody else's heartbeats."""
        leader, failures, revoked = "", 0, False
        others = itertools.cycle(self._controllers())
        async with Channels(self._tls) as channels:
            while True:
                address = leader or next(others)
                if address == self._lost and not leader and failures == 1:
                    address = next(others)
                leader = ""
                self._open = False
                try:
                    await self._serve(channels, address, heartbeat, patience(failures))
                    # The heartbeats' connection tells more of a controller than this one, which may have been cut.
                    await channels.drop(address)
                    leader, failures, revoked = address, 0, False
                    continue
                except NotLeader as error:
                    leader = error.metadata.get("leader", "")
                    log.info("controller %s does not lead%s", address, f", {leader} does" if leader else "")
                except Revoked as error:
                    if not revoked:
                        log.error("%s; containers are left as they are", error)
                    revoked = True
                except ShoalError as error:
                    # gRPC may tell of the end of a stream instead of why it was ended.
                    level = logging.DEBUG if revoked else logging.WARNING
                    log.log(level, "session with controller %s: %s", address, error)
                    await channels.drop(address)
                    if isinstance(error, Unavailable):
                        self._lost = address
                finally:
                    heartbeat.pause()
                if revoked and not leader:
                    # Only the store's being set back would change that: hardly worth asking for.
                    await asyncio.sleep(random.uniform(0.5, 1) * _REVOKED_PAUSE)
                    continue
                if self._open:
                    failures = 0
                    others = itertools.cycle(self._controllers())
                failures += 1
                await asyncio.sleep(random.uniform(0, self._longest_pause(failures, told=bool(leader))))

    def _longest_pause(self, failures: int, *, told: bool) -> float:
        """Return the most seconds to wait before the next try.

        Args:
            told: the next try is with a controller that is said to lead.
        """
        spread: float = self._interval if self._interval > AT_ONCE else 0.0
        if told and failures <= 2:
            return spread
        pause: float = min(_LONGEST_PAUSE, _PAUSE * 2 ** min(failures, 8))
        return max(spread, pause)

    def _controllers(self) -> list[str]:
        known = [*self._watermark.position.controllers, *self._joined_with]
        unique = list(dict.fromkeys(known))
        random.shuffle(unique)
        return unique

    async def _serve(self, channels: Channels, address: str, heartbeat: Beats, connect: float) -> None:
        """Open a session and serve it until it has to be opened anew.

        Args:
            connect: seconds that the connection may take.

        Raises:
            ShoalError: why it ended.
        """
        self._reopen.clear()
        metadata = ((LOST_LEADER, self._lost),) if self._lost else ()
        call: Call = DispatcherServiceStub(channels.to(address, connect)).Session(metadata=metadata)
        try:
            opened = await self._open_session(call, address, _OPENING + connect)
            await channels.drop_others(address)
            await self._take_opened(opened, address, heartbeat)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read(call), name="session-read")
                group.create_task(self._write(call), name="session-write")
                await self._reopen.wait()
                if self._silent:
                    raise Unavailable(f"controller {address} answers no heartbeat")
                raise _Reopened
        except grpc.RpcError as error:
            raise rpc_errors.from_rpc_error(error, peer=f"controller {address}") from error
        except BaseExceptionGroup as group_error:
            self._raise_first(group_error, address)
        finally:
            call.cancel()

    def _raise_first(self, group: BaseExceptionGroup[BaseException], address: str) -> None:
        first = first_cause(group)
        if isinstance(first, _Reopened):
            log.info("opening the session with controller %s anew", address)
            return
        if isinstance(first, grpc.RpcError):
            raise rpc_errors.from_rpc_error(first, peer=f"controller {address}") from group
        if isinstance(first, ShoalError):
            raise first
        raise group

    async def _open_session(self, call: Call, address: str, seconds: float) -> LeaderToAgent:
        self._told = self._described()
        hello = SessionHello(
            process_id=self._process_id,
            description=self._told,
            set_digest=self._node.digest(),
            cluster_id=self._cluster_id,
            epoch=self._watermark.position.epoch,
            revision=self._watermark.position.revision,
        )
        try:
            # The one read with a time limit: when it runs out the call is given up anyway.
            async with asyncio.timeout(seconds):
                await send(call, AgentToLeader(hello=hello))
                message = await call.read()
        except TimeoutError:
            raise Unavailable(f"controller {address} did not open a session in {seconds:g} s") from None
        message = await self._checked(call, message)
        if message.WhichOneof("message") != "opened":
            raise Conflict(f"controller {address} did not say that the session is open")
        return message

    def _described(self) -> NodeDescription:
        description = NodeDescription(problems=self._problems(), cleanings=self._cleanings())
        description.MergeFrom(self._description)
        return description

    async def _checked(self, call: Call, message: object) -> LeaderToAgent:
        """Return a message that is there and of our cluster, or raise why the stream ended."""
        if not isinstance(message, LeaderToAgent):
            raise await _end(call)
        if message.cluster_id != self._cluster_id:
            raise Conflict(
                f"refused what a controller of cluster {message.cluster_id or '(unnamed)'} sent: this node belongs to "
                f"{self._cluster_id}"
            )
        return message

    async def _take_opened(self, message: LeaderToAgent, address: str, heartbeat: Beats) -> None:
        opened: SessionOpened = message.opened
        self._open, self._lost = True, ""
        self._interval = (opened.heartbeat_ms or 1000) / 1000
        heartbeat.beat(address, self._interval)
        log.info("session %d with controller %s is open", opened.session_epoch, address)
        if opened.subnet:
            await self._network.configure(opened.subnet, opened.gateway)
        self._watermark.learn(subnet=opened.subnet, gateway=opened.gateway, controllers=tuple(opened.controllers))
        if message.epoch > self._watermark.position.epoch:
            # A recovered cluster has forgotten what it had accepted.
            self._node.report_again()
        if opened.set_matches:
            self._node.confirm()
            if not self._watermark.behind(message.epoch, message.revision):
                self._watermark.advance(message.epoch, message.revision)
        await self._watermark.save()

    async def _read(self, call: Call) -> None:
        while True:
            message = await self._checked(call, await call.read())
            match message.WhichOneof("message"):
                case "set":
                    self._follow(message, lambda m: self._node.apply_set(m.set.assignments))
                case "change":
                    self._follow(message, lambda m: self._node.apply_change(m.change.put, m.change.removed))
                case "accepted":
                    self._node.accepted(message.accepted.reports)
                    continue
                case "volume_removals":
                    self._remove_volumes(message)
                    continue
                case "controllers":
                    self._watermark.learn_controllers(message.controllers.addresses)
                case _:
                    continue
            await self._watermark.save()

    def _remove_volumes(self, message: LeaderToAgent) -> None:
        if self._watermark.behind(message.epoch, message.revision):
            raise Conflict(f"refused to remove volumes at revision {message.revision}, which this node has gone past")
        if self._volumes is not None:
            self._volumes.want(message.volume_removals.ids)

    def _follow(self, message: LeaderToAgent, apply: Callable[[LeaderToAgent], None]) -> None:
        position = self._watermark.position
        if self._watermark.behind(message.epoch, message.revision):
            raise Conflict(
                f"refused a set of epoch {message.epoch}, revision {message.revision}: this node has followed epoch "
                f"{position.epoch}, revision {position.revision} (was etcd restored? run: shoal cluster recover)"
            )
        apply(message)
        self._watermark.advance(message.epoch, message.revision)

    async def _write(self, call: Call) -> None:
        strays: list[str] | None = None
        gone: list[str] = []
        everything = True
        while True:
            reports = self._node.reports(everything=everything)
            for start in range(0, len(reports), _BATCH):
                await send(call, AgentToLeader(reports=StatusReports(reports=reports[start : start + _BATCH])))
            if self._node.confirmed and (now_strays := self._node.strays()) != strays:
                strays = now_strays
                if strays:
                    log.warning("%d strays: no hold names them, they are left alone", len(strays))
                await send(call, AgentToLeader(strays=Strays(ids=strays)))
            if self._volumes is not None and (now_gone := self._volumes.gone()) != gone:
                gone = now_gone
                if gone:
                    await send(call, AgentToLeader(removed_volumes=VolumeRemovals(ids=gone)))
            if (described := self._described()) != self._told:
                self._told = described
                await send(call, AgentToLeader(description=described))
            everything = False
            try:
                async with asyncio.timeout(_RESEND):
                    await self._node.news.wait()
            except TimeoutError:
                everything = True


class _Reopened(Exception):
    """Ends the session's tasks so that it is opened anew."""
