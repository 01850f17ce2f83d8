"""Waiting for blocking work on the kernel, in a thread of a named executor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


async def finished(executor: ThreadPoolExecutor, function: Callable[[], T]) -> T:
    """Run `function` in the executor and return its result.

    A thread can't be cancelled. A caller that is cancelled meanwhile waits until the function has ended and is
    cancelled then: whoever cleans up afterwards must not meet a mount or a link that appears behind its back.
    """
    future = asyncio.get_running_loop().run_in_executor(executor, function)
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not future.cancelled():
            future.exception()  # Seen, so that asyncio does not complain of an error nobody asked for.
        raise cancelled
    return future.result()
