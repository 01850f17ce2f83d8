"""The directories of this node's volumes, `<data>/volumes/<id>/_data`: made, filled once, removed when told to.

What fills an empty volume is put together in `filling` beside the data, is called `filled` once it is whole, and is
moved from there. So no container ever starts with half of what its image has, and nothing that a container wrote is
ever taken away: another one may use the volume already.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar
from weakref import WeakValueDictionary

from shoal_agent.durable import make_directory, sync_directory
from shoal_agent.kernel import syscalls
from shoal_agent.kernel_work import finished
from shoal_agent.paths import NodePaths
from shoal_agent.trees import remove_tree
from shoal_common.errors import InvalidSpec
from shoal_common.ids import is_container_id

T = TypeVar("T")

_THREADS: Final = 2


class VolumeStore:
    """The volumes that this node has data of.

    Args:
        paths: where they are.
    """

    def __init__(self, paths: NodePaths) -> None:
        self._paths = paths
        # Of its own: removing much must not hold up what makes containers.
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="shoal-volumes")
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def close(self) -> None:
        """Wait for removals under way."""
        self._executor.shutdown()

    async def make(self, volume: str) -> Path:
        """Make a volume's directory if need be, and return it. Ids in it are the container's own.

        Raises:
            InvalidSpec: the id is none.
            OSError: the disk refuses.
        """
        if not is_container_id(volume):
            raise InvalidSpec(f"volume id {volume[:80]!a} is not 64 hexadecimal digits")
        await self._run(lambda: self._make(volume))
        return self._paths.volume_data(volume)

    @asynccontextmanager
    async def filling(self, volume: str) -> AsyncIterator[Path | None]:
        """Give a place for what an empty volume is to have; when the context ends well, the volume has it.

        Args:
            volume: made.

        Yields:
            An empty directory; None if the volume is not empty.

        Raises:
            OSError: the disk refuses.
        """
        async with self._locks.setdefault(volume, asyncio.Lock()):
            if not await self._run(lambda: self._begin(volume)):
                yield None
                return
            try:
                yield self._beside(volume, "filling")
            except BaseException:
                # Room that is needed elsewhere, a full disk above all; what is left goes with the next try.
                with contextlib.suppress(OSError):
                    await self._run(lambda: remove_tree(self._beside(volume, "filling")))
                raise
            await self._run(lambda: self._finish(volume))

    async def remove(self, volume: str) -> None:
        """Remove a volume with its data; one that isn't there is gone already.

        Raises:
            OSError: something of it can't be removed.
        """
        if is_container_id(volume):
            async with self._locks.setdefault(volume, asyncio.Lock()):
                await self._run(lambda: self._remove(volume))

    # Blocking parts, in the executor.

    def _make(self, volume: str) -> None:
        make_directory(self._paths.volumes)
        make_directory(self._paths.volume_data(volume).parent)
        _make_open(self._paths.volume_data(volume))

    def _begin(self, volume: str) -> bool:
        """Say whether it is to be filled; end a filling first that was broken off when it was whole."""
        filling, filled = self._beside(volume, "filling"), self._beside(volume, "filled")
        if filled.exists():
            _move(filled, self._paths.volume_data(volume))
            return False
        if filling.exists():
            remove_tree(filling)
        with os.scandir(self._paths.volume_data(volume)) as entries:
            if any(entries):
                return False
        _make_open(filling)
        return True

    def _finish(self, volume: str) -> None:
        filling, filled = self._beside(volume, "filling"), self._beside(volume, "filled")
        fd = os.open(filling, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # All of it is there before anything says so.
            syscalls.syncfs(fd)
        finally:
            os.close(fd)
        filling.rename(filled)
        sync_directory(filled.parent)
        _move(filled, self._paths.volume_data(volume))

    def _remove(self, volume: str) -> None:
        directory = self._paths.volume_data(volume).parent
        if directory.exists():
            remove_tree(directory)
            sync_directory(directory.parent)

    def _beside(self, volume: str, name: str) -> Path:
        return self._paths.volume_data(volume).with_name(name)

    async def _run(self, function: Callable[[], T]) -> T:
        return await finished(self._executor, function)


def _make_open(directory: Path) -> None:
    if not directory.exists():
        make_directory(directory, mode=0o755)
        # Whatever the umask is.
        directory.chmod(0o755)


def _move(filled: Path, data: Path) -> None:
    """Move what is in `filled` into a volume, where nothing is of that name yet; it may have been begun before."""
    info = filled.stat()
    for name in os.listxattr(filled):
        with contextlib.suppress(OSError):
            os.setxattr(data, name, os.getxattr(filled, name))
    os.chown(data, info.st_uid, info.st_gid)
    os.chmod(data, stat.S_IMODE(info.st_mode))
    for entry in filled.iterdir():
        if not os.path.lexists(data / entry.name):
            entry.rename(data / entry.name)
    sync_directory(data)
    remove_tree(filled)
    sync_directory(filled.parent)
