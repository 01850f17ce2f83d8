"""Work that is shared while it is under way."""

from __future__ import annotations

import asyncio

import pytest

from shoal_agent.images.flights import Flights


async def test_who_comes_meanwhile_shares_the_result_and_who_comes_later_does_not() -> None:
    flights: Flights[str, int] = Flights("test")
    gate = asyncio.Event()
    calls = 0

    async def work() -> int:
        nonlocal calls
        calls += 1
        await gate.wait()
        return calls

    waiting = [asyncio.create_task(flights.run("k", work)) for _ in range(5)]
    await asyncio.sleep(0)
    gate.set()
    assert await asyncio.gather(*waiting) == [1] * 5
    assert await flights.run("k", work) == 2


async def test_it_goes_on_until_the_last_who_waits_is_cancelled() -> None:
    flights: Flights[str, None] = Flights("test")
    cancelled = asyncio.Event()
    started = asyncio.Event()

    async def work() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    one, two = (asyncio.create_task(flights.run("k", work)) for _ in range(2))
    await started.wait()
    one.cancel()
    with pytest.raises(asyncio.CancelledError):
        await one
    assert not cancelled.is_set()
    two.cancel()
    with pytest.raises(asyncio.CancelledError):
        await two
    assert cancelled.is_set()


async def test_an_error_reaches_all_and_is_not_kept() -> None:
    flights: Flights[str, int] = Flights("test")

    async def fail() -> int:
        raise ValueError("no")

    async def work() -> int:
        return 1

    results = await asyncio.gather(*(flights.run("k", fail) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [ValueError] * 3
    assert await flights.run("k", work) == 1
