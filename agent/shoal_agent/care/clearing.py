"""Makes room on a disk that fills: images that no container here has, then logs of attempts that are over."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from shoal_agent.care import old_logs
from shoal_agent.clock import Clock
from shoal_agent.containers.node import Node
from shoal_agent.core.collecting import Thresholds, begins, is_enough, order, taken
from shoal_agent.core.disk import Usage
from shoal_agent.disk import Disk
from shoal_agent.images.store import Images, Removed
from shoal_agent.kernel_work import finished
from shoal_agent.paths import NodePaths
from shoal_common.errors import Conflict, ShoalError
from shoal_common.ids import SHORT_ID
from shoal_common.units import format_bytes
from shoal_proto.v1.node_pb2 import NodeCleaning

log = logging.getLogger(__name__)

#: Seconds until a disk on which nothing was found to remove, or not enough, is cleared again.
_PAUSE: Final = 60.0
#: Times that the leader is told of, and names that each says.
_TOLD: Final = 8
_NAMED: Final = 10


class Clearing:
    """Clears the disk when it is too full, and removes images when it is told to.

    Args:
        node: knows what its containers need.
        tell: called when there is news for the leader.
    """

    def __init__(
        self,
        paths: NodePaths,
        node: Node,
        images: Images,
        disk: Disk,
        clock: Clock,
        thresholds: Thresholds,
        *,
        tell: Callable[[], None],
    ) -> None:
        self._paths = paths
        self._node = node
        self._images = images
        self._disk = disk
        self._clock = clock
        self._thresholds = thresholds
        self._tell = tell
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="shoal-clearing")
        self._wake = asyncio.Event()
        self._told: deque[NodeCleaning] = deque(maxlen=_TOLD)

    def close(self) -> None:
        """End its thread; what was under way was cancelled."""
        self._executor.shutdown()

    @property
    def cleanings(self) -> list[NodeCleaning]:
        """What was removed, the last times."""
        return list(self._told)

    def looked(self, usage: Usage) -> None:
        """Take what a look at the disk has found."""
        if begins(usage, self._thresholds):
            self._wake.set()

    async def run(self) -> None:
        """Clear the disk whenever it is too full, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                cleared = await self.clear()
            except (ShoalError, OSError) as error:
                log.error("the disk could not be cleared: %s", error)
                cleared = False
            if not cleared:
                await self._pause()

    async def _pause(self) -> None:
        await asyncio.sleep(_PAUSE)

    async def clear(self) -> bool:
        """Remove what can be had again until the disk is below the low threshold. Return whether it is.

        Raises:
            ShoalError, OSError: something could not be removed.
        """
        usage = await self._disk.usage()
        reason = f"{taken(usage):.0f}% of the disk are taken, {self._thresholds.high}% is the most"
        return await self._clear_images(reason) or await self._clear_logs(reason)

    async def remove_images(self, digests: Collection[str]) -> list[Removed]:
        """Remove images that no container here has, one after the other, and what is left over of others.

        Args:
            digests: of those that may go; empty: all.

        Raises:
            Conflict: this node can't know what its containers have.
            ShoalError, OSError: one could not be removed.
        """
        self._check_known()
        store = await self._images.stored()
        chosen = [each for each in order(store, self._used()) if not digests or each in digests]
        done = [await self._images.remove([each], keep=self._used) for each in chosen]
        return [*done, await self._images.remove([], keep=self._used)]

    async def _clear_images(self, reason: str) -> bool:
        try:
            self._check_known()
        except Conflict as error:
            log.warning("no image is removed: %s", error)
            return False
        store = await self._images.stored()
        names = {image.digest: _name(image.repository, image.digest) for image in store.images}
        going: Sequence[Sequence[str]] = [(), *((digest,) for digest in order(store, self._used()))]
        gone: list[str] = []
        freed = 0
        try:
            for digests in going:
                done = await self._images.remove(digests, keep=self._used)
                gone += [names[digest] for digest in done.images]
                freed += done.bytes
                if is_enough(await self._disk.usage(), self._thresholds):
                    return True
        finally:
            self._note("images", reason, gone, freed)
        return False

    async def _clear_logs(self, reason: str) -> bool:
        newest = self._node.attempts()
        found = await finished(self._executor, lambda: old_logs.find(self._paths, newest))
        gone: list[str] = []
        freed = 0
        try:
            for each in found:
                freed += await finished(self._executor, partial(old_logs.remove, each))
                gone.append(each.container[:SHORT_ID])
                if is_enough(await self._disk.usage(), self._thresholds):
                    return True
        finally:
            self._note("logs", reason, list(dict.fromkeys(gone)), freed)
        return False

    def _used(self) -> set[str]:
        return set(self._node.images().values())

    def _check_known(self) -> None:
        """Refuse to remove images where a container's can't be known.

        Raises:
            Conflict: there is something of a container here, and no record of it that can be read.
        """
        if unknown := self._node.unknown():
            raise Conflict(
                f"{len(unknown)} containers of which no record can be read may have any image of this node, such as "
                f"{min(unknown)[:SHORT_ID]} (shoal node strays shows them)"
            )

    def _note(self, kind: str, reason: str, names: Sequence[str], freed: int) -> None:
        if not (names or freed):
            return
        log.warning("%s: removed %s of %d, %s: %s", reason, kind, len(names), format_bytes(freed), ", ".join(names))
        told = NodeCleaning(kind=kind, reason=reason, count=len(names), names=names[:_NAMED], freed_bytes=freed)
        told.at.CopyFrom(self._clock.timestamp())
        self._told.append(told)
        self._tell()


def _name(repository: str, digest: str) -> str:
    return f"{repository}@{digest.removeprefix('sha256:')[:SHORT_ID]}"
