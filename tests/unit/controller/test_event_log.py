"""What one controller keeps and tells, over a cache that the fake store feeds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from shoal_common.errors import InvalidSpec
from shoal_controller.events.log import EventLog
from shoal_controller.events.ring import Ring
from shoal_controller.events.service import EventService
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.kv import Txn
from shoal_controller.state.store import encode
from shoal_proto.v1.container_pb2 import Attempt, ContainerPlacement, ContainerSpec, ContainerStatus
from shoal_proto.v1.event_pb2 import Event, WatchEventsRequest
from tests.fakes.kv import FakeKV


class Site:
    """A store, and a controller that tells of it."""

    def __init__(self, kv: FakeKV, *, capacity: int = 1 << 20) -> None:
        self.kv = kv
        self.cache = ClusterCache(kv)
        self.now = 0
        self.log = EventLog(self.cache, capacity=capacity, now=lambda: self.now)
        self.service = EventService(self.cache, self.log)
        self.tasks = [asyncio.create_task(self.cache.run()), asyncio.create_task(self.log.run())]

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.wait(self.tasks)

    async def put(self, key: str, value: ContainerSpec | ContainerPlacement | ContainerStatus) -> int:
        entry = (await self.kv.get(key))[1]
        txn = Txn()
        txn.put(key, encode(value), expect=0 if entry is None else entry.mod_revision)
        revision = await self.kv.commit(txn)
        await self.cache.reached(revision)
        return revision

    async def create(self, container: str) -> int:
        spec = ContainerSpec(schema=1, id=container, namespace="default", name=f"name-{container[0]}")
        spec.created_at.FromSeconds(1000)
        return await self.put(keys.container_spec("default", container), spec)

    async def status(self, container: str, *attempts: Attempt) -> int:
        status = ContainerStatus(schema=1, generation=1, attempts=attempts)
        return await self.put(keys.container_status("default", container), status)

    async def take(self, request: WatchEventsRequest, count: int) -> tuple[list[Event], int]:
        """Return so many events, and the revision up to which all were told then."""
        events: list[Event] = []
        reached = 0
        async with asyncio.timeout(5), aclosing(self.service._watch(request)) as responses:
            async for response in responses:
                events += response.events
                reached = max(reached, response.revision)
                if len(events) >= count and reached:
                    return events, reached
        return events, reached


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site(FakeKV())
    try:
        await site.cache.synced.wait()
        yield site
    finally:
        await site.close()


def ids(count: int) -> list[str]:
    return [f"{number:064x}"[::-1] for number in range(1, count + 1)]


def attempt(number: int) -> Attempt:
    made = Attempt(number=number, run=1)
    made.started_at.FromSeconds(1000 + number)
    return made


def ask(**fields: object) -> WatchEventsRequest:
    request = WatchEventsRequest()
    for field, value in fields.items():
        if field == "filters":
            request.filters.extend(value)  # type: ignore[arg-type]
        elif field == "after_revision":
            request.after_revision = value  # type: ignore[assignment]
        else:
            getattr(request, field).FromSeconds(value)
    return request


async def test_the_first_answer_says_where_to_go_on(site: Site) -> None:
    revision = await site.create(ids(1)[0])
    assert await site.take(ask(), 0) == ([], revision)


async def test_another_controller_goes_on_without_a_gap(site: Site) -> None:
    first, second, third = ids(3)
    other = Site(site.kv)
    try:
        await other.cache.synced.wait()
        await site.create(first)
        events, reached = await site.take(ask(after_revision=0, since=1), 1)
        assert [event.object for event in events] == [first]
        await site.create(second)
        await site.create(third)
        events, _ = await other.take(ask(after_revision=reached), 2)
        assert [event.object for event in events] == [second, third]
    finally:
        await other.close()


async def test_one_that_began_later_tells_from_what_is_stored(site: Site) -> None:
    first, second = ids(2)
    reached = await site.create(first)
    await site.create(second)
    await site.status(first, attempt(1), attempt(2))
    late = Site(site.kv)
    try:
        await late.cache.synced.wait()
        events, _ = await late.take(ask(after_revision=reached), 3)
        assert {(event.object, event.action) for event in events} >= {(second, "create"), (first, "start")}
        live, _ = await site.take(ask(after_revision=reached), 3)
        assert {event.id for event in live} <= {event.id for event in events}
    finally:
        await late.close()


async def test_a_reader_that_was_overtaken_is_told_what_is_stored(site: Site) -> None:
    await site.close()
    small = Site(site.kv, capacity=2_000)
    try:
        await small.cache.synced.wait()
        containers = ids(60)
        seen: set[str] = set()
        async with asyncio.timeout(10), aclosing(small.service._watch(ask())) as responses:
            async for response in responses:
                for container in containers if not seen and response.revision else ():
                    await small.create(container)
                seen |= {event.object for event in response.events} or {""}
                if len(seen - {""}) == len(containers):
                    return
    finally:
        await small.close()


async def test_since_and_until_and_filters(site: Site) -> None:
    first, second = ids(2)
    await site.create(first)
    await site.status(first, attempt(1), attempt(50))
    await site.create(second)
    events, _ = await site.take(ask(since=1001, until=1040), 9)
    assert [(event.object, event.action) for event in events] == [(first, "start")]
    events, _ = await site.take(ask(since=1, until=2000, filters=["action=create"]), 9)
    assert {event.object for event in events} == {first, second}
    with pytest.raises(InvalidSpec):
        await site.take(ask(filters=["nonsense"]), 1)


async def test_history_and_what_follows_are_told_once(site: Site) -> None:
    first, second = ids(2)
    await site.create(first)
    told: list[str] = []
    async with asyncio.timeout(5), aclosing(site.service._watch(ask(since=1))) as responses:
        async for response in responses:
            told += [event.id for event in response.events]
            if response.revision and len(told) == 1:
                await site.create(second)
            if len(told) >= 2:
                break
    assert len(set(told)) == len(told) == 2


async def test_waiting_for_a_place_becomes_an_event(site: Site) -> None:
    container = ids(1)[0]
    site.now = 1_000 * 10**9
    await site.create(container)
    site.now += 2 * 10**9
    await site.create(ids(2)[1])  # Anything that happens: the log looks at its clock.
    events, _ = await site.take(ask(since=1, filters=["action=pending"]), 1)
    assert (events[0].object, events[0].time.seconds) == (container, 1002)


async def test_what_happened_before_a_new_listing_is_told_once(site: Site) -> None:
    first, second, third = ids(3)
    await site.create(first)
    state = site.cache._state
    await site.create(second)
    await site.status(second, attempt(1))
    delta = site.cache._state.since(type(state)())
    assert {after.id for _, after in delta.containers if after is not None} == {first, second}
    assert site.cache._state.since(site.cache._state).containers == ()
    # A listing that is ahead of the watch, as after compacted history.
    site.log._observe(delta)
    await site.create(third)
    events, _ = await site.take(ask(since=1), 4)
    assert sorted(event.action for event in events) == ["create", "create", "create", "start"]


def test_the_ring_stays_within_its_bound() -> None:
    ring = Ring(5, capacity=10_000)
    for revision in range(6, 1_000):
        ring.add(Event(id=f"id-{revision}", revision=revision))
    kept = list(ring.all())
    assert sum(len(event.SerializeToString()) for event in kept) < 10_000
    assert kept[-1].revision == 999
    assert ring.complete_after == kept[0].revision - 1
    assert ring.from_number(ring.after_revision(kept[3].revision), 2) == kept[4:6]
    assert not ring.has(0)
    assert ring.has(ring.end)
