"""Calls that find a controller that answers: failover over endpoints, deadlines, retries, resumed streams.

A call is made only on a connection that is up, so that what failed before could not have been carried out; what fails
after may have been, and is repeated only if a repetition is harmless (same bytes, same request id).
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Final, TypeVar, cast

import grpc
import grpc.aio

from shoal.configuration import Context
from shoal.streams import received
from shoal_common import rpc_client
from shoal_common.errors import NODE_DOWN, Exhausted, InvalidSpec, ShoalError, Unavailable
from shoal_common.identity import CONTROLLER_NAME
from shoal_common.tracing import current_trace, new_trace_id, trace_metadata
from shoal_proto.v1.cluster_pb2 import GetVersionRequest
from shoal_proto.v1.cluster_pb2_grpc import ClusterServiceStub

if TYPE_CHECKING:
    from grpc.aio import Channel, UnaryStreamMultiCallable, UnaryUnaryMultiCallable

    from shoal.request_path import RequestPath

log = logging.getLogger("shoal")

Q = TypeVar("Q")
R = TypeVar("R")

#: Seconds that one attempt of a unary call may take.
DEADLINE: Final = 15.0
#: The same, where nodes count what is on their disks.
COUNTING: Final = 60.0
#: Seconds for a connection to come up, or to fail with a reason; and for one attempt, which is all that one of several
#: controllers gets.
CONNECT: Final = 3.0
ATTEMPT: Final = 1.0
#: Seconds after which a cluster that was never reached is given up: somebody waits for the message.
FIRST_CONTACT: Final = 3.0
#: Seconds that a call outlasts an outage of controllers that were reached before (a restart, an election), or of what
#: they need (etcd, the registry, a node).
OUTAGE: Final = 30.0
#: Seconds that a stream which has delivered outlasts one.
STREAM_OUTAGE: Final = 300.0
#: Seconds for which what is used up (room in etcd, streams) is asked for again: others may give it back.
USED_UP: Final = 5.0
#: Seconds of waiting after which the caller is told for what.
TELL: Final = 2.0
#: Seconds between rounds over the endpoints: the first pause, and the longest.
PAUSES: Final = (0.1, 2.0)

_CAUSES: Final = (
    ("CERTIFICATE_VERIFY_FAILED", "its certificate is not of this context's CA"),
    ("Hostname Verification Check failed", "its certificate is not a controller's"),
    ("DNS resolution failed", "the name can't be resolved"),
    ("Connection refused", "connection refused"),
    ("No route to host", "no route to host"),
    ("Network is unreachable", "the network is unreachable"),
    ("Permission denied", "permission denied"),
    ("No such file or directory", "there is no such socket"),
    ("Connection reset", "it closed the connection"),
    ("ocket closed", "it closed the connection"),
    ("handshake", "the TLS handshake failed, as with a controller of another cluster"),
    ("imed out", "the connection timed out"),
    ("keepalive", "the connection is dead"),
    ("ping timeout", "the connection is dead"),
)


class Endpoint:
    """One controller, dialled when first needed.

    Args:
        address: "HOST:PORT", or "unix:PATH".
        alone: it is the only one of the context.
    """

    def __init__(self, context: Context, address: str, *, alone: bool) -> None:
        self._context = context
        self._alone = alone
        self.address = address
        self.peer = f"controller {address}"
        self._channel: Channel | None = None

    @property
    def channel(self) -> Channel:
        """Return the channel to it.

        Raises:
            Unauthenticated: one of the context's certificates can't be read; the message names the file.
        """
        if self._channel is None:
            socket = self._context.socket
            if socket is not None:
                self._channel = rpc_client.local_channel(socket)
            else:
                options = () if self._alone else rpc_client.QUICK_KEEPALIVE
                self._channel = rpc_client.secure_channel(
                    self.address, self._tls(), CONTROLLER_NAME, connect=ATTEMPT, options=options, check=False
                )
        return self._channel

    def check(self) -> None:
        """Look whether the context's own certificates are why there is no connection.

        Raises:
            Unauthenticated: they are; the message names the file.
        """
        if self._context.socket is None:
            rpc_client.checked(self._tls())

    def _tls(self) -> rpc_client.TlsFiles:
        context = self._context
        if context.ca is None or context.certificate is None or context.key is None:
            raise InvalidSpec(f'context "{context.name}" has endpoints but no certificates')
        return rpc_client.TlsFiles(ca=context.ca, certificate=context.certificate, key=context.key)

    async def connect(self) -> None:
        """Wait until the connection is up.

        Raises:
            grpc.RpcError: it is not, and why; nothing was sent that matters.
            Unauthenticated: the context's certificates can't be used.
        """
        channel = self.channel
        try:
            async with asyncio.timeout(CONNECT if self._alone else ATTEMPT):
                while (state := channel.get_state(try_to_connect=True)) is not grpc.ChannelConnectivity.READY:
                    if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                        break
                    await channel.wait_for_state_change(state)
                else:
                    return
        except TimeoutError:
            self.check()
            # It goes on by itself, and may be up when its turn comes again.
            nothing = grpc.aio.Metadata()
            unavailable = grpc.StatusCode.UNAVAILABLE
            raise grpc.aio.AioRpcError(unavailable, nothing, nothing, "connection timed out") from None
        self.check()
        # Only a call tells why a connection fails. This one is harmless should the connection come up meanwhile.
        await ClusterServiceStub(channel).GetVersion(GetVersionRequest(), timeout=CONNECT)

    async def close(self) -> None:
        """Close the channel, breaking off what goes on."""
        if self._channel is not None:
            await self._channel.close()
            self._channel = None


class Transport:
    """The connections to the controllers of one context."""

    def __init__(self, context: Context, path: RequestPath | None = None) -> None:
        addresses = context.endpoints if context.socket is None else (f"unix:{context.socket}",)
        self.context = context
        self._endpoints = [Endpoint(context, address, alone=len(addresses) == 1) for address in addresses]
        self._preferred = 0
        self._path = path
        #: Whether any controller was ever connected to.
        self.reached = False

    async def close(self) -> None:
        """Close all connections."""
        for endpoint in self._endpoints:
            await endpoint.close()

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return what is sent with a call: of which trace it is, a new one if the caller is in none."""
        trace = trace_metadata(current_trace() or new_trace_id())
        return trace if self._path is None else (*trace, *self._path.asking)

    def patience(self, *, wait_for_node: bool = False) -> Patience:
        """Return the patience of a call that begins now.

        Args:
            wait_for_node: also while a node counts as down, though nothing has come from it yet.
        """
        return Patience(self, wait_for_node=wait_for_node)

    @property
    def path(self) -> RequestPath | None:
        """What is told of each request's way, if somebody wants to know."""
        return self._path

    async def connected(self) -> Endpoint:
        """Return an endpoint whose connection is up, for a call that must not be repeated.

        Raises:
            Unavailable: none could be connected to in time.
        """
        patience = self.patience()
        while True:
            try:
                return await patience.attempt()
            except grpc.RpcError as error:
                await patience.bear(error)

    async def unary(
        self,
        method: Callable[[Channel], UnaryUnaryMultiCallable[Q, R]],
        request: Q,
        *,
        deadline: float = DEADLINE,
    ) -> R:
        """Make an idempotent call: the same bytes again, at any controller, until one answers.

        Args:
            method: picks the call from a channel's stub.
            request: what is sent, each time the same.
            deadline: seconds for one attempt.

        Raises:
            ShoalError: what the controller answered.
            Unavailable: no controller answered.
        """
        patience = self.patience()
        metadata = self.metadata()
        while True:
            try:
                endpoint = await patience.attempt()
                return await self._answer(endpoint, method, request, deadline, metadata)
            except grpc.RpcError as error:
                await patience.bear(error)

    async def _answer(
        self,
        endpoint: Endpoint,
        method: Callable[[Channel], UnaryUnaryMultiCallable[Q, R]],
        request: Q,
        deadline: float,
        metadata: tuple[tuple[str, str], ...],
    ) -> R:
        call = method(endpoint.channel)
        if self._path is None:
            return await call(request, timeout=deadline, metadata=metadata)
        began = time.perf_counter()
        try:
            return await self._path.answered(
                call(request, timeout=deadline, metadata=metadata), request, endpoint.address, began
            )
        except grpc.RpcError as error:
            self._path.failed(request, endpoint.address, began, self.explain(error, endpoint).message)
            raise

    async def once(self, method: Callable[[Channel], UnaryUnaryMultiCallable[Q, R]], request: Q) -> R:
        """Make a call that must not be repeated: one attempt, at a controller whose connection is up.

        Raises:
            ShoalError: what the controller answered, or why it did not.
        """
        endpoint = await self.connected()
        try:
            return await self._answer(endpoint, method, request, DEADLINE, self.metadata())
        except grpc.RpcError as error:
            raise self.explain(error, endpoint) from error

    async def stream(
        self,
        method: Callable[[Channel], UnaryStreamMultiCallable[Q, R]],
        request: Callable[[], Q],
    ) -> AsyncGenerator[R, None]:
        """Yield the responses of a stream that is opened again, at any controller, whenever it breaks.

        Args:
            method: picks the call from a channel's stub.
            request: asked for the request whenever the stream is opened: it says where to go on.

        Raises:
            ShoalError: what the controller answered.
            Unavailable: it could not be opened (again) in time.
        """
        patience = self.patience()
        metadata = self.metadata()
        while True:
            try:
                endpoint = await patience.attempt()
            except grpc.RpcError as error:
                await patience.bear(error)
                continue
            asked, began, first = request(), time.perf_counter(), True
            try:
                async with aclosing(received(method(endpoint.channel)(asked, metadata=metadata))) as responses:
                    async for response in responses:
                        patience.relieve()
                        if self._path is not None:
                            self._path.streamed(response, asked, endpoint.address, began, first=first)
                            first = False
                        yield response
                return
            except grpc.RpcError as error:
                if self._path is not None:
                    self._path.failed(asked, endpoint.address, began, self.explain(error, endpoint).message)
                await patience.bear(error)

    @property
    def preferred(self) -> Endpoint:
        """The endpoint to try first: the last one that answered."""
        return self._endpoints[self._preferred]

    def fail_over(self, failed: Endpoint) -> None:
        """Turn to the next endpoint, unless another call that failed at this one did so already."""
        if self.preferred is failed:
            self._preferred = (self._preferred + 1) % len(self._endpoints)

    @property
    def _advice(self) -> str:
        return "" if len(self._endpoints) > 1 else " (is the cluster up? which one is meant: shoal context ls)"

    def nobody(self, error: grpc.RpcError) -> Unavailable:
        """Return the error for what was tried at all endpoints, with the cause of the last failure."""
        addresses = ", ".join(each.address for each in self._endpoints)
        return Unavailable(
            f"controllers {addresses} do not answer: {_cause(error.details() or '')} "
            "(is the cluster up? which one is meant: shoal context ls)"
        )

    @property
    def endpoints(self) -> int:
        """How many there are."""
        return len(self._endpoints)

    def explain(self, error: grpc.RpcError, endpoint: Endpoint) -> ShoalError:
        """Return our error for what a call at an endpoint raised."""
        # Not with the module: most programs never need it.
        from shoal_common import rpc_errors

        if said(error):
            return rpc_errors.from_rpc_error(error, peer=endpoint.peer)
        if error.code() is grpc.StatusCode.CANCELLED:
            return Unavailable(f"{endpoint.peer} broke the call off (it is stopping)")
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            return Unavailable(f"{endpoint.peer} does not answer: {_cause(error.details() or '')}{self._advice}")
        return rpc_errors.from_rpc_error(error, peer=endpoint.peer)


