"""What a reader of the cache is told: which objects changed. A slow reader is told less often, never less."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

#: Ids that one unread change may name before it becomes "everything".
MAX_IDS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Change:
    """What changed up to `revision`, since the change that was read before.

    Attributes:
        revision: the cache was here when the change was made; it may be further by now.
        containers: ids of those of which anything was written, a hold included, and which are still there.
        nodes: ids of those of which anything was written or deleted, a hold included.
        removed_containers: ids of those of which nothing is left.
        membership: a controller came or went, or a certificate was revoked.
        everything: anything may have changed and the sets may be incomplete: compare with what is known.
        volumes: ids of those of which anything was written or deleted.
    """

    revision: int
    containers: frozenset[str] = frozenset()
    nodes: frozenset[str] = frozenset()
    removed_containers: frozenset[str] = frozenset()
    membership: bool = False
    everything: bool = False
    volumes: frozenset[str] = frozenset()

    def then(self, later: Change) -> Change:
        """Return one change that tells of this and a later one."""
        containers = (self.containers - later.removed_containers) | later.containers
        removed = (self.removed_containers - later.containers) | later.removed_containers
        nodes = self.nodes | later.nodes
        volumes = self.volumes | later.volumes
        named = len(containers) + len(removed) + len(nodes) + len(volumes)
        if self.everything or later.everything or named > MAX_IDS:
            return Change(later.revision, membership=True, everything=True)
        membership = self.membership or later.membership
        return Change(later.revision, containers, nodes, removed, membership, volumes=volumes)


class Subscription:
    """An endless async iterator of changes; what happens between two reads is merged into one.

    Starts with nothing pending: look at the cache after subscribing, then iterate. Closing ends the iteration.
    """

    def __init__(self, on_close: Callable[[Subscription], None]) -> None:
        self._on_close = on_close
        self._pending: Change | None = None
        self._closed = False
        self._wake = asyncio.Event()

    def publish(self, change: Change) -> None:
        """Add `change` to what is pending. For the cache."""
        self._pending = change if self._pending is None else self._pending.then(change)
        self._wake.set()

    def close(self) -> None:
        """End the subscription; closing twice is fine."""
        if not self._closed:
            self._closed = True
            self._wake.set()
            self._on_close(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Change:
        while True:
            if self._closed:
                raise StopAsyncIteration
            if self._pending is not None:
                change, self._pending = self._pending, None
                return change
            self._wake.clear()
            await self._wake.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
