"""Nodes: the hosts of a cluster."""

from __future__ import annotations

from shoal.transport import Transport
from shoal_common.ids import check_name
from shoal_proto.v1.node_pb2 import GetNodeRequest, ListNodesRequest, Node
from shoal_proto.v1.node_pb2_grpc import NodeServiceStub


class Nodes:
    """The nodes of a cluster: `cluster.nodes`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def get(self, ref: str) -> Node:
        """Return a node by its name, its id, or the beginning of its id.

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