class Patience:
    """How long one call, or one stream, puts up with failures: capped and jittered pauses, then an error."""

    def __init__(self, transport: Transport, *, wait_for_node: bool) -> None:
        self._transport = transport
        self._wait_for_node = wait_for_node
        self._since: float | None = None
        self._pause = PAUSES[0]
        self._delivered = False
        self._told = False
        self._tried = transport.preferred
        self._failures = 0

    async def attempt(self) -> Endpoint:
        """Return the endpoint to try now, its connection up.

        Raises:
            grpc.RpcError: it can't be connected to, and why; nothing was sent that matters.
        """
        self._tried = self._transport.preferred
        path, began = self._transport.path, time.perf_counter()
        try:
            await self._tried.connect()
        except grpc.RpcError as error:
            if path is not None:
                path.connected(self._tried.address, began, self._transport.explain(error, self._tried).message)
            raise
        if path is not None:
            path.connected(self._tried.address, began)
        self._transport.reached = True
        return self._tried

    def relieve(self) -> None:
        """Note that things go well."""
        self._since, self._pause, self._delivered, self._told = None, PAUSES[0], True, False
        self._failures = 0

    async def bear(self, error: grpc.RpcError) -> None:
        """Pause before the next attempt.

        Raises:
            ShoalError: there should be none.
        """
        problem = self._transport.explain(error, self._tried)
        hopeless = NODE_DOWN in problem.metadata and not (self._wait_for_node or self._delivered)
        if not problem.retryable or hopeless:
            raise problem from error
        now = asyncio.get_running_loop().time()
        if self._since is None:
            self._since = now
        waited, limit = now - self._since, self._limit(error, problem)
        if waited >= limit:
            silent = error.code() is grpc.StatusCode.UNAVAILABLE and not said(error)
            if silent and self._transport.endpoints > 1:
                problem = self._transport.nobody(error)
            raise problem from error
        if not self._told and limit > FIRST_CONTACT and (self._delivered or waited >= TELL):
            self._told = True
            log.warning("%s; trying again", problem)
        self._transport.fail_over(self._tried)
        self._failures += 1
        if self._failures % self._transport.endpoints == 0:
            await asyncio.sleep(self._pause * random.uniform(0.5, 1.0))
            self._pause = min(self._pause * 2, PAUSES[1])

    async def unfinished(self, what: str) -> None:
        """Pause before a stream that was ended before its time, without an error, is opened again.

        Raises:
            Unavailable: that has gone on for too long.
        """
        now = asyncio.get_running_loop().time()
        self._since = self._since or now
        if now - self._since >= OUTAGE:
            raise Unavailable(f"{what} keeps being cut off by the controller")
        await asyncio.sleep(self._pause * random.uniform(0.5, 1.0))
        self._pause = min(self._pause * 2, PAUSES[1])

    def _limit(self, error: grpc.RpcError, problem: ShoalError) -> float:
        if self._delivered:
            return STREAM_OUTAGE
        if isinstance(problem, Exhausted):
            return USED_UP
        if said(error):
            return OUTAGE
        return OUTAGE if self._transport.reached else FIRST_CONTACT


def said(error: grpc.RpcError) -> bool:
    """Say whether a server of ours answered `error`, rather than gRPC for want of an answer."""
    trailing = cast("Iterable[tuple[str, str | bytes]]", error.trailing_metadata() or ())
    return any(key == "grpc-status-details-bin" for key, _ in trailing)


def _cause(details: str) -> str:
    for mark, cause in _CAUSES:
        if mark in details:
            return cause
    return details.rpartition("last error: ")[2].splitlines()[0][:160] if details else "no reason given"
