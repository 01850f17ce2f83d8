"""Keeps what containers write within bounds: looks how large their logs are, has conmon begin another file, removes old
ones. It does not matter at which step an agent is killed: see `runtime.log_files`."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from shoal_agent.core.lifecycle import ACTIVE
from shoal_agent.core.log_rotation import Growth, Limits, next_look
from shoal_agent.host import task_key
from shoal_agent.kernel_work import finished
from shoal_agent.node import Node
from shoal_agent.paths import NodePaths
from shoal_agent.runtime.control import Control
from shoal_agent.runtime.log_files import settle, spare_path, thin, written_path
from shoal_agent.runtime.tasks import TaskKey
from shoal_common.units import format_bytes
from shoal_proto.v1.container_pb2 import LogLimits

log = logging.getLogger(__name__)


class LogRotation:
    """Rotates the logs of a node's containers.

    Args:
        limits: of those that say nothing of their own.
    """

    def __init__(self, paths: NodePaths, node: Node, limits: Limits) -> None:
        self._paths = paths
        self._node = node
        self._limits = limits
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="shoal-log-rotation")
        #: By placement: the attempt since which its files were not looked through, and whether that had not ended.
        self._thinned: dict[tuple[str, int], tuple[int, bool]] = {}
        self._sizes: dict[TaskKey, tuple[float, int]] = {}
        self._working: dict[tuple[str, int], asyncio.Task[None]] = {}

    def close(self) -> None:
        """End its thread."""
        self._executor.shutdown()

    async def watch(self) -> None:
        """Look, again and again."""
        try:
            while True:
                due = self._look()
                # Nothing tells how large a file is but the file.
                await asyncio.sleep(due)
        finally:
            for task in self._working.values():
                task.cancel()
            if self._working:
                await asyncio.wait(self._working.values())

    def _look(self) -> float:
        """Look at all logs, begin what is to be done, and return the seconds until the next look."""
        now = asyncio.get_running_loop().time()
        growing: list[Growth] = []
        thinned: dict[tuple[str, int], tuple[int, bool]] = {}
        sizes: dict[TaskKey, tuple[float, int]] = {}
        for record, _ in self._node.inventory(()):
            key = task_key(record)
            placement = (key.container, key.generation)
            limits = self._limits_of(record.assignment.config.log)
            written = record.status.state in ACTIVE
            size = self._size(key) if written else None
            if size is not None:
                before, was = self._sizes.get(key, (now, size))
                sizes[key] = (now, size)
                growing.append(Growth(size, (size - was) / (now - before) if now > before else 0, limits.size))
            thinned[placement] = self._thinned.get(placement, (0, False))
            if placement in self._working:
                continue
            if size is not None and size >= limits.size:
                self._begin(placement, self._rotate(key, limits))
            elif thinned[placement] != (key.attempt, written):
                thinned[placement] = key.attempt, written
                self._begin(placement, self._thin(key, limits, written=written))
        self._thinned, self._sizes = thinned, sizes
        return next_look(growing)

    def _begin(self, placement: tuple[str, int], work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work, name=f"log-rotation-{placement[0][:12]}")
        self._working[placement] = task
        task.add_done_callback(lambda _: self._working.pop(placement, None))

    async def _rotate(self, key: TaskKey, limits: Limits) -> None:
        """Have conmon begin another file."""
        directory = self._paths.logs(key.container, key.generation)
        try:
            if await rotate(directory, key.attempt, Control.of(self._paths.tasks / str(key)), limits.size):
                await self._thin(key, limits, written=True)
        except OSError as error:
            # It has just ended, or is being removed; or there is no room for another file. It is tried again.
            log.debug("container %s: its log was not rotated: %s", key.container[:12], error)

    async def _thin(self, key: TaskKey, limits: Limits, *, written: bool) -> None:
        directory = self._paths.logs(key.container, key.generation)
        try:
            freed = await finished(self._executor, lambda: thin(directory, limits, written=written))
        except OSError as error:
            log.debug("container %s: its old logs were not removed: %s", key.container[:12], error)
            return
        if freed:
            log.debug("container %s: %s of its log were removed", key.container[:12], format_bytes(freed))

    def _size(self, key: TaskKey) -> int | None:
        """Return how much conmon has written to its file; None if it can't be rotated."""
        try:
            return written_path(self._paths.logs(key.container, key.generation), key.attempt).stat().st_size
        except OSError:
            return None

    def _limits_of(self, asked: LogLimits) -> Limits:
        return Limits(size=asked.max_size_bytes or self._limits.size, files=asked.max_files or self._limits.files)


async def rotate(directory: Path, attempt: int, control: Control, size: int) -> bool:
    """Have an attempt's conmon begin another file; say whether it has.

    Raises:
        OSError: it has ended, or there is no room.
    """
    written = written_path(directory, attempt)
    if not await control.quiet():
        return False
    # What it was told by an agent that was killed is done now: what it writes since then needs a name first.
    settle(directory, attempt)
    if written.stat().st_size < size:
        return True
    # Made for it: on a full disk it would end, and its container with it.
    os.close(os.open(spare_path(directory, attempt), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    done = await control.reopen(written)
    settle(directory, attempt)
    return done
