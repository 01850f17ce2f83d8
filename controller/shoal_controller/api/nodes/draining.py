"""`node drain`: cordons a node, stops what may be stopped there, and tells of each container what becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from shoal_common.errors import Conflict, NotFound
from shoal_controller.api.containers import stopping
from shoal_controller.api.containers.phases import is_going
from shoal_controller.api.containers.reading import name_of
from shoal_controller.api.containers.updating import SpecUpdates
from shoal_controller.api.nodes.updates import NodeUpdates
from shoal_controller.api.views import is_down, node_name
from shoal_controller.state.cache import Change, ClusterCache
from shoal_controller.state.store import ContainerEntry, NodeEntry
from shoal_proto.v1.container_pb2 import ContainerRef, DesiredState
from shoal_proto.v1.node_pb2 import DrainNodeRequest, DrainNodeResponse, DrainOutcome, HoldRole, NodeSpec

#: Containers that are told to stop at a time.
_WIDTH: Final = 32

_STOPPING: Final = DrainOutcome.DRAIN_OUTCOME_STOPPING
_STOPPED: Final = DrainOutcome.DRAIN_OUTCOME_STOPPED
_LEFT: Final = DrainOutcome.DRAIN_OUTCOME_LEFT


@dataclass(frozen=True, slots=True)
class News:
    """What becomes of a container; STOPPING before it was told to stop."""

    outcome: DrainOutcome
    reason: str = ""


def first_news(entry: ContainerEntry, *, force: bool) -> News | None:
    """Say what to do about a container of the node; None if nothing: it does not run."""
    if entry.spec is None or not is_going(entry):
        return None
    if entry.spec.value.config.auto_remove and not force:
        return News(_LEFT, "stopping it would remove it, it was run with --rm (drain with --force stops it too)")
    return News(_STOPPING)


def next_news(entry: ContainerEntry | None, node: NodeEntry | None, *, name: str) -> News | None:
    """Say what has become of a container that was told to stop; None if nothing yet.

    Args:
        entry: None once it is gone.
        node: None once it is gone.
        name: of the node.
    """
    if entry is None or entry.spec is None or entry.spec.value.desired == DesiredState.DESIRED_STATE_REMOVED:
        return News(_STOPPED, "removed")
    if not is_going(entry) and entry.spec.value.config.auto_remove:
        return News(_STOPPED, "it is removed, as it was run with --rm")
    if not is_going(entry):
        return News(_STOPPED, f"its data stays on {name}")
    if entry.spec.value.desired != DesiredState.DESIRED_STATE_STOPPED:
        return News(_LEFT, "it was started again meanwhile")
    if node is None or is_down(node):
        return News(_LEFT, f"{name} is down; it is stopped once {name} is back")
    return None


class Drainer:
    """Serves `DrainNode`."""

    def __init__(self, cache: ClusterCache, nodes: NodeUpdates, containers: SpecUpdates) -> None:
        self._cache = cache
        self._nodes = nodes
        self._containers = containers

    async def drain(self, request: DrainNodeRequest) -> AsyncGenerator[DrainNodeResponse, None]:
        """Yield the news of each container, until nothing is left to be done.

        Each is told to stop once: one that is started again meanwhile runs on. Drained again, it goes on from there.

        Raises:
            NotFound: there is no such node.
            InvalidSpec: the time to stop is too long.
            Unavailable: the store does not answer.
        """
        stop = stopping.stop(request.timeout_seconds if request.HasField("timeout_seconds") else None)
        node = await self._nodes.update(request.ref, request.request_id, _cordon)
        told: dict[str, DrainNodeResponse] = {}
        with self._cache.subscribe() as changes:
            while True:
                news, to_stop = self._begin(node, told, force=request.force)
                for each in news:
                    yield each
                for start in range(0, len(to_stop), _WIDTH):
                    await asyncio.gather(*(self._stop(each, stop) for each in to_stop[start : start + _WIDTH]))
                if to_stop:
                    continue  # The cache has gone on meanwhile.
                for each in self._follow(node, told):
                    yield each
                waiting = {id_ for id_, each in told.items() if each.outcome == _STOPPING}
                if not waiting:
                    return
                async for change in changes:
                    if _concerns(change, node.id, waiting):
                        break

    def _begin(
        self, node: NodeEntry, told: dict[str, DrainNodeResponse], *, force: bool
    ) -> tuple[list[DrainNodeResponse], list[ContainerEntry]]:
        """Return the news of containers of which nothing was told yet, and those of them to be stopped."""
        news, to_stop = [], []
        for entry in self._held(node.id):
            first = None if entry.id in told else first_news(entry, force=force)
            if first is not None:
                told[entry.id] = _response(entry.id, name_of(entry), first)
                news.append(told[entry.id])
                if first.outcome == _STOPPING:
                    to_stop.append(entry)
        return news, to_stop

    def _follow(self, node: NodeEntry, told: dict[str, DrainNodeResponse]) -> list[DrainNodeResponse]:
        """Return the news of containers that were told to stop."""
        news = []
        for id_, before in told.items():
            if before.outcome == _STOPPING:
                entry, now = self._cache.containers.get(id_), self._cache.nodes.get(node.id)
                after = next_news(entry, now, name=node_name(node))
                if after is not None:
                    news.append(_response(id_, before.container_name, after))
        told.update({each.container_id: each for each in news})
        return news

    def _held(self, node: str) -> Iterator[ContainerEntry]:
        """Yield the containers that are placed on the node and are to stay, by name."""
        entry = self._cache.nodes.get(node)
        holds = entry.holds.values() if entry is not None else ()
        current = (hold.value.container for hold in holds if hold.value.role == HoldRole.HOLD_ROLE_CURRENT)
        found = (self._cache.containers[each] for each in current if each in self._cache.containers)
        for each in sorted(found, key=name_of):
            if each.spec is not None and each.spec.value.desired != DesiredState.DESIRED_STATE_REMOVED:
                yield each

    async def _stop(self, entry: ContainerEntry, change: stopping.SpecChange) -> None:
        # It may be gone, or lost, by now: the next look tells.
        with suppress(NotFound, Conflict):
            await self._containers.update(ContainerRef(namespace=entry.namespace, ref=entry.id), "", change)


def _cordon(spec: NodeSpec, entry: NodeEntry) -> None:
    spec.cordoned = True


def _response(container: str, name: str, news: News) -> DrainNodeResponse:
    return DrainNodeResponse(container_id=container, container_name=name, outcome=news.outcome, reason=news.reason)


def _concerns(change: Change, node: str, containers: set[str]) -> bool:
    changed = change.containers | change.removed_containers
    return change.everything or node in change.nodes or not containers.isdisjoint(changed)
