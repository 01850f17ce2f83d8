"""Connections to agents: which node, at which address, under which name, and what to say when it does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

import grpc
import grpc.aio

from shoal_common import rpc_errors
from shoal_common.call_ends import broke_off
from shoal_common.errors import NODE_DOWN, Exhausted, ShoalError, Unavailable
from shoal_common.identity import node_server_name
from shoal_common.rpc_client import TlsFiles, secure_channel
from shoal_controller.api.containers.phases import is_lost as is_lost_container
from shoal_controller.api.containers.stopping import lost
from shoal_controller.api.views import age, is_down, node_name
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.store import ContainerEntry, NodeEntry
from shoal_proto.v1.agent_pb2_grpc import AgentServiceStub

if TYPE_CHECKING:
    from shoal_proto.v1.agent_pb2_grpc import AgentServiceAsyncStub

#: Streams that one controller relays at a time: a reader that stalls holds about 5 MB.
MAX_STREAMS: Final = 512
#: Seconds that a node may take for a short call, and for the first answer on a stream.
CALL_TIMEOUT: Final = 10.0
#: What ends a call when the agent's process or its connection goes away.
_LOST: Final = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED})


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent, ready to be called.

    Attributes:
        name: the node's.
        stub: calls on it raise gRPC's errors; `translated` makes them ours.
    """

    name: str
    address: str
    stub: AgentServiceAsyncStub

    def translated(self, error: grpc.RpcError, action: str) -> ShoalError:
        """Return our error for what a call on this agent raised.

        Args:
            action: what was wanted, such as "its logs can't be read".
        """
        if is_lost(error):
            return Unavailable(
                f"node {self.name} at {self.address} does not answer, {action} now (is its agent running? "
                f"shoal node ls shows it)"
            )
        return rpc_errors.from_rpc_error(error, peer=f"node {self.name} at {self.address}")


def is_lost(error: grpc.RpcError) -> bool:
    """Say whether a call ended because the agent went away, not because it answered so."""
    # What an agent answers of its own, which may be Unavailable as well, has our detail with it.
    return broke_off(error) or (error.code() in _LOST and not _is_answer(error))


def _is_answer(error: grpc.RpcError) -> bool:
    trailing = cast("Iterable[tuple[str, str | bytes]]", error.trailing_metadata() or ())
    return any(key == "grpc-status-details-bin" for key, _ in trailing)


class Agents:
    """Channels to agents, one per node, made when first needed.

    Args:
        tls: the controller's own certificate.
    """

    def __init__(self, tls: TlsFiles) -> None:
        self._tls = tls
        self._channels: dict[str, tuple[str, grpc.aio.Channel]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._streams = 0

    async def close(self) -> None:
        """Close all channels; calls on them end."""
        channels = [channel for _, channel in self._channels.values()]
        self._channels.clear()
        await asyncio.gather(*(channel.close() for channel in channels), *self._closing)

    def agent(self, entry: NodeEntry, action: str) -> Agent:
        """Return the agent of a node.

        Args:
            action: what is wanted, for the message, such as "its logs can't be read".

        Raises:
            Unavailable: the node is down, or has not told its address yet.
            Unauthenticated: this controller's certificate is not usable.
        """
        if entry.spec is not None and entry.spec.value.removal:
            raise Unavailable(f"node {node_name(entry)} is being removed from the cluster, {action} now")
        if is_down(entry):
            raise Unavailable(
                f"node {node_name(entry)} has been down for {age(entry)} s, {action} now "
                "(bring its host and agent back; shoal node ls shows when it is)",
                metadata={NODE_DOWN: node_name(entry)},
            )
        address = "" if entry.status is None else entry.status.value.description.address
        if not address:
            raise Unavailable(f"node {node_name(entry)} has not reported since it joined, {action} now")
        return self.at(entry.id, node_name(entry), address)

    def at(self, node: str, name: str, address: str) -> Agent:
        """Return the agent of a node that says itself where it is, whatever the store knows of it.

        Raises:
            Unauthenticated: this controller's certificate is not usable.
        """
        known = self._channels.get(node)
        if known is not None and known[0] != address:
            self._retire(node)
            known = None
        if known is None:
            known = (address, secure_channel(address, self._tls, node_server_name(node)))
            self._channels[node] = known
        return Agent(name, address, AgentServiceStub(known[1]))

    def drop(self, node: str) -> None:
        """Break off all calls on a node that is no part of the cluster any more, and call it no more."""
        if node in self._channels:
            self._retire(node)

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Count one relayed stream.

        Raises:
            Exhausted: there are too many.
        """
        if self._streams >= MAX_STREAMS:
            raise Exhausted(f"controller relays {MAX_STREAMS} streams already (end some, or ask another controller)")
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1

    def _retire(self, node: str) -> None:
        _, channel = self._channels.pop(node)
        task = asyncio.create_task(channel.close(), name=f"close-agent-{node}")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def node_of(cache: ClusterCache, entry: ContainerEntry, action: str) -> NodeEntry:
    """Return the node where a container is placed.

    Raises:
        Unavailable: the node is not in the cluster any more, or the container has no node yet.
        Conflict: the container is lost.
    """
    if is_lost_container(entry):
        raise lost(entry, "can't be reached")
    node = None if entry.placement is None else cache.nodes.get(entry.placement.value.node)
    if node is None:
        where = "its node" if entry.placement is None else f"node {entry.placement.value.node}"
        raise Unavailable(f"{where} is not in the cluster, {action} now")
    return node
