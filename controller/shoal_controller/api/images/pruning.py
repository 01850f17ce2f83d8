"""`PruneImages`: removes images from the nodes that no container there has. The registry keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Final

import grpc.aio

from shoal_common.errors import NotFound, ShoalError
from shoal_common.ids import SHORT_ID
from shoal_common.registry import Registry
from shoal_common.tracing import current_trace, trace_metadata
from shoal_controller.api.containers.pruning import filter_by
from shoal_controller.api.nodes.disk_usage import NodeDisks
from shoal_controller.api.streams.relay import Agents
from shoal_controller.api.views import node_name
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.store import NodeEntry
from shoal_proto.v1.agent_pb2 import AgentPruneRequest, AgentUsage, AgentUsageRequest
from shoal_proto.v1.cluster_pb2 import PruneImagesRequest, PruneImagesResponse

#: Tags that are looked up at a time, and seconds that a node may take.
_LOOKUPS: Final = 8
_REMOVAL: Final = 45.0


class ImagePruning:
    """Serves `PruneImages`.

    Args:
        registry: client of the registries.
        own: host and port of the cluster's registry.
    """

    def __init__(self, cache: ClusterCache, disks: NodeDisks, agents: Agents, registry: Registry, own: str) -> None:
        self._cache = cache
        self._disks = disks
        self._agents = agents
        self._registry = registry
        self._own = own

    async def prune(self, request: PruneImagesRequest) -> PruneImagesResponse:
        """Remove what no container has from every node that answers. A repeat goes on where it was.

        Raises:
            InvalidSpec: a filter is malformed.
            Unavailable: the registry does not say what has a tag.
        """
        fits = filter_by(request.filters)
        tagged = frozenset[str]() if request.all else await self._tagged()
        nodes = {node.id: node for node in self._cache.nodes.values() if node.spec is not None}
        answers = await self._disks.ask(dict.fromkeys(nodes, AgentUsageRequest(images=True)))
        wanted = {
            node: [
                image
                for image in answer.usage.images
                if not image.containers
                and (request.all or self._is_dangling(image, tagged))
                and fits(image.labels, image.used_at.ToNanoseconds())
            ]
            for node, answer in answers.items()
        }
        response = PruneImagesResponse(problems=[answer.problem for answer in answers.values() if answer.problem])
        asked = [(nodes[node], images) for node, images in wanted.items() if images]
        for told in await asyncio.gather(*(self._removed(node, images) for node, images in asked)):
            response.MergeFrom(told)
        response.images = len(response.names)
        response.names.sort()
        return response

    def _is_dangling(self, image: AgentUsage.ImageUsage, tagged: Collection[str]) -> bool:
        """Say whether no tag leads to an image. What comes from another registry is not known to have lost its tag."""
        return image.repository.partition("/")[0] == self._own and image.digest not in tagged

    async def _tagged(self) -> frozenset[str]:
        turns = asyncio.Semaphore(_LOOKUPS)

        async def digest(name: str, tag: str) -> str:
            async with turns:
                try:
                    return (await self._registry.resolve(self._own, name, tag)).digest
                except NotFound:
                    return ""  # Deleted since the catalog was read.

        names = [each async for each in self._registry.catalog(self._own)]
        return frozenset(await asyncio.gather(*(digest(name, tag) for name, tag in names)))

    async def _removed(self, node: NodeEntry, images: Collection[AgentUsage.ImageUsage]) -> PruneImagesResponse:
        name = node_name(node)
        action = "no image is removed there"
        request = AgentPruneRequest(images=True, digests=[image.digest for image in images])
        try:
            agent = self._agents.agent(node, action)
            done = await agent.stub.Prune(request, timeout=_REMOVAL, metadata=trace_metadata(current_trace()))
        except grpc.aio.AioRpcError as error:
            return PruneImagesResponse(problems=[agent.translated(error, action).message])
        except ShoalError as error:
            return PruneImagesResponse(problems=[error.message])
        repositories = {image.digest: image.repository for image in images}
        return PruneImagesResponse(
            freed_bytes=done.freed_bytes,
            names=[
                f"{name}: {repositories.get(digest, '')}@{digest.removeprefix('sha256:')[:SHORT_ID]}"
                for digest in done.digests
            ],
        )
