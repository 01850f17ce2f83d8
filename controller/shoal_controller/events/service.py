"""`EventService`: what happened, and what happens, to whoever watches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Final

import grpc.aio

from shoal_common.timestamps import checked
from shoal_controller.core.events.filters import Filters
from shoal_controller.events.derivation import history
from shoal_controller.events.log import EventLog
from shoal_controller.state.cache import ClusterCache
from shoal_proto.v1 import event_pb2_grpc
from shoal_proto.v1.event_pb2 import Event, WatchEventsRequest, WatchEventsResponse

_Context = grpc.aio.ServicerContext[object, object]

#: Events in one message.
_BATCH: Final = 200
#: Objects looked at before others get the event loop.
_CHUNK: Final = 100
#: Revisions without an event of interest after which a watcher is told how far it is.
_SILENT: Final = 1_000


class EventService(event_pb2_grpc.EventServiceServicer):
    """Answers from what this controller has seen, and beyond that from what is stored."""

    def __init__(self, cache: ClusterCache, log: EventLog) -> None:
        self._cache = cache
        self._log = log

    def WatchEvents(self, request: WatchEventsRequest, context: _Context) -> AsyncGenerator[WatchEventsResponse, None]:
        """See event.proto."""
        return self._watch(request)

    async def _watch(self, request: WatchEventsRequest) -> AsyncGenerator[WatchEventsResponse, None]:
        """Yield what is asked for.

        Raises:
            InvalidSpec: a filter or a time is malformed.
            Unavailable: the store does not answer, and this controller is behind `after_revision`.
        """
        filters = Filters(request.filters)
        since = checked("since", request.since).ToNanoseconds()
        until = checked("until", request.until).ToNanoseconds() if request.HasField("until") else None
        after = request.after_revision
        # Who was told at one controller may go on at another, which is a little behind.
        await self._caught_up(max(after, self._cache.revision))
        place, reached = self._log.ring.end, self._log.revision
        told, told_until = frozenset[str](), 0
        if request.HasField("since"):
            past = await self._past(filters, since, until)
            told, told_until = frozenset(event.id for event in past), self._log.ring.end
            for batch in _batches(past):
                yield WatchEventsResponse(events=batch, revision=0)
        elif after:
            if after >= self._log.ring.complete_after:
                place, reached = self._log.ring.after_revision(after), after
            else:
                for batch in _batches(await self._stored_after(filters, after)):
                    yield WatchEventsResponse(events=batch, revision=0)
        yield WatchEventsResponse(revision=reached)
        while True:
            ring = self._log.ring
            if not ring.has(place):
                # It was too slow: what is stored makes up for what was given up.
                place = ring.end
                behind, reached = reached, self._log.revision
                for batch in _batches(await self._stored_after(filters, behind)):
                    yield WatchEventsResponse(events=batch, revision=0)
                continue
            events = ring.from_number(place, _BATCH)
            if events:
                place += len(events)
                # Several events are of one revision: only when none is left of it, it was told.
                through = self._log.revision if place == ring.end else events[-1].revision - 1
                fitting = [
                    each for each in events if each.id not in told and _timely(each, until) and filters.fit(each)
                ]
                if fitting:
                    reached = max(reached, through)
                    yield WatchEventsResponse(events=fitting, revision=reached)
                continue
            if place >= told_until:
                told = frozenset()
            if self._log.revision - reached >= _SILENT:
                reached = self._log.revision
                yield WatchEventsResponse(revision=reached)
                continue
            if not await self._more(until):
                return

    async def _caught_up(self, revision: int) -> None:
        await self._log.begun.wait()
        await self._cache.reached(revision)
        while self._log.behind and self._log.revision < revision:
            await self._log.moved()

    async def _more(self, until: int | None) -> bool:
        """Wait for more; say whether there may be any before `until`."""
        left = None if until is None else (until - time.time_ns()) / 1e9
        if left is not None and left <= 0:
            return False
        try:
            async with asyncio.timeout(left):
                await self._log.moved()
        except TimeoutError:
            return False
        return True

    async def _past(self, filters: Filters, since: int, until: int | None) -> list[Event]:
        """Return what is kept or stored of what happened from `since` on, in the order of its times."""
        found: dict[str, Event] = {}
        for number, event in enumerate(self._log.ring.all()):
            if event.time.ToNanoseconds() >= since and _timely(event, until) and filters.fit(event):
                found[event.id] = event
            if number % (_CHUNK * 10) == 0:
                await asyncio.sleep(0)
        for event in await self._stored_after(filters, 0):
            if event.time.ToNanoseconds() >= since and _timely(event, until):
                found.setdefault(event.id, event)
        return sorted(found.values(), key=lambda event: (event.time.ToNanoseconds(), event.revision))

    async def _stored_after(self, filters: Filters, revision: int) -> list[Event]:
        found: list[Event] = []
        for number, events in enumerate(history(self._cache, after=revision)):
            found += (event for event in events if filters.fit(event))
            if number % _CHUNK == _CHUNK - 1:
                await asyncio.sleep(0)
        return sorted(found, key=lambda event: event.time.ToNanoseconds())


def _timely(event: Event, until: int | None) -> bool:
    return until is None or event.time.ToNanoseconds() <= until


def _batches(events: list[Event]) -> list[list[Event]]:
    return [events[start : start + _BATCH] for start in range(0, len(events), _BATCH)]
