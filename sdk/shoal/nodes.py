"""Nodes: the hosts of a cluster."""

from __future__ import annotations

import builtins
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from typing import Final

from shoal.transport import Transport
from shoal_common.ids import check_name, new_request_id
from shoal_proto.v1.node_pb2 import (
    DrainNodeRequest,
    DrainNodeResponse,
    DrainOutcome,
    GetNodeRequest,
    ListNodesRequest,
    ListStraysRequest,
    Node,
    RemoveNodeRequest,
    RemoveNodeResponse,
    ResolvedStray,
    ResolveStraysRequest,
    Stray,
    StrayAction,
    UpdateNodeRequest,
)
from shoal_proto.v1.node_pb2_grpc import NodeServiceStub

#: Seconds for many strays of a node to be adopted.
_RESOLVING: Final = 120.0


class Nodes:
    """The nodes of a cluster: `cluster.nodes`. `ref` always is a node's name, its id, or the beginning of its id."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def get(self, ref: str) -> Node:
        """Return a node.

        Raises:
            NotFound: there is none.
        """
        request = GetNodeRequest(ref=check_name("node", ref))
        return await self._transport.unary(lambda channel: NodeServiceStub(channel).GetNode, request)

    async def list(self) -> list[Node]:
        """Return all nodes in the order of their names."""
        nodes: list[Node] = []
        token = ""
        while True:
            request = ListNodesRequest(page_token=token)
            page = await self._transport.unary(lambda channel: NodeServiceStub(channel).ListNodes, request)
            nodes += page.nodes
            token = page.next_page_token
            if not token:
                return nodes

    async def update(
        self,
        ref: str,
        *,
        labels: Mapping[str, str] | None = None,
        remove_labels: Iterable[str] = (),
        cordoned: bool | None = None,
    ) -> Node:
        """Change what operators say of a node, and return it.

        Args:
            ref: the node.
            labels: put over those that are there; they win over the agent's own.
            remove_labels: names of labels to take away; one that isn't there is no error.
            cordoned: whether it takes no new containers; None: as it is.

        Raises:
            NotFound: there is no such node.
            Conflict: it is being removed.
            InvalidSpec: a label is not valid.
        """
        request = UpdateNodeRequest(
            ref=check_name("node", ref),
            request_id=new_request_id(),
            set_labels=labels or {},
            remove_labels=remove_labels,
            cordoned=cordoned,
        )
        return await self._transport.unary(lambda channel: NodeServiceStub(channel).UpdateNode, request)

    async def drain(
        self, ref: str, *, force: bool = False, timeout: int | None = None
    ) -> AsyncGenerator[DrainNodeResponse, None]:
        """Cordon a node, stop what runs there, and yield what becomes of each container, until nothing is left to do.

        What is stopped keeps its data there. Restarts of controllers are sat out.

        Args:
            ref: the node.
            force: also stop containers that are removed when they have ended.
            timeout: seconds between stop signal and SIGKILL; left out, each container's own.

        Raises:
            NotFound: there is no such node.
        """
        request = DrainNodeRequest(
            ref=check_name("node", ref), request_id=new_request_id(), force=force, timeout_seconds=timeout
        )
        told: dict[str, DrainNodeResponse] = {}
        stream = self._transport.stream(lambda channel: NodeServiceStub(channel).DrainNode, lambda: request)
        async with aclosing(stream) as responses:
            async for response in responses:
                # Another controller, which goes on, begins with what the one before has told.
                known = told.get(response.container_id)
                if known is None or known.outcome != response.outcome:
                    told[response.container_id] = response
                    yield response
        for response in told.values():
            if response.outcome == DrainOutcome.DRAIN_OUTCOME_STOPPING:
                # It ended between two controllers.
                response.outcome = DrainOutcome.DRAIN_OUTCOME_STOPPED
                yield response

    async def remove(self, ref: str, *, force: bool = False) -> RemoveNodeResponse:
        """Take a node out of the cluster: its certificate counts no more. The host has to be reset to join again.

        Args:
            ref: the node.
            force: also if it holds containers. They are lost; their names and addresses are free.

        Raises:
            NotFound: there is no such node.
            Conflict: it holds containers, and `force` isn't set.
        """
        request = RemoveNodeRequest(ref=check_name("node", ref), request_id=new_request_id(), force=force)
        return await self._transport.unary(lambda channel: NodeServiceStub(channel).RemoveNode, request)

    async def strays(self, ref: str) -> builtins.list[Stray]:
        """Return what a node has and no hold of the cluster names.

        Raises:
            NotFound: there is no such node.
            Unavailable: it does not answer.
        """
        request = ListStraysRequest(ref=check_name("node", ref))
        answer = await self._transport.unary(lambda channel: NodeServiceStub(channel).ListStrays, request)
        return [*answer.strays]

    async def resolve_strays(
        self, ref: str, action: StrayAction, ids: Iterable[str] = ()
    ) -> builtins.list[ResolvedStray]:
        """Make strays containers of the cluster again, or have the node remove them; return how it went with each.

        Args:
            ref: the node.
            action: to adopt or to remove.
            ids: of strays, or the beginnings of them; none means all.

        Raises:
            NotFound: there is no such node or stray.
            Unavailable: the node does not answer.
        """
        request = ResolveStraysRequest(ref=check_name("node", ref), action=action, ids=ids)
        answer = await self._transport.unary(
            lambda channel: NodeServiceStub(channel).ResolveStrays, request, deadline=_RESOLVING
        )
        return [*answer.strays]
