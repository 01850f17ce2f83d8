"""Keeps what containers write within bounds: looks how large their logs are, has conmon begin another file, removes old
ones. It does not matter at which step an agent is killed: see `runtime.log_files`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from shoal_agent.containers.host import task_key
from shoal_agent.containers.node import Node
from shoal_agent.core.lifecycle import ACTIVE
from shoal_agent.core.log_rotation import Growth, Limits, next_look
from shoal_agent.kernel_work import finished
from shoal_agent.paths import NodePaths
from shoal_agent.runtime.control import Control
from shoal_agent.runtime.log_files import settle, spare_path, thin, written_path
from shoal_agent.runtime.tasks import TaskKey
from shoal_common.units import format_bytes
from shoal_proto.v1.agent_pb2 import ContainerRecord
from shoal_proto.v1.container_pb2 import LogLimits

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Watched:
    """What is known of a container by one state of its record: records are replaced, never changed.

    Attributes:
        path: the file that conmon writes to; "" if it does not.
        size: of that, when it was looked at last; None before.
        thinned: its old files were looked through in this state.
    """

    record: ContainerRecord
    key: TaskKey
    limits: Limits
    path: str
    thinned: bool
    size: int | None = None
    looked_at: float = 0.0

    @property
    def placement(self) -> tuple[str, int]:
        """What there is one log of."""
        return self.key.container, self.key.generation


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
        #: By the identity of the record: a look is made ten times a second, and has nothing to do but to look.
        self._watched: dict[int, _Watched] = {}
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
        watched: dict[int, _Watched] = {}
        growing: list[Growth] = []
        for record, _ in self._node.inventory(()):
            each = self._watched.get(id(record)) or self._watch(record)
            watched[id(record)] = each
            if each.path:
                with contextlib.suppress(OSError):
                    growing += _growth(each, now)
            full = each.path and each.size is not None and each.size >= each.limits.size
            if (each.thinned and not full) or each.placement in self._working:
                continue
            each.thinned = True
            written = bool(each.path)
            self._begin(each, self._rotate(each) if full else self._thin(each, written=written))
        self._watched = watched
        return next_look(growing)

    def _watch(self, record: ContainerRecord) -> _Watched:
        key = task_key(record)
        path = ""
        if record.status.state in ACTIVE:
            path = str(written_path(self._paths.logs(key.container, key.generation), key.attempt))
        before = (each for each in self._watched.values() if each.key == key and bool(each.path) == bool(path))
        thinned = any(each.thinned for each in before)
        return _Watched(record, key, self._limits_of(record.assignment.config.log), path, thinned)

    def _begin(self, each: _Watched, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work, name=f"log-rotation-{each.key.container[:12]}")
        self._working[each.placement] = task
        task.add_done_callback(lambda _: self._working.pop(each.placement, None))

    async def _rotate(self, each: _Watched) -> None:
        """Have conmon begin another file."""
        key = each.key
        directory = self._paths.logs(key.container, key.generation)
        try:
            if await rotate(directory, key.attempt, Control.of(self._paths.tasks / str(key)), each.limits.size):
                await self._thin(each, written=True)
        except OSError as error:
            # It has just ended, or is being removed; or there is no room for another file. It is tried again.
            log.debug("container %s: its log was not rotated: %s", key.container[:12], error)

    async def _thin(self, each: _Watched, *, written: bool) -> None:
        key = each.key
        directory = self._paths.logs(key.container, key.generation)
        try:
            freed = await finished(self._executor, lambda: thin(directory, each.limits, written=written))
        except OSError as error:
            log.debug("container %s: its old logs were not removed: %s", key.container[:12], error)
            return
        if freed:
            log.debug("container %s: %s of its log were removed", key.container[:12], format_bytes(freed))

    def _limits_of(self, asked: LogLimits) -> Limits:
        return Limits(size=asked.max_size_bytes or self._limits.size, files=asked.max_files or self._limits.files)


def _growth(each: _Watched, now: float) -> list[Growth]:
    """Look at a file; return how it has grown since the look before, if it has.

    Raises:
        OSError: it is not there, which is so with what an agent of an older version has started.
    """
    size = os.stat(each.path).st_size
    was, before = each.size, each.looked_at
    each.size, each.looked_at = size, now
    if was is None or size == was:
        return []
    # A smaller one is another, which was begun meanwhile.
    grown = size - was if size > was else size
    return [Growth(size, grown / (now - before), each.limits.size)]


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
