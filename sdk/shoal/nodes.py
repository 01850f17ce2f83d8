"""Nodes: the hosts of a cluster."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing

from shoal.transport import Transport
from shoal_common.ids import check_name, new_request_id
from shoal_proto.v1.node_pb2 import (
    DrainNodeRequest,
    DrainNodeResponse,
    DrainOutcome,
    GetNodeRequest,
    ListNodesRequest,
    Node,
    RemoveNodeRequest,
    RemoveNodeResponse,
    UpdateNodeRequest,
)
from shoal_proto.v1.node_pb2_grpc import NodeServiceStub


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
