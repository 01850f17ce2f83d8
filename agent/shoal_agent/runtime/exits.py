"""How attempts end: the exit codes that conmon leaves in `paths.exits`, and those of whose conmon is gone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

from shoal_agent.kernel import processes
from shoal_agent.kernel.inotify import Change, Event, Inotify
from shoal_agent.kernel_work import finished
from shoal_agent.paths import NodePaths
from shoal_agent.runtime.cgroups import Cgroups
from shoal_agent.runtime.conmon import TaskFiles
from shoal_agent.runtime.staging import failed_exec, write_file
from shoal_agent.runtime.task import Exited, Running, TaskKey


class Exits:
    """Watches the attempts that run on this node, and gives each one's end once.

    Args:
        paths: where the exit codes and the attempts' own files are.
        groups: the node's control groups.
        executor: for what blocks.
    """

    def __init__(self, paths: NodePaths, groups: Cgroups, executor: ThreadPoolExecutor) -> None:
        self._paths = paths
        self._groups = groups
        self._executor = executor
        self._given: asyncio.Queue[tuple[TaskKey, Exited]] = asyncio.Queue()
        self._watched: dict[TaskKey, Running] = {}
        self._monitors: dict[TaskKey, int] = {}
        self._losing: set[asyncio.Task[None]] = set()
        self._inotify = Inotify(self._on_changes)
        self._inotify.watch(paths.exits, Event.MOVED_TO | Event.ONLYDIR)

    async def close(self) -> None:
        """Stop watching; containers run on. Calling it again changes nothing."""
        self._inotify.close()
        for key in list(self._monitors):
            self._forget_monitor(key)
        self._watched.clear()
        for task in self._losing:
            task.cancel()
        if self._losing:
            await asyncio.wait(self._losing)

    def find(self, key: TaskKey) -> Running | None:
        """Return the processes of an attempt that is watched."""
        return self._watched.get(key)

    def watch(self, key: TaskKey, running: Running) -> None:
        """Have the exit of an attempt given; it may have come already."""
        self._add(key, running)
        self._give(key)
        if key in self._watched and key not in self._monitors:
            self._on_monitor_gone(key)

    async def adopt(self, key: TaskKey, running: Running) -> Exited | None:
        """Have the exit of an attempt given that an agent before this one started, or return it if it has ended."""
        self._add(key, running)
        exited = self.read(key)
        if exited is not None:
            self.unwatch(key)
            return exited
        if not running.conmon_start:
            # conmon is gone and left no exit code: nobody can say how it ended, nor hold its output.
            self.unwatch(key)
            return await self._lost(key, running)
        return None

    def unwatch(self, key: TaskKey) -> None:
        """Give no exit of this attempt any more."""
        self._watched.pop(key, None)
        self._forget_monitor(key)

    async def given(self) -> AsyncIterator[tuple[TaskKey, Exited]]:
        """Give every exit of a watched attempt, once. For one consumer."""
        while True:
            yield await self._given.get()

    def read(self, key: TaskKey) -> Exited | None:
        """Return how an attempt ended, from the file that conmon (or `_lost`) wrote."""
        file = self._paths.exits / str(key)
        try:
            text, finished_at = file.read_text(), file.stat().st_mtime
        except FileNotFoundError:
            return None
        number, _, reason = text.strip().partition(" ")
        code = int(number) & 0xFF
        if code == 1 and (late := failed_exec(TaskFiles(self._paths.tasks / str(key)))):
            code, reason = late.code, late.message
        return Exited(
            code=code,
            oom_killed=self._groups.oom_kills(str(key)) > 0,
            finished_at=finished_at,
            reason=reason,
        )

    def _add(self, key: TaskKey, running: Running) -> None:
        self._watched[key] = running
        with contextlib.suppress(ProcessLookupError):
            fd = os.pidfd_open(running.conmon_pid)
            self._monitors[key] = fd
            asyncio.get_running_loop().add_reader(fd, self._on_monitor_gone, key)

    def _forget_monitor(self, key: TaskKey) -> None:
        fd = self._monitors.pop(key, -1)
        if fd >= 0:
            asyncio.get_running_loop().remove_reader(fd)
            os.close(fd)

    def _on_changes(self, changes: list[Change]) -> None:
        if any(change.event & Event.OVERFLOW for change in changes):
            keys = list(self._watched)
        else:
            keys = [key for change in changes if (key := TaskKey.parse(change.name)) is not None]
        for key in keys:
            self._give(key)

    def _give(self, key: TaskKey) -> None:
        if key in self._watched and (exited := self.read(key)) is not None:
            self.unwatch(key)
            self._given.put_nowait((key, exited))

    def _on_monitor_gone(self, key: TaskKey) -> None:
        self._forget_monitor(key)
        self._give(key)
        running = self._watched.get(key)
        if running is None:
            return
        task = asyncio.create_task(self._lose(key, running), name=f"lose-{key}")
        self._losing.add(task)
        task.add_done_callback(self._losing.discard)

    async def _lose(self, key: TaskKey, running: Running) -> None:
        exited = await self._lost(key, running)
        if key in self._watched:
            self.unwatch(key)
            self._given.put_nowait((key, exited))

    async def _lost(self, key: TaskKey, running: Running) -> Exited:
        """End an attempt whose conmon is gone, and say so; the same answer if it is asked again."""
        processes.send(running.pid, running.pid_start, signal.SIGKILL)
        await self._groups.kill("containers", str(key))
        await finished(self._executor, lambda: self._write_once(key))
        exited = self.read(key)
        assert exited is not None
        return exited

    def _write_once(self, key: TaskKey) -> None:
        file = self._paths.exits / str(key)
        if not file.exists():
            write_file(file, f"{128 + signal.SIGKILL} its monitor (conmon) was killed")
