from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from shoal_controller.state.changes import MAX_IDS, Change, Subscription

ids = st.frozensets(st.sampled_from("abcd"), max_size=4)


@st.composite
def changes(draw: st.DrawFn) -> Change:
    removed = draw(ids)
    return Change(draw(st.integers(1, 9)), draw(ids) - removed, draw(ids), removed)


@given(st.lists(changes(), min_size=1, max_size=8))
def test_merged_changes_say_what_each_id_came_to(story: list[Change]) -> None:
    merged = story[0]
    for change in story[1:]:
        merged = merged.then(change)
    fate: dict[str, str] = {}
    for change in story:
        fate |= dict.fromkeys(change.containers, "there") | dict.fromkeys(change.removed_containers, "gone")
    assert merged.containers == {container for container, end in fate.items() if end == "there"}
    assert merged.removed_containers == {container for container, end in fate.items() if end == "gone"}
    assert merged.nodes == frozenset().union(*(change.nodes for change in story))
    assert merged.revision == story[-1].revision


@given(changes(), changes())
def test_everything_absorbs_all(one: Change, other: Change) -> None:
    everything = Change(5, everything=True)
    assert one.then(everything).everything
    assert everything.then(other).everything


async def test_a_slow_reader_gets_one_merged_change() -> None:
    with Subscription(lambda subscription: None) as subscription:
        for revision in range(1, 101):
            subscription.publish(Change(revision, frozenset({f"c{revision % 3}"})))
        assert await anext(subscription) == Change(100, frozenset({"c0", "c1", "c2"}))
        waiting = asyncio.ensure_future(anext(subscription))
        await asyncio.sleep(0)
        assert not waiting.done(), "nothing more is pending"
        subscription.publish(Change(101))
        assert await waiting == Change(101)


async def test_what_is_pending_is_bounded() -> None:
    with Subscription(lambda subscription: None) as subscription:
        for number in range(MAX_IDS + 1):
            subscription.publish(Change(number, removed_containers=frozenset({f"{number}"})))
        change = await anext(subscription)
        assert change.everything
        assert not change.removed_containers


async def test_closing_ends_the_iteration() -> None:
    closed: list[Subscription] = []
    subscription = Subscription(closed.append)
    waiting = asyncio.ensure_future(anext(subscription, None))
    await asyncio.sleep(0)
    subscription.close()
    subscription.close()
    assert await waiting is None
    assert closed == [subscription]
    assert [change async for change in subscription] == []
