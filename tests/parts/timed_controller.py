"""Runs `shoal ARGUMENTS` and notes every callback of its event loop that takes long.

    python timed_controller.py NOTES SHOAL ARGUMENTS...

A line of NOTES is the milliseconds of processor time that the loop's thread spent in one callback, and what it was.
Processor time, since a busy machine makes any callback last; it is also what a later callback can't get.
"""

from __future__ import annotations

import asyncio
import gc
import os
import runpy
import sys
import time

#: Milliseconds from which a callback is noted.
NOTED = 30


def watch(notes: int) -> None:
    """Measure every callback that any event loop runs from now on, as asyncio's debug mode does for elapsed time."""
    plain = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        began = time.thread_time()
        plain(handle)
        spent = (time.thread_time() - began) * 1000
        if spent >= NOTED:
            # A step of a task hides its task from everybody but the collector.
            behind = gc.get_referents(handle._callback)  # type: ignore[attr-defined]
            tasks = [each for each in behind if isinstance(each, asyncio.Task)]
            os.write(notes, f"{spent:.0f} {tasks or handle!r}\n".encode())

    asyncio.Handle._run = timed  # type: ignore[method-assign,assignment]


if __name__ == "__main__":
    watch(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    sys.argv = sys.argv[2:]
    runpy.run_path(sys.argv[0], run_name="__main__")
