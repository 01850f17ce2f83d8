"""What a controller learns of: deltas of its cache become events, off the path of everybody else."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from shoal_controller.core.events import containers
from shoal_controller.events.derivation import container_parts, derive, names
from shoal_controller.events.ring import CAPACITY, Ring
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.deltas import Delta

_log: Final = logging.getLogger(__name__)
#: Seconds of work before others get the event loop.
_SLICE: Final = 0.005


class EventLog:
    """Follows a cache from its first listing on.

    Args:
        capacity: bytes of events that are kept.
        now: nanoseconds of the wall clock, on which waiting for a place is measured.
    """

    def __init__(self, cache: ClusterCache, *, capacity: int = CAPACITY, now: Callable[[], int] = time.time_ns) -> None:
        self._cache = cache
        self._now = now
        self._pending: deque[Delta] = deque()
        self._wake = asyncio.Event()
        self._moved = asyncio.Event()
        #: Set once it follows.
        self.begun = asyncio.Event()
        #: Containers without a place, by when (nanoseconds) that is an event; and those of which it was told.
        self._unplaced: dict[str, int] = {}
        self._told: set[str] = set()
        self._slice = 0.0
        self._capacity = capacity
        self.ring = Ring(0, capacity)
        #: Everything up to this revision is in the ring, or was.
        self.revision = 0
        cache.observe(self._observe)

    def _observe(self, delta: Delta) -> None:
        self._pending.append(delta)
        self._wake.set()

    @property
    def behind(self) -> bool:
        """Whether the cache has more than was derived."""
        return bool(self._pending)

    async def moved(self) -> None:
        """Wait until there is more than there was at the time of the call."""
        await self._moved.wait()

    async def run(self) -> None:
        """Derive until cancelled. What a revision means is told within milliseconds of it."""
        await self._cache.synced.wait()
        self.revision = self._cache.revision if not self._pending else self._pending[0].revision - 1
        self.ring = Ring(self.revision, self._capacity)
        for entry in self._cache.containers.values():
            self._watch_place(entry.id)
        self.begun.set()
        while True:
            self._wake.clear()
            self._slice = time.monotonic()
            while self._pending:
                await self._take(self._pending[0])
                self._pending.popleft()
                await self._breathe()
            self._tell_overdue()
            self._tell_moved()
            try:
                async with asyncio.timeout(self._until_due()):
                    await self._wake.wait()
            except TimeoutError:
                pass

    def _tell_moved(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def _breathe(self) -> None:
        """Let others work if this has gone on for long."""
        if time.monotonic() - self._slice > _SLICE:
            self._tell_moved()
            await asyncio.sleep(0)
            self._slice = time.monotonic()

    async def _take(self, delta: Delta) -> None:
        """Derive what happened in one revision; a listing after a gap may have very much of it."""
        try:
            for event in derive(delta, names(self._cache)):
                if event.action == "pending":
                    if event.object in self._told:
                        continue
                    self._told.add(event.object)
                event.revision = delta.revision
                self.ring.add(event)
                await self._breathe()
        except (ValueError, KeyError, AssertionError):
            # One object that can't be told of must not end all that is.
            _log.exception("what happened in revision %d can't be told", delta.revision)
        for before, after in delta.containers:
            entry = after or before
            if entry is not None:
                self._watch_place(entry.id)
        self.revision = max(self.revision, delta.revision)

    def _watch_place(self, container: str) -> None:
        entry = self._cache.containers.get(container)
        since = None if entry is None else containers.pending_since(container_parts(entry))
        if since is None:
            self._unplaced.pop(container, None)
            self._told.discard(container)
        elif container not in self._told:
            self._unplaced[container] = since + containers.PATIENCE_NS

    def _until_due(self) -> float | None:
        if not self._unplaced:
            return None
        return max(0.01, (min(self._unplaced.values()) - self._now()) / 1e9)

    def _tell_overdue(self) -> None:
        now = self._now()
        for container in [each for each, due in self._unplaced.items() if due <= now]:
            del self._unplaced[container]
            entry = self._cache.containers.get(container)
            if entry is None or entry.placement is not None or entry.spec is None:
                continue
            event = containers.pending_event(container_parts(entry))
            event.revision = self.revision
            self._told.add(container)
            self.ring.add(event)
