"""The disk of a node: looks at how full it is, and keeps what it takes to write records on a full one."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from shoal_agent.core.disk import Usage, needed, trouble
from shoal_agent.kernel_work import finished
from shoal_common.errors import Exhausted
from shoal_common.units import format_bytes
from shoal_proto.v1.node_pb2 import NodeProblem

log = logging.getLogger(__name__)

#: Seconds between two looks: the kernel tells nobody when a disk fills. A look is one system call.
_LOOK: Final = 2.0
#: Files that are kept, and the bytes of each: a record with its last attempts takes two or three thousand.
_SPARES: Final = 32
_SPARE_SIZE: Final = 64 << 10
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)

KIND: Final = "disk-full"


def is_full(error: OSError) -> bool:
    """Say whether an error means that the disk is full."""
    return error.errno in _FULL


class Spares:
    """Files whose blocks are allocated already: what is written into them finds room on a full disk.

    Others could take at once what a reserve that is given back sets free, so a spare becomes the file itself. All
    methods block; `fill` may run beside `take`.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def fill(self) -> None:
        """Make as many as are kept, or as fit."""
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            for number in range(_SPARES):
                path = self._directory / f"{number}"
                if not path.exists():
                    _allocate(path)
        except OSError as error:
            if not is_full(error):
                raise

    def take(self, data: bytes) -> Path | None:
        """Return a synced file that holds `data`, to be renamed; None if no spare is left, or none large enough."""
        if len(data) > _SPARE_SIZE or not self._directory.exists():
            return None
        for path in self._directory.iterdir():
            if path.suffix:
                continue
            taken = path.with_suffix(".taken")
            try:
                path.rename(taken)
            except FileNotFoundError:
                continue  # Another thread's.
            descriptor = os.open(taken, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.pwrite(descriptor, data, 0)
                os.ftruncate(descriptor, len(data))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            return taken
        return None

    def clear(self) -> None:
        """Remove what a process that died had taken and not used."""
        if self._directory.exists():
            for path in self._directory.glob("*.*"):
                path.unlink(missing_ok=True)


def _allocate(path: Path) -> None:
    draft = path.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, _SPARE_SIZE)
        os.fsync(descriptor)
    except OSError:
        draft.unlink()
        raise
    finally:
        os.close(descriptor)
    draft.rename(path)


class Disk:
    """Watches the file system of the node's data.

    Args:
        data: where it is mounted, or a directory in it.
        spares: filled whenever there is room.
        changed: called when it fills, and when it has room again.
        looked: called with what every look has found.
    """

    def __init__(
        self,
        data: Path,
        spares: Spares,
        *,
        changed: Callable[[], None] = lambda: None,
        looked: Callable[[Usage], None] = lambda usage: None,
    ) -> None:
        self._data = data
        self._spares = spares
        self.changed = changed
        self.looked = looked
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="disk")
        self._trouble = ""

    async def open(self) -> None:
        """Take the first look."""
        await finished(self._executor, self._spares.clear)
        await self._look()

    def close(self) -> None:
        """Wait for a look under way."""
        self._executor.shutdown()

    async def usage(self) -> Usage:
        """Look at it now.

        Raises:
            OSError: it can't be seen.
        """
        return await finished(self._executor, lambda: _usage(self._data))

    async def watch(self) -> None:
        """Look again and again, for ever."""
        while True:
            await asyncio.sleep(_LOOK)
            try:
                await self._look()
            except OSError as error:
                log.error("how full %s is can't be seen: %s", self._data, error)

    @property
    def problems(self) -> list[NodeProblem]:
        """What the leader is told: that nothing new fits here, if that is so."""
        return [NodeProblem(kind=KIND, message=self._trouble)] if self._trouble else []

    def check(self, what: str) -> None:
        """Refuse new work on a full disk.

        Raises:
            Exhausted: it is full.
        """
        if self._trouble:
            raise Exhausted(f"no room on this node for {what}: {self._trouble} (free some disk space)")

    def check_room(self, more: int, what: str) -> None:
        """Refuse what would fill the disk.

        Args:
            more: bytes that it takes, as far as that is known.
            what: for people.

        Raises:
            Exhausted: so many do not fit.
        """
        self.check(what)
        usage = _usage(self._data)
        if usage.free - more < needed(usage):
            raise Exhausted(
                f"no room on this node for {what}: it takes {format_bytes(more)} or more, {format_bytes(usage.free)} "
                f"are free, of which {format_bytes(needed(usage))} stay so (free some disk space)"
            )

    async def _look(self) -> None:
        before = self._trouble
        usage = await self.usage()
        found = trouble(usage, full=bool(before))
        self.looked(usage)
        if not found:
            await finished(self._executor, self._spares.fill)
        if bool(found) == bool(before):
            # What was said first stays: numbers that follow every byte would be news for the whole cluster.
            return
        self._trouble = found
        if found:
            log.error("%s: %s; nothing new is taken on", self._data, found)
        else:
            log.info("%s has room again", self._data)
        self.changed()


def _usage(path: Path) -> Usage:
    stat = os.statvfs(path)
    return Usage(
        size=stat.f_blocks * stat.f_frsize,
        free=stat.f_bavail * stat.f_frsize,
        inodes=stat.f_files,
        free_inodes=stat.f_favail,
    )
