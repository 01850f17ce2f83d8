"""`wait`: follows one container in the cache until a condition holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from shoal_common.errors import NotFound
from shoal_controller.api.containers.phases import (
    RunEnd,
    cancelled_end,
    condition_met,
    end_as_told,
    is_lost,
    lost_end,
    phase_of,
    run_end,
    tombstone_end,
)
from shoal_controller.api.containers.reading import Finder
from shoal_controller.api.views import Views
from shoal_controller.state.cache import ClusterCache, Subscription
from shoal_controller.state.store import ContainerEntry
from shoal_proto.v1.container_pb2 import (
    ContainerPhase,
    ContainerState,
    Tombstone,
    WaitCondition,
    WaitContainerRequest,
    WaitContainerResponse,
)

#: Seconds between two looks at why a container is pending while others come and go.
_PENDING_LOOK: Final = 1.0


class Waiter:
    """Serves `WaitContainer`."""

    def __init__(self, cache: ClusterCache, finder: Finder, views: Views) -> None:
        self._cache = cache
        self._finder = finder
        self._views = views

    async def wait(self, request: WaitContainerRequest) -> AsyncGenerator[WaitContainerResponse, None]:
        """Yield phase and detail at once and whenever they change; last, with done set, how it ended.

        Raises:
            NotFound: there is no such container, nor has there been one within the hour.
            InvalidSpec: the reference fits several, or the condition is unknown.
        """
        if request.run == 0:
            # "The newest run" must not mean one that another controller has raised since.
            await self._finder.fresh()
        found = await self._finder.container_or_tombstone(request.container)
        if isinstance(found, Tombstone):
            yield _buried(found, request.run or found.run)
            return
        run = request.run or max(1, found.spec.value.run if found.spec is not None else 0)
        with self._cache.subscribe() as changes:
            said: WaitContainerResponse | None = None
            while True:
                entry = self._cache.containers.get(found.id)
                revision = self._cache.revision
                if entry is None:
                    yield self._after_removal(found, run)
                    return
                response = self._look(entry, request.condition, run)
                if response != said:
                    said = response
                    yield response
                if response.done:
                    return
                await self._changed(changes, entry, revision)

    def _look(self, entry: ContainerEntry, condition: int, run: int) -> WaitContainerResponse:
        response = WaitContainerResponse(
            id=entry.id, phase=phase_of(entry), detail=self._views.detail(entry, ages=False)
        )
        if condition == WaitCondition.WAIT_CONDITION_REMOVED:
            return response
        status = entry.status.value if entry.status is not None else None
        end = run_end(status, run) or cancelled_end(entry, run) or lost_end(entry)
        if condition == WaitCondition.WAIT_CONDITION_READY:
            if condition_met(entry, condition, run):
                response.done = True
                if status is not None and status.state == ContainerState.CONTAINER_STATE_FAILED:
                    _finish(response, end_as_told(status))
            elif end is not None and is_lost(entry):
                _finish(response, end)
        elif end is not None:
            _finish(response, end)
        elif condition_met(entry, condition, run):
            response.done = True
        return response

    def _after_removal(self, entry: ContainerEntry, run: int) -> WaitContainerResponse:
        tombstone = self._cache.tombstones.get((entry.namespace, entry.id))
        if tombstone is None:
            raise NotFound(f"container {entry.id[:12]} was removed, and how it ended is not kept any more")
        return _buried(tombstone.value, run)

    async def _changed(self, changes: Subscription, entry: ContainerEntry, revision: int) -> None:
        """Wait until something that concerns the container changes."""
        node = entry.placement.value.node if entry.placement is not None else ""
        pending = phase_of(entry) == ContainerPhase.CONTAINER_PHASE_PENDING
        while True:
            try:
                async with asyncio.timeout(_PENDING_LOOK if pending else None):
                    async for change in changes:
                        if change.everything or node in change.nodes:
                            return
                        if entry.id in change.containers or entry.id in change.removed_containers:
                            return
            except TimeoutError:
                if self._cache.revision != revision:
                    return


def _buried(tombstone: Tombstone, run: int) -> WaitContainerResponse:
    failed = tombstone.status.state == ContainerState.CONTAINER_STATE_FAILED
    phase = ContainerPhase.CONTAINER_PHASE_FAILED if failed else ContainerPhase.CONTAINER_PHASE_EXITED
    response = WaitContainerResponse(id=tombstone.id, phase=phase)
    _finish(response, tombstone_end(tombstone, run))
    return response


def _finish(response: WaitContainerResponse, end: RunEnd) -> None:
    response.done = True
    if not end.ran and response.phase != ContainerPhase.CONTAINER_PHASE_LOST:
        # Otherwise it looks like a program that ended with that code.
        response.phase = ContainerPhase.CONTAINER_PHASE_FAILED
    response.exit_code = end.exit_code
    response.oom_killed = end.oom_killed
    response.detail = end.reason or response.detail
