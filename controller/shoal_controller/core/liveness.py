"""Which nodes are heard of: a term for each, extended by heartbeats, and by the leader's own silence.

Time is an argument: seconds on a clock that never goes back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

#: Seconds for which a node may be silent, at least.
MIN_TERM: Final = 6.0
#: Heartbeats that may be lost.
_BEATS: Final = 3
#: Seconds that a node has beside its term for the first heartbeat of a session, which needs a connection of its own:
#: where so many nodes or more come at once, their handshakes take a while; fewer have less.
FIRST: Final = 6.0
MANY: Final = 500
#: Seconds between looks at the terms.
TICK: Final = 0.25
#: Seconds by which a look may be late before it counts as the leader's own silence.
MAX_LAG: Final = 1.0
#: Heartbeats that one leader takes in a second.
_MAX_RATE: Final = 500


def interval(nodes: int, *, least: float) -> float:
    """Return the seconds between heartbeats of one of `nodes` nodes, so that their total rate is bounded."""
    return max(least, nodes / _MAX_RATE)


def term(interval_seconds: float) -> float:
    """Return the seconds after which a node that was told to beat in this interval is down."""
    return max(MIN_TERM, _BEATS * interval_seconds)


class Terms:
    """The terms of all nodes that are thought to be ready.

    Args:
        now: the leader's term has begun and its cache is synced.
        nodes: that are ready in the store. Each gets a whole term to find the new leader.
        interval_seconds: between heartbeats.
    """

    def __init__(self, now: float, nodes: Iterable[str], *, interval_seconds: float) -> None:
        self._looked = now
        self._ends = {node: now + term(interval_seconds) for node in nodes}
        self._suspects: frozenset[str] = frozenset()

    def beat(self, node: str, now: float, *, interval_seconds: float) -> None:
        """Note that a node was heard of, and was told when to beat next."""
        self._ends[node] = now + term(interval_seconds)

    def opened(self, node: str, now: float, *, interval_seconds: float, nodes: int) -> None:
        """Note that a node, one of so many, has opened a session, whose first heartbeat is to come."""
        self._ends[node] = now + term(interval_seconds) + FIRST * min(1.0, nodes / MANY)

    def watches(self, node: str) -> bool:
        """Say whether a node is thought to be ready."""
        return node in self._ends

    def forget(self, node: str) -> None:
        """Stop watching a node (it is down, or not part of the cluster)."""
        self._ends.pop(node, None)

    def look(self, now: float) -> tuple[str, ...]:
        """Return the nodes that are down, in order; to be called every `TICK`.

        A look that comes too late means that this process was stopped, or its loop too busy to take in heartbeats: all
        terms are extended by that time. And a node is down only if it was late at the look before as well: between the
        two, heartbeats that had arrived already were taken in.
        """
        lag = now - self._looked - TICK
        self._looked = now
        if lag > MAX_LAG:
            self._ends = {node: end + lag for node, end in self._ends.items()}
        late = frozenset(node for node, end in self._ends.items() if end <= now)
        down = tuple(sorted(late & self._suspects))
        self._suspects = late
        return down
