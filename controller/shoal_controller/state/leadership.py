"""What it means to lead: a revision that fences, and an end that the process knows without asking anybody."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable


def boot_clock() -> float:
    """Return seconds since boot, those in which the machine was suspended included.

    `time.monotonic` stands still during a suspension; a lease in etcd does not.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Leadership:
    """One term of one controller.

    Every write of a leader compares the leader key's creation revision (`Txn.fence`), so that a leader that does not
    know yet that it was followed writes nothing. `valid` is the quick answer on top of that: it only looks at a clock
    and so is right in a process that was stopped for a while, before any event has reached it.

    Args:
        create_revision: of the leader key; unique to the term.
        deadline: on `clock`; before the lease can have expired.
        clock: seconds that never go back.
    """

    def __init__(self, create_revision: int, *, deadline: float, clock: Callable[[], float] = boot_clock) -> None:
        self.create_revision = create_revision
        #: Set in the event loop once the term is over.
        self.lost = asyncio.Event()
        self._clock = clock
        self._deadline = deadline
        # The renewing thread extends while the loop asks; without it a late renewal could revive an ended term.
        self._lock = threading.Lock()

    def valid(self) -> bool:
        """Say whether the term lasts. Once False, it stays False."""
        return self.remaining() > 0

    def remaining(self) -> float:
        """Return the seconds until the term ends unless it is extended; 0 when it is over."""
        with self._lock:
            return max(0.0, self._deadline - self._clock()) if not self.lost.is_set() else 0.0

    def extend(self, deadline: float) -> bool:
        """Move the end of the term to `deadline`, or return False because it is over already. From any thread."""
        with self._lock:
            if self.lost.is_set() or self._clock() >= self._deadline:
                return False
            self._deadline = max(self._deadline, deadline)
            return True

    def end(self) -> None:
        """End the term now. From any thread; `lost` is set by the election, in the loop."""
        with self._lock:
            self._deadline = float("-inf")
