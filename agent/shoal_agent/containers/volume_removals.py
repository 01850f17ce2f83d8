"""Volumes that the leader wants gone: removed when no container here has them any more, and told."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from typing import Final

from shoal_agent.containers.node import Node
from shoal_agent.volumes.store import VolumeStore

log = logging.getLogger(__name__)

#: Seconds until a removal that failed is tried again.
_PAUSE: Final = 5.0


class VolumeRemovals:
    """Removes volumes, one after the other.

    Args:
        volumes: of this node.
        node: knows which of them its containers mount, and tells the session of news.
    """

    def __init__(self, volumes: VolumeStore, node: Node) -> None:
        self._volumes = volumes
        self._node = node
        self._wanted: tuple[str, ...] = ()
        self._gone: set[str] = set()
        self._wake = asyncio.Event()
        node.on_settled = self._wake.set

    def want(self, ids: Iterable[str]) -> None:
        """Take all that the leader wants gone now. What it does not name stays."""
        self._wanted = tuple(ids)
        # Looked at again: it may have been asked for by a leader before, and made anew since.
        self._gone.clear()
        self._wake.set()

    def gone(self) -> list[str]:
        """Return those of them of which nothing is left."""
        return sorted(self._gone)

    async def run(self) -> None:
        """Remove, for as long as the agent runs."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if await self._failed():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_PAUSE):
                        await self._wake.wait()
                self._wake.set()

    async def _failed(self) -> bool:
        failed = False
        for volume in self._wanted:
            if volume in self._gone or self._node.mounts_volume(volume):
                continue
            try:
                await self._volumes.remove(volume)
            except OSError as error:
                log.error("volume %s can't be removed: %s; tried again in %g s", volume[:12], error, _PAUSE)
                failed = True
                continue
            log.info("volume %s is removed", volume[:12])
            if volume in self._wanted:
                self._gone.add(volume)
                self._node.news.set()
        return failed
