"""What takes room on nodes' disks: asked of their agents, each once, and only when somebody wants to know."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import grpc.aio

from shoal_common.errors import ShoalError
from shoal_common.tracing import current_trace, trace_metadata
from shoal_controller.api.containers.phases import is_live
from shoal_controller.api.streams.relay import Agents
from shoal_controller.api.validation import fields
from shoal_controller.api.views import Views, node_name
from shoal_controller.api.volumes.views import volume_view
from shoal_controller.leader.volume_draft import users
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.store import ContainerEntry, NodeEntry
from shoal_proto.v1.agent_pb2 import AgentUsage, AgentUsageRequest
from shoal_proto.v1.cluster_pb2 import NodeUsage, SystemUsageRequest, SystemUsageResponse
from shoal_proto.v1.container_pb2 import Container

#: Nodes that are asked at a time.
_WIDTH: Final = 32
#: Seconds beyond what an agent may count for; and how long it may, in milliseconds, where something else is the point.
_ANSWER: Final = 5.0
_COUNTING: Final = 20.0
BESIDE_MS: Final = 5_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What a node says of its disk.

    Attributes:
        usage: empty if it does not answer.
        problem: why not.
    """

    usage: AgentUsage
    problem: str = ""


class NodeDisks:
    """Asks nodes."""

    def __init__(self, cache: ClusterCache, agents: Agents) -> None:
        self._cache = cache
        self._agents = agents

    async def ask(self, wanted: Mapping[str, AgentUsageRequest]) -> dict[str, Answer]:
        """Return the answer of each of these nodes, by id. One that is down, or not there, is none that raises."""
        turns = asyncio.Semaphore(_WIDTH)

        async def one(node: str, request: AgentUsageRequest) -> Answer:
            async with turns:
                return await self._ask(node, request)

        answers = await asyncio.gather(*(one(node, request) for node, request in wanted.items()))
        return dict(zip(wanted, answers, strict=True))

    async def volume_sizes(self, places: Iterable[tuple[str, str]], *, limit_ms: int = 0) -> dict[str, int]:
        """Return the bytes of volumes by id, as far as their nodes answer and count them in time.

        Args:
            places: ids of volumes, each with that of its node.
            limit_ms: see `AgentUsageRequest`.
        """
        answers = await self.ask(_by_node(places, AgentUsageRequest(volumes=True, limit_ms=limit_ms)))
        return {each.id: each.bytes for answer in answers.values() for each in answer.usage.volumes if each.counted}

    async def container_sizes(self, entries: Iterable[ContainerEntry], *, limit_ms: int = 0) -> dict[str, int]:
        """Return the bytes of writable layers and logs of containers, as `volume_sizes` does."""
        counted = await self.containers(entries, limit_ms=limit_ms)
        return {id_: each.writable_bytes + each.log_bytes for id_, each in counted.items()}

    async def containers(
        self, entries: Iterable[ContainerEntry], *, limit_ms: int = 0
    ) -> dict[str, AgentUsage.ContainerUsage]:
        """Return what takes room of containers, as `volume_sizes` does. A node is believed about its own only."""
        places = [(each.id, each.placement.value.node) for each in entries if each.placement is not None]
        wanted = _by_node(places, AgentUsageRequest(containers=True, limit_ms=limit_ms))
        answers = await self.ask(wanted)
        return {
            each.id: each
            for node, request in wanted.items()
            for each in answers[node].usage.containers
            if each.counted and each.id in request.ids
        }

    async def add_sizes(self, entries: Iterable[ContainerEntry], views: Iterable[Container]) -> None:
        """Note in views of containers how large they are, as far as their nodes answer and count them in time."""
        counted = await self.containers(entries, limit_ms=BESIDE_MS)
        for view in views:
            if (said := counted.get(view.spec.id)) is not None:
                view.writable_bytes = said.writable_bytes
                view.root_bytes = said.writable_bytes + said.image_bytes

    async def _ask(self, node: str, request: AgentUsageRequest) -> Answer:
        action = "what is on its disk is not known"
        entry = self._cache.nodes.get(node)
        if entry is None or entry.spec is None:
            return Answer(AgentUsage(), f"node {node} is not in the cluster, {action}")
        try:
            agent = self._agents.agent(entry, action)
        except ShoalError as error:
            return Answer(AgentUsage(), error.message)
        seconds = (request.limit_ms / 1000 or _COUNTING) + _ANSWER
        try:
            call = agent.stub.Usage(request, timeout=seconds, metadata=trace_metadata(current_trace()))
            return Answer(await call)
        except grpc.aio.AioRpcError as error:
            return Answer(AgentUsage(), agent.translated(error, action).message)


