"""How many bytes trees take on the disk, counted beside the agent and within bounds.

The trees are containers' own: of any depth, with millions of files, changed while they are counted. So du(1) walks
them, a process for each, one after the other and with the least priority; what is not counted in time is left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from shoal_agent.kernel_work import finished

#: Seconds that one count may take, its wait for others included.
LIMIT: Final = 20.0
#: One process for each tree: what one of them remembers of files with many names goes with it. Should the agent die,
#: the time limit ends the count. Whoever is left with no tree counts none, not all that is below the working directory.
_COUNT: Final = (
    *("timeout", "--signal=KILL", f"{LIMIT:g}", "nice", "-n", "19"),
    *("xargs", "-0", "-r", "-n", "1", "du", "-s", "-x", "-0", "--block-size=1", "--"),
)
_NOWHERE: Final = asyncio.subprocess.DEVNULL


class Measurer:
    """Counts trees, one request at a time."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="shoal-measuring")

    def close(self) -> None:
        """End its thread; counts under way were cancelled."""
        self._executor.shutdown()

    async def measure(self, trees: Sequence[Path], *, limit: float = LIMIT) -> dict[Path, int]:
        """Return what is below each of these directories in bytes of the disk, without the directory itself.

        A file with many names counts once for each tree. One that isn't there takes nothing; one that could not be
        counted in time, or at all, is missing in the answer.
        """
        found: dict[Path, int] = {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit), self._turn:
                own = await finished(self._executor, lambda: {tree: _own(tree) for tree in trees})
                found = {tree: 0 for tree, size in own.items() if size is None}
                there = [tree for tree, size in own.items() if size is not None]
                if there:
                    async with contextlib.aclosing(_counted(there)) as counted:
                        async for tree, size in counted:
                            found[tree] = max(0, size - (own[tree] or 0))
        return found


def _own(tree: Path) -> int | None:
    """Return the bytes of a directory itself; None if there is none."""
    try:
        return tree.lstat().st_blocks * 512
    except OSError:
        return None


async def _counted(trees: Sequence[Path]) -> AsyncGenerator[tuple[Path, int], None]:
    """Yield each tree with its size, as soon as it is counted."""
    process = await _begun()
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(b"".join(os.fsencode(tree) + b"\0" for tree in trees))
        process.stdin.write_eof()
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                size, _, tree = (await process.stdout.readuntil(b"\0"))[:-1].partition(b"\t")
                yield Path(os.fsdecode(tree)), int(size)
    finally:
        _end(process)
        await process.wait()


async def _begun() -> asyncio.subprocess.Process:
    """Begin to count, whole and in a group of its own; given up meanwhile, it ends as soon as it has begun.

    asyncio itself would kill the first process of the group then, and leave the others with an input that never ends.
    """
    beginning = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *_COUNT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=_NOWHERE, process_group=0
        )
    )
    try:
        return await asyncio.shield(beginning)
    except asyncio.CancelledError:
        beginning.add_done_callback(_end_unwanted)
        raise


def _end_unwanted(begun: asyncio.Future[asyncio.subprocess.Process]) -> None:
    if not begun.cancelled() and begun.exception() is None:
        _end(begun.result())


def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
