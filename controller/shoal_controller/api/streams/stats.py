"""What containers use, from one stream for each node that has any of them; and the processes of one.

Each node's newest answer replaces the one before that no client has taken: one that reads slowly sees fewer looks, and
holds up nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Final

import grpc
import grpc.aio

from shoal_common.errors import ShoalError
from shoal_common.tracing import current_trace, trace_metadata
from shoal_controller.api.containers.phases import is_live, phase_name, phase_of
from shoal_controller.api.containers.reading import Finder, name_of
from shoal_controller.api.streams.execution import require_process
from shoal_controller.api.streams.relay import CALL_TIMEOUT, Agents, node_of
from shoal_controller.api.validation import fields
from shoal_controller.api.views import node_name
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.store import NodeEntry
from shoal_proto.v1.agent_pb2 import AgentContainerRef, AgentStatsRequest, AgentStatsResponse
from shoal_proto.v1.container_pb2 import (
    ContainerStats,
    StatsRequest,
    StatsResponse,
    TopRequest,
    TopResponse,
)

#: Seconds between two looks at where containers are, and until a node that did not answer is asked again.
_LOOK: Final = 1.0
_ACTION: Final = "what its containers use can't be told"


class StatsRelay:
    """Serves `StatsContainers` and `TopContainer`."""

    def __init__(self, cache: ClusterCache, finder: Finder, agents: Agents) -> None:
        self._cache = cache
        self._finder = finder
        self._agents = agents

    async def top(self, request: TopRequest) -> TopResponse:
        """Return the processes of a container.

        Raises:
            NotFound: there is no such container.
            Conflict: it does not run.
            Unavailable: its node does not answer.
        """
        entry = await self._finder.container(request.container)
        action = f'the processes of container "{name_of(entry)}" can\'t be told'
        require_process(entry, action)
        agent = self._agents.agent(node_of(self._cache, entry, action), action)
        generation = entry.placement.value.generation if entry.placement is not None else 0
        wanted = AgentContainerRef(id=entry.id, generation=generation)
        try:
            return await agent.stub.Top(wanted, timeout=CALL_TIMEOUT, metadata=trace_metadata(current_trace()))
        except grpc.aio.AioRpcError as error:
            raise agent.translated(error, action) from error

    async def stats(self, request: StatsRequest) -> AsyncGenerator[StatsResponse, None]:
        """Yield what containers use, one answer for each node.

        Raises:
            NotFound: there is no such container.
        """
        fields.namespace(request.namespace)
        named = [(await self._finder.container(ref)).id for ref in request.containers]
        following = _Following(self._cache, self._agents, request, named)
        with self._agents.stream():
            try:
                while True:
                    for answer in await following.next():
                        yield answer
                    if following.over:
                        return
            finally:
                await following.close()


class _Following:
    """One client's readers, one for each node, and what they have read last."""

    def __init__(self, cache: ClusterCache, agents: Agents, request: StatsRequest, named: list[str]) -> None:
        self._cache = cache
        self._agents = agents
        self._request = request
        self._named = named
        self._readers: dict[str, tuple[frozenset[str], asyncio.Task[None]]] = {}
        self._ending: list[asyncio.Task[None]] = []
        self._news: dict[str, StatsResponse] = {}
        self._told: StatsResponse | None = None
        self._changed = asyncio.Event()
        #: There is nothing left to follow.
        self.over = False

    async def next(self) -> list[StatsResponse]:
        """Return what is new, waiting for it."""
        self._changed.clear()
        self._set_readers()
        if self._request.follow:
            if not self._news:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK):
                        await self._changed.wait()
            self.over = bool(self._named) and not any(id_ in self._cache.containers for id_ in self._named)
        else:
            await asyncio.gather(*(task for _, task in self._readers.values()))
            self.over = True
        found, self._news = list(self._news.values()), {}
        return found

    async def close(self) -> None:
        """End all readers."""
        tasks = [*self._ending, *(task for _, task in self._readers.values())]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _set_readers(self) -> None:
        """Have a reader for each node that has something to tell, and none else."""
        wanted = wanted_of(self._cache, self._named)
        if not self._named:
            # A node knows by itself what runs there.
            wanted = dict.fromkeys(wanted, frozenset())
        self._ending = [task for task in self._ending if not task.done()]
        for node in [node for node, (ids, _) in self._readers.items() if wanted.get(node) != ids]:
            _, reader = self._readers.pop(node)
            reader.cancel()
            self._ending.append(reader)
            if node not in wanted and (entry := self._cache.nodes.get(node)) is not None:
                self._tell(StatsResponse(node_name=node_name(entry)))
        for node, ids in wanted.items():
            entry = self._cache.nodes.get(node)
            if entry is not None and node not in self._readers:
                task = asyncio.create_task(self._read(entry, ids), name=f"stats-{node[:12]}")
                self._readers[node] = (ids, task)
        for _, task in self._readers.values():
            if task.done() and self._request.follow:
                # A fault: a reader goes on while it is followed.
                task.result()
        rest = self._silent()
        if rest != self._told and (rest.stats or self._told is not None):
            self._told = rest
            self._tell(rest)

    def _silent(self) -> StatsResponse:
        """Return what there is to tell of those that don't run."""
        ids = self._named or (sorted(self._cache.containers) if self._request.all else [])
        found = StatsResponse()
        for id_ in ids:
            entry = self._cache.containers.get(id_)
            if entry is not None and entry.spec is not None and not is_live(entry):
                problem = f"it is {phase_name(phase_of(entry))}, not running"
                found.stats.add(id=id_, name=entry.spec.value.name, problem=problem)
        return found

    async def _read(self, entry: NodeEntry, ids: frozenset[str]) -> None:
        """Read from a node, again and again while it is followed."""
        while True:
            try:
                agent = self._agents.agent(self._cache.nodes.get(entry.id, entry), _ACTION)
                try:
                    request = AgentStatsRequest(
                        ids=sorted(ids),
                        follow=self._request.follow,
                        interval_ms=self._request.interval_ms,
                    )
                    call = agent.stub.Stats(
                        request,
                        timeout=None if self._request.follow else CALL_TIMEOUT,
                        metadata=trace_metadata(current_trace()),
                    )
                    async for response in call:
                        self._tell(self._filled(entry, response))
                except grpc.aio.AioRpcError as error:
                    raise agent.translated(error, _ACTION) from error
            except ShoalError as error:
                self._tell(self._troubled(entry, error.message))
            if not self._request.follow:
                return
            await asyncio.sleep(_LOOK)

    def _filled(self, node: NodeEntry, response: AgentStatsResponse) -> StatsResponse:
        """Return what a node tells, without what is not the cluster's."""
        name = node_name(node)
        filled = StatsResponse(node_name=name)
        for stats in response.stats:
            entry = self._cache.containers.get(stats.id)
            if entry is not None and entry.spec is not None:
                told = filled.stats.add()
                told.CopyFrom(stats)
                told.name, told.node_name = entry.spec.value.name, name
        return filled

    def _troubled(self, node: NodeEntry, problem: str) -> StatsResponse:
        name, ids = node_name(node), wanted_of(self._cache, self._named).get(node.id, frozenset())
        names = {id_: name_of(entry) for id_ in sorted(ids) if (entry := self._cache.containers.get(id_)) is not None}
        stats = [
            ContainerStats(id=id_, name=container, node_name=name, problem=problem) for id_, container in names.items()
        ]
        return StatsResponse(stats=stats, node_name=name)

    def _tell(self, answer: StatsResponse) -> None:
        self._news[answer.node_name] = answer
        self._changed.set()


def wanted_of(cache: ClusterCache, named: list[str]) -> dict[str, frozenset[str]]:
    """Return which containers each node is asked of: those that run, of those that were named, or of all."""
    chosen = named or list(cache.containers)
    found: dict[str, set[str]] = {}
    for id_ in chosen:
        entry = cache.containers.get(id_)
        if entry is not None and entry.placement is not None and is_live(entry):
            found.setdefault(entry.placement.value.node, set()).add(id_)
    return {node: frozenset(ids) for node, ids in found.items()}