def _by_node(places: Iterable[tuple[str, str]], like: AgentUsageRequest) -> dict[str, AgentUsageRequest]:
    wanted: dict[str, AgentUsageRequest] = {}
    for id_, node in places:
        if node not in wanted:
            wanted[node] = AgentUsageRequest()
            wanted[node].CopyFrom(like)
        wanted[node].ids.append(id_)
    return wanted


class SystemUsage:
    """Serves `GetSystemUsage`: joins what nodes say with what the cluster knows of it."""

    def __init__(self, cache: ClusterCache, disks: NodeDisks, views: Views) -> None:
        self._cache = cache
        self._disks = disks
        self._views = views

    async def usage(self, request: SystemUsageRequest) -> SystemUsageResponse:
        """Return what takes room on each node, in the order of their names.

        Raises:
            NotFound: the namespace, or a node that is named, does not exist.
        """
        fields.namespace(request.namespace)
        nodes = self._nodes(request.nodes)
        answers = await self._disks.ask({node.id: AgentUsageRequest() for node in nodes})
        return SystemUsageResponse(
            nodes=[self._joined(node, answers[node.id], detail=request.detail) for node in nodes]
        )

    def _nodes(self, named: Collection[str]) -> list[NodeEntry]:
        if named:
            found = {node.id: node for node in map(self._cache.resolve_node, named)}
        else:
            found = {node.id: node for node in self._cache.nodes.values() if node.spec is not None}
        return sorted(found.values(), key=node_name)

    def _joined(self, node: NodeEntry, answer: Answer, *, detail: bool) -> NodeUsage:
        said = answer.usage
        joined = NodeUsage(
            node_name=node_name(node),
            problem=answer.problem,
            disk_bytes=said.disk_bytes,
            free_bytes=said.free_bytes,
            incomplete=said.incomplete,
        )
        self._images_into(joined, said, detail=detail)
        self._containers_into(joined, said, detail=detail)
        self._volumes_into(joined, said, detail=detail)
        return joined

    def _images_into(self, joined: NodeUsage, said: AgentUsage, *, detail: bool) -> None:
        joined.images = len(said.images)
        joined.images_active = sum(each.containers > 0 for each in said.images)
        joined.image_bytes = said.image_bytes
        joined.image_reclaimable_bytes = said.image_reclaimable_bytes
        for each in said.images if detail else ():
            joined.image_list.add(
                digest=each.digest,
                repository=each.repository,
                bytes=each.bytes,
                unique_bytes=each.unique_bytes,
                containers=each.containers,
                used_at=each.used_at,
            )

    def _containers_into(self, joined: NodeUsage, said: AgentUsage, *, detail: bool) -> None:
        for each in said.containers:
            entry = self._cache.containers.get(each.id)
            joined.containers += 1
            joined.container_bytes += each.writable_bytes
            joined.log_bytes += each.log_bytes
            if entry is not None and is_live(entry):
                joined.containers_running += 1
            elif entry is not None:
                # A stray is none of the cluster's to remove.
                joined.container_reclaimable_bytes += each.writable_bytes
                joined.log_reclaimable_bytes += each.log_bytes
            if detail:
                joined.container_list.append(self._container(entry, each))

    def _container(self, entry: ContainerEntry | None, said: AgentUsage.ContainerUsage) -> Container:
        shown = Container(root_bytes=said.writable_bytes + said.image_bytes, writable_bytes=said.writable_bytes)
        shown.spec.id = said.id
        if entry is not None and entry.spec is not None:
            whole = self._views.container(entry)
            shown.phase, shown.detail, shown.node_name = whole.phase, whole.detail, whole.node_name
            shown.spec.name, shown.spec.config.image = whole.spec.name, whole.spec.config.image
            shown.spec.config.mounts.extend(whole.spec.config.mounts)
            shown.spec.created_at.CopyFrom(whole.spec.created_at)
            shown.status.CopyFrom(whole.status)
            shown.status.ClearField("attempts")
        return shown

    def _volumes_into(self, joined: NodeUsage, said: AgentUsage, *, detail: bool) -> None:
        named = users(self._cache)
        for each in said.volumes:
            entry = self._cache.volumes.get(each.id)
            joined.volumes += 1
            joined.volume_bytes += each.bytes
            if named.get(each.id):
                joined.volumes_active += 1
            elif entry is not None:
                joined.volume_reclaimable_bytes += each.bytes
            if detail:
                shown = joined.volume_list.add(bytes=each.bytes)
                if entry is not None:
                    shown.MergeFrom(volume_view(self._cache, entry, named))
                shown.spec.id = each.id
