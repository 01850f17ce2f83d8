"""`NodeService`: the hosts of the cluster."""

from __future__ import annotations

import grpc.aio

from shoal_controller.api import validate
from shoal_controller.api.views import node_name, node_view
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.store import NodeEntry
from shoal_proto.v1 import node_pb2, node_pb2_grpc

_Context = grpc.aio.ServicerContext[object, object]


class NodeService(node_pb2_grpc.NodeServiceServicer):
    """Answers from the cache."""

    def __init__(self, cache: ClusterCache) -> None:
        self._cache = cache

    async def GetNode(self, request: node_pb2.GetNodeRequest, context: _Context) -> node_pb2.Node:
        """See node.proto."""
        return node_view(self._cache, self._cache.resolve_node(request.ref))

    async def ListNodes(self, request: node_pb2.ListNodesRequest, context: _Context) -> node_pb2.ListNodesResponse:
        """See node.proto. A page's token is the name and id of its last node."""
        size = validate.page_size(request.page_size)
        joined = sorted((entry for entry in self._cache.nodes.values() if entry.spec is not None), key=_place)
        left = [entry for entry in joined if _place(entry) > request.page_token]
        page = left[:size]
        return node_pb2.ListNodesResponse(
            nodes=[node_view(self._cache, entry) for entry in page],
            next_page_token=_place(page[-1]) if len(left) > size else "",
            revision=self._cache.revision,
        )


def _place(entry: NodeEntry) -> str:
    """Return the key of the order of nodes: names have no blanks, so that none is the beginning of another's key."""
    return f"{node_name(entry)} {entry.id}"
