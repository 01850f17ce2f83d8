"""Preparing takes long, and may be wanted no more before it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TypeVar

_T = TypeVar("_T")


async def while_wanted(
    preparing: Coroutine[None, None, _T], wake: asyncio.Event, wanted: Callable[[], bool], *, name: str
) -> _T | None:
    """Await a preparation; give it up, and return None, once nobody wants it any more.

    Args:
        wake: set when that may have changed; it is cleared here.
        name: of the container, for the names of tasks.
    """
    work = asyncio.create_task(preparing, name=f"prepare-{name}")
    try:
        while True:
            woken = asyncio.create_task(wake.wait(), name=f"wake-{name}")
            try:
                await asyncio.wait({work, woken}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                woken.cancel()
            if work.done():
                return await work
            wake.clear()
            if not wanted():
                return None
    finally:
        if not work.done():
            work.cancel()
            await asyncio.wait({work})
