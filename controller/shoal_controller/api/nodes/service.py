"""`NodeService`: the hosts of the cluster."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import grpc.aio

from shoal_common.errors import InvalidSpec
from shoal_controller.api.containers.reading import Finder
from shoal_controller.api.containers.updating import SpecUpdates
from shoal_controller.api.nodes.draining import Drainer
from shoal_controller.api.nodes.updates import NodeUpdates
from shoal_controller.api.validation import fields
from shoal_controller.api.views import node_name, node_view
from shoal_controller.recovery.strays import Strays
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.kv import KV
from shoal_controller.state.store import NodeEntry
from shoal_proto.v1 import node_pb2, node_pb2_grpc

_Context = grpc.aio.ServicerContext[object, object]


class NodeService(node_pb2_grpc.NodeServiceServicer):
    """Answers from the cache; writes what operators say of nodes, and of containers while a node is drained."""

    def __init__(self, kv: KV, cache: ClusterCache, strays: Strays) -> None:
        self._cache = cache
        self._strays = strays
        finder = Finder(kv, cache)
        self._updates = NodeUpdates(kv, cache, finder)
        self._drainer = Drainer(cache, self._updates, SpecUpdates(kv, cache, finder))

    async def GetNode(self, request: node_pb2.GetNodeRequest, context: _Context) -> node_pb2.Node:
        """See node.proto."""
        return node_view(self._cache, self._cache.resolve_node(request.ref))

    async def ListNodes(self, request: node_pb2.ListNodesRequest, context: _Context) -> node_pb2.ListNodesResponse:
        """See node.proto. A page's token is the name and id of its last node."""
        size = fields.page_size(request.page_size)
        joined = sorted((entry for entry in self._cache.nodes.values() if entry.spec is not None), key=_place)
        left = [entry for entry in joined if _place(entry) > request.page_token]
        page = left[:size]
        return node_pb2.ListNodesResponse(
            nodes=[node_view(self._cache, entry) for entry in page],
            next_page_token=_place(page[-1]) if len(left) > size else "",
            revision=self._cache.revision,
        )

    async def UpdateNode(self, request: node_pb2.UpdateNodeRequest, context: _Context) -> node_pb2.Node:
        """See node.proto."""
        fields.node_labels(request.set_labels, request.remove_labels)

        def update(spec: node_pb2.NodeSpec, entry: NodeEntry) -> None:
            spec.labels.update(request.set_labels)
            for label in request.remove_labels:
                spec.labels.pop(label, None)
            if len(spec.labels) > fields.MAX_NODE_LABELS:
                raise InvalidSpec(
                    f"node {node_name(entry)} would have {len(spec.labels)} labels (give it at most "
                    f"{fields.MAX_NODE_LABELS})"
                )
            if request.HasField("cordoned"):
                spec.cordoned = request.cordoned

        return node_view(self._cache, await self._updates.update(request.ref, request.request_id, update))

    def DrainNode(
        self, request: node_pb2.DrainNodeRequest, context: _Context
    ) -> AsyncGenerator[node_pb2.DrainNodeResponse, None]:
        """See node.proto."""
        return self._drainer.drain(request)

    async def RemoveNode(self, request: node_pb2.RemoveNodeRequest, context: _Context) -> node_pb2.RemoveNodeResponse:
        """See node.proto."""
        return await self._updates.remove(request)

    async def ListStrays(self, request: node_pb2.ListStraysRequest, context: _Context) -> node_pb2.ListStraysResponse:
        """See node.proto."""
        return await self._strays.list(request)

    async def ResolveStrays(
        self, request: node_pb2.ResolveStraysRequest, context: _Context
    ) -> node_pb2.ResolveStraysResponse:
        """See node.proto."""
        return await self._strays.resolve(request)


def _place(entry: NodeEntry) -> str:
    """Return the key of the order of nodes: names have no blanks, so that none is the beginning of another's key."""
    return f"{node_name(entry)} {entry.id}"
