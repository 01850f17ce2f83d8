"""Doing something once for all who want it at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Flights(Generic[K, T]):
    """At most one piece of work per key; those who come while it is under way wait for it.

    It is cancelled when the last of them is, and gets the error that it ended with if it does.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: dict[K, asyncio.Task[T]] = {}
        self._waiting: dict[asyncio.Task[T], int] = {}

    async def run(self, key: K, work: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `work`, or of the same work already under way for `key`."""
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.create_task(_awaited(work), name=f"{self._name} {key}")
            self._tasks[key] = task
        self._waiting[task] = self._waiting.get(task, 0) + 1
        try:
            return await asyncio.shield(task)
        finally:
            self._waiting[task] -= 1
            if not self._waiting[task]:
                del self._waiting[task]
                # Who comes from now on starts anew, even while this one is still being cancelled.
                if self._tasks.get(key) is task:
                    del self._tasks[key]
                if not task.done():
                    task.cancel()
                    await asyncio.wait([task])
                if not task.cancelled():
                    # Nobody may be left to see its error.
                    task.exception()

    async def close(self) -> None:
        """Cancel everything and wait until it has ended."""
        tasks = list(self._waiting)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


async def _awaited(work: Callable[[], Awaitable[T]]) -> T:
    return await work()
