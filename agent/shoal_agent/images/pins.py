"""What pulls under way rely on, so that nothing of it is removed meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager


class Pins:
    """Digests of images, blobs and layers, as often as somebody relies on each.

    Attributes:
        gate: held while something is removed. Nobody begins to rely on anything meanwhile.
    """

    def __init__(self) -> None:
        self.gate = asyncio.Lock()
        self._held: Counter[str] = Counter()

    @property
    def held(self) -> frozenset[str]:
        """What somebody relies on now."""
        return frozenset(self._held)

    @asynccontextmanager
    async def hold(self, digests: Iterable[str]) -> AsyncIterator[None]:
        """Rely on these while the context lasts. Whether they are here is to be asked in it, not before."""
        counted = Counter(digests)
        async with self.gate:
            self._held += counted
        try:
            yield
        finally:
            self._held -= counted
