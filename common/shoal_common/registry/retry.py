"""How often and after which waits a call to a registry is tried again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

#: Answers that a later try may turn into a good one.
RETRIED_STATUSES: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
#: Longest wait that a registry may impose with Retry-After, in seconds.
LONGEST_IMPOSED_WAIT: Final = 20.0


@dataclass(frozen=True, slots=True)
class Retry:
    """Capped exponential back-off with jitter.

    Attributes:
        attempts: calls made in all, the first included.
        first: upper bound of the first wait, in seconds; each further one is twice as long.
        longest: upper bound of any wait, in seconds.
    """

    attempts: int = 5
    first: float = 0.15
    longest: float = 4.0

    def waits(self) -> Iterator[float]:
        """Yield the wait before each further attempt, in seconds; half of each is random, so that nodes spread out."""
        bound = self.first
        for _ in range(self.attempts - 1):
            yield bound * random.uniform(0.5, 1.0)
            bound = min(bound * 2, self.longest)


def imposed_wait(header: str | None) -> float:
    """Return the seconds that a Retry-After header asks for (0 if none, or a date)."""
    if header is None or not header.isascii() or not header.isdigit():
        return 0.0
    return min(float(header), LONGEST_IMPOSED_WAIT)
