"""The newest events of one controller, in the order in which it learnt of them, within a bound on memory. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from shoal_proto.v1.event_pb2 import Event

#: Bytes of events that are kept: about 25,000 of the usual size.
CAPACITY: Final = 8 << 20
#: What one costs besides its own bytes.
_OVERHEAD: Final = 150


@dataclass(frozen=True, slots=True)
class _Kept:
    revision: int
    data: bytes


class Ring:
    """Events by number, from the oldest that is still kept.

    Args:
        since: revision after which everything is kept at first.
        capacity: bytes.
    """

    def __init__(self, since: int, capacity: int = CAPACITY) -> None:
        self._kept: deque[_Kept] = deque()
        self._capacity = capacity
        self._size = 0
        self._first = 0
        #: Everything that was told after this revision is kept.
        self.complete_after = since

    @property
    def end(self) -> int:
        """The number that the next event gets."""
        return self._first + len(self._kept)

    def add(self, event: Event) -> None:
        """Keep an event; the oldest make room."""
        kept = _Kept(event.revision, event.SerializeToString())
        self._kept.append(kept)
        self._size += len(kept.data) + _OVERHEAD
        while self._size > self._capacity:
            oldest = self._kept.popleft()
            self._first += 1
            self._size -= len(oldest.data) + _OVERHEAD
            self.complete_after = max(self.complete_after, oldest.revision)

    def has(self, number: int) -> bool:
        """Say whether nothing from `number` on was given up."""
        return number >= self._first

    def from_number(self, number: int, limit: int) -> list[Event]:
        """Return at most `limit` events from `number` on."""
        start = max(0, number - self._first)
        stop = min(start + limit, len(self._kept))
        return [Event.FromString(self._kept[index].data) for index in range(start, stop)]

    def after_revision(self, revision: int) -> int:
        """Return the number of the first event after a revision."""
        low, high = 0, len(self._kept)
        while low < high:
            middle = (low + high) // 2
            if self._kept[middle].revision <= revision:
                low = middle + 1
            else:
                high = middle
        return self._first + low

    def all(self) -> Iterator[Event]:
        """Yield all that are kept."""
        for kept in list(self._kept):
            yield Event.FromString(kept.data)
