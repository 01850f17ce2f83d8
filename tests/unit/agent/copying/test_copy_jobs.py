"""Copying processes that hang on a container's files: given up in time, and never waited for without end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from shoal_agent.copying import jobs
from shoal_agent.copying.jobs import Entrance, Job
from shoal_common.errors import Unavailable

_HANGS = "import time; time.sleep(1000)"


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_START", _HANGS)
    monkeypatch.setattr(jobs, "_SILENCE", 0.2)
    monkeypatch.setattr(jobs, "_END", 0.2)


def is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield bytes(1 << 20)


async def test_who_says_nothing_is_given_up_and_gone() -> None:
    for do in ("stat", "in"):
        async with Job(Entrance(), do=do) as job:
            process = job.pid
            saying = asyncio.create_task(job.said())
            done, _ = await asyncio.wait({saying}, timeout=5)
            saying.cancel()
            assert done, "it is waited for without end"
            with pytest.raises(Unavailable, match="nothing came of the container's files"):
                saying.result()
            with pytest.raises(Unavailable):
                await anext(job.output())
        assert not is_there(process)


async def test_who_takes_nothing_is_given_up() -> None:
    async with Job(Entrance(), do="in") as job:
        feeding = asyncio.create_task(job.feed(endless()))
        with pytest.raises(Unavailable):
            await job.said(feeding)


async def test_who_gives_nothing_to_take_is_waited_for() -> None:
    gone_on = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"a"
        await gone_on.wait()

    async with Job(Entrance(), do="in") as job:
        feeding = asyncio.create_task(job.feed(slow()))
        saying = asyncio.create_task(job.said(feeding))
        # Longer than it may be silent by itself.
        done, _ = await asyncio.wait({saying}, timeout=0.5)
        assert not done
        gone_on.set()
        with pytest.raises(Unavailable):
            await saying


async def test_who_can_not_be_killed_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits in the kernel for a file system of the container's, until that has gone."""
    monkeypatch.setattr(asyncio.subprocess.Process, "kill", lambda process: None)
    async with asyncio.timeout(5):
        async with Job(Entrance(), do="out") as job:
            process = job.pid
    assert is_there(process)
    os.kill(process, signal.SIGKILL)
    async with asyncio.timeout(5):
        await asyncio.gather(*jobs._ENDING)
    assert not is_there(process)
