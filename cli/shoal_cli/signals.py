"""Signals: Ctrl-C ends what a command does; while a container or a command is attached, others arrive too."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

#: What docker passes on too, of those that can be caught and that mean the container.
FORWARDED: Final = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)


@contextmanager
def interruptible() -> Iterator[None]:
    """Have Ctrl-C cancel this task, and a second one break off what it does about that.

    `asyncio.run` has a handler too, but that runs in the main thread, which sleeps on when the kernel gives the signal
    to one of gRPC's threads.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def interrupt() -> None:
        if task.cancelling():
            raise KeyboardInterrupt
        task.cancel()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


@contextmanager
def arriving(*others: signal.Signals) -> Iterator[asyncio.Queue[signal.Signals]]:
    """Give a queue of the signals that this process is sent instead of being ended by them.

    Args:
        others: further ones that are to be in it.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[signal.Signals] = asyncio.Queue()
    taken = (*FORWARDED, *others)
    for each in taken:
        loop.add_signal_handler(each, queue.put_nowait, each)
    try:
        yield queue
    finally:
        for each in taken:
            loop.remove_signal_handler(each)


async def next_signal(work: asyncio.Task[Any], signals: asyncio.Queue[signal.Signals]) -> signal.Signals | None:
    """Return the next signal that arrives; None once `work` is done."""
    arrived = asyncio.create_task(signals.get(), name="shoal-signal")
    try:
        await asyncio.wait([work, arrived], return_when=asyncio.FIRST_COMPLETED)
        return None if work.done() else arrived.result()
    finally:
        arrived.cancel()
