"""The directories of this node's volumes, `<data>/volumes/<id>/_data`: made, filled once, removed when told to.

`filling` beside the data says that it is being filled from an image: what is found there by a later try is thrown away
first. So a container never starts with half of what its image has.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar
from weakref import WeakValueDictionary

import shoal_agent
from shoal_agent.durable import make_directory, remove_file, replace_file, sync_directory
from shoal_agent.kernel import syscalls
from shoal_agent.kernel_work import finished
from shoal_agent.paths import NodePaths
from shoal_agent.sandbox.sandboxes import Sandbox
from shoal_agent.trees import remove_tree
from shoal_common.errors import Exhausted, Internal, InvalidSpec
from shoal_common.ids import is_container_id

T = TypeVar("T")

_THREADS: Final = 2
_START: Final = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from shoal_agent.volumes.fill_process import main; main()"
)


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

    async def fill(self, volume: str, *, name: str, root: Path, target: str, mounted: Path, sandbox: Sandbox) -> None:
        """Copy what the image has at a path into a volume that is empty; its owner and mode as well.

        Args:
            volume: made.
            name: for messages.
            root: the container's merged root file system.
            target: where the volume is mounted in there.
            mounted: the volume as the container will see it.
            sandbox: of the container.

        Raises:
            Exhausted: the disk is full.
            Internal: something can't be copied.
        """
        async with self._locks.setdefault(volume, asyncio.Lock()):
            if not await self._run(lambda: self._begin_filling(volume)):
                return
            said = await self._copy(root, target, mounted, sandbox)
            if "copied" not in said:
                what = f"volume {name} can't be filled with what the image has at {target}: {said.get('error')}"
                full = said.get("errno") in (errno.ENOSPC, errno.EDQUOT)
                raise Exhausted(what) if full else Internal(f"{what} (mount it with nocopy, or elsewhere)")
            await self._run(lambda: self._end_filling(volume))

    async def leave_empty(self, volume: str) -> None:
        """Throw away what a filling left that was broken off."""
        async with self._locks.setdefault(volume, asyncio.Lock()):
            if self._marker(volume).exists():
                await self._run(lambda: self._clear(volume))
                await self._run(lambda: self._end_filling(volume))

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
        directory = self._paths.volume_data(volume).parent
        make_directory(directory)
        data = self._paths.volume_data(volume)
        if not data.exists():
            make_directory(data, mode=0o755)
            # Whatever the umask is.
            data.chmod(0o755)

    def _begin_filling(self, volume: str) -> bool:
        """Say whether it is to be filled; note that it is being."""
        if self._marker(volume).exists():
            self._clear(volume)
            return True
        with os.scandir(self._paths.volume_data(volume)) as entries:
            if any(entries):
                return False
        replace_file(self._marker(volume), b"")
        return True

    def _end_filling(self, volume: str) -> None:
        fd = os.open(self._paths.volume_data(volume), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # All of it is there before nothing says any more that it may not be.
            syscalls.syncfs(fd)
        finally:
            os.close(fd)
        remove_file(self._marker(volume))

    def _clear(self, volume: str) -> None:
        for entry in self._paths.volume_data(volume).iterdir():
            remove_tree(entry)

    def _remove(self, volume: str) -> None:
        directory = self._paths.volume_data(volume).parent
        if directory.exists():
            remove_tree(directory)
            sync_directory(directory.parent)

    def _marker(self, volume: str) -> Path:
        return self._paths.volume_data(volume).with_name("filling")

    async def _copy(self, root: Path, target: str, mounted: Path, sandbox: Sandbox) -> dict[str, object]:
        """Have the copying done in the container's user namespace, by a process that ends with it."""
        fds: list[int] = []
        try:
            fds.append(os.open(sandbox.user_ns, os.O_RDONLY | os.O_CLOEXEC))
            fds.extend(os.open(each, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) for each in (root, mounted))
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", "-c", _START, str(Path(shoal_agent.__file__).parents[1])),
                *(*map(str, fds), target),
                pass_fds=fds,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                cwd="/",
                env={},
            )
        finally:
            for fd in fds:
                os.close(fd)
        try:
            output, complaint = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        try:
            said = json.loads(output)
        except ValueError:
            said = None
        if isinstance(said, dict):
            return said
        lines = complaint.decode(errors="replace").strip().splitlines() or ["it was killed"]
        return {"error": f"the copying process ended with {process.returncode}: {lines[-1][:300]}"}

    async def _run(self, function: Callable[[], T]) -> T:
        return await finished(self._executor, function)
