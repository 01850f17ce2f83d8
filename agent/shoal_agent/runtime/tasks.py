"""The attempts of this node: created, started, watched, adopted after a restart of the agent, and cleared away.

An attempt's directory below `paths.tasks` and its two control groups are all there is of it besides its processes and
the runtime's own state. Each step leaves them so that an agent that is killed at any point finds out what was going on:

1. directory with `task.json` and `config.json` (before that: nothing to undo but a directory);
2. supervisor group with conmon, which creates the container (until `answer` is written: under way);
3. `started` (the runtime was asked to start it), then running;
4. a file in `paths.exits` (it has ended).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import signal
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from shoal_agent.kernel import processes
from shoal_agent.kernel.mounts import unmount_all
from shoal_agent.kernel_work import finished
from shoal_agent.paths import NodePaths
from shoal_agent.runtime import conmon, null_device, own_sys
from shoal_agent.runtime.cgroups import Cgroups
from shoal_agent.runtime.conmon import Runtime, TaskFiles
from shoal_agent.runtime.consoles import Consoles
from shoal_agent.runtime.exec import ExecProcess, ExecSpec, execute
from shoal_agent.runtime.exec_section import exec_section
from shoal_agent.runtime.exits import Exits
from shoal_agent.runtime.failures import RUNTIME_FAILED, StartFailed, explain
from shoal_agent.runtime.live_limits import Limited, hold_to
from shoal_agent.runtime.log_files import written_path
from shoal_agent.runtime.mount_points import covered
from shoal_agent.runtime.orphans import claim, orphans
from shoal_agent.runtime.shared import NETWORK, check_joined
from shoal_agent.runtime.staging import (
    compiled_filter,
    make_passable,
    stage,
    text_of,
)
from shoal_agent.runtime.task import Exited, Running, Streams, TaskKey, TaskSpec
from shoal_common.errors import Conflict, ShoalError, Unavailable
from shoal_proto.v1.resources_pb2 import Resources

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds that a runtime may take to create or start a container, and an adopted start to come to its end.
_START_TIMEOUT: Final = 60.0
#: Seconds that conmon may take to end by itself after its container has.
_CONMON_TIMEOUT: Final = 5.0
#: Seconds for which a failed exec waits for the end of the container, as its likely reason.
_ENDING_TIMEOUT: Final = 0.5

__all__ = ["Exited", "Running", "TaskKey", "TaskSpec", "Tasks"]


class Tasks:
    """The attempts of this node.

    Args:
        paths: where bundles, exit codes and the runtimes' state are (all on a tmpfs).
        cgroup_parent: path below which all control groups are made, such as "/shoal".
        runtimes: programs of the OCI runtimes, by name.
        default_runtime: the one that is used where none is asked for.
    """

    def __init__(
        self, paths: NodePaths, *, cgroup_parent: str, runtimes: Mapping[str, Path], default_runtime: str
    ) -> None:
        self._paths = paths
        self._cgroup_parent = cgroup_parent
        self._runtimes = {
            name: Runtime(name=name, program=program, root=paths.runtimes / name) for name, program in runtimes.items()
        }
        self._default_runtime = default_runtime
        self._executor = ThreadPoolExecutor(4, thread_name_prefix="shoal-tasks")
        self.consoles = Consoles()
        self._cgroups: Cgroups | None = None
        self._exits: Exits | None = None
        #: The standard profile as each runtime compiled it for the first task that had it; b"" if it shows none.
        self._filters: dict[str, bytes] = {}
        self._hastening: Future[None] | None = None
        #: Return the tasks that are in a container's process namespace, and die with its first process.
        self.dying_with: Callable[[str], Iterable[TaskKey]] = lambda container: ()

    @property
    def groups(self) -> Cgroups:
        """The node's control groups. Raises Unavailable before `open`."""
        if self._cgroups is None:
            raise Unavailable("tasks of this node are not open yet")
        return self._cgroups

    @property
    def exits(self) -> Exits:
        """How tasks end: what was started or adopted here is watched. Raises Unavailable before `open`."""
        if self._exits is None:
            raise Unavailable("tasks of this node are not open yet")
        return self._exits

    async def open(self, *, enter: bool = True) -> None:
        """Move the agent into its control group (unless it is only to be cleared away) and begin to watch for exits.

        Raises:
            Unavailable: control groups can't be used, or conmon or a runtime is not installed.
            Conflict: another agent runs on this node.
        """
        for program in (conmon.CONMON, *(runtime.program for runtime in self._runtimes.values())):
            if not os.access(program, os.X_OK):
                raise Unavailable(f"{program} is not installed (apt-get install conmon crun)")
        processes.start_children_clean()
        await self._run(lambda: self._prepare(enter=enter))
        while left := orphans(self.groups.agent_processes()):
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                await processes.ended(pid)
        self._exits = Exits(self._paths, self.groups, self._executor)

    async def close(self) -> None:
        """Stop watching; containers run on. Calling it again changes nothing."""
        await self.consoles.close()
        if self._exits is not None:
            await self._exits.close()
        if self._cgroups is not None:
            await self._run(self._cgroups.remove_emptied)
        self._executor.shutdown(wait=False)

    def expect(self) -> None:
        """Have the kernel get ready, meanwhile, for a start or an exec that comes in a moment."""
        if self._hastening is None or self._hastening.done():
            self._hastening = self._executor.submit(self.groups.hasten)

    async def start(self, spec: TaskSpec) -> Running:
        """Create and start a task; return when its program has been let go.

        Nothing is left behind on failure or cancellation.

        Raises:
            StartFailed: with Docker's exit code (125, 126, 127) and one line that says why.
        """
        try:
            return await self._start(spec)
        except StartFailed:
            await self._undo(spec.key)
            raise
        except (ShoalError, OSError, TimeoutError) as error:
            await self._undo(spec.key)
            said = str(error) or "the runtime did not answer in time"
            raise StartFailed(RUNTIME_FAILED, said) from error
        except asyncio.CancelledError:
            await self._undo(spec.key)
            raise

    async def _start(self, spec: TaskSpec) -> Running:
        runtime = self._runtimes.get(spec.runtime or self._default_runtime)
        if runtime is None:
            names = ", ".join(self._runtimes)
            raise StartFailed(RUNTIME_FAILED, f'runtime "{spec.runtime}" is not on this node (it has: {names})')
        name, files = str(spec.key), self._files(spec.key)
        groups = await self._run(
            lambda: stage(
                spec, runtime, files=files, groups=self.groups, seccomp_program=self._filters.get(runtime.name)
            )
        )
        log.debug("container %s: its bundle is written", spec.key.container[:12])
        program = spec.process.args[0]
        async with asyncio.timeout(_START_TIMEOUT):
            await conmon.create(
                files,
                name=name,
                runtime=runtime,
                groups=groups,
                log=written_path(spec.logs, spec.key.attempt),
                exits=self._paths.exits,
                streams=spec.streams,
                oom_score=spec.confinement.oom_score,
            )
            pid = await conmon.answered(files)
            null_device.give_back()
            if pid is None:
                raise explain(runtime.name, await self._run(lambda: text_of(files.runtime_log)), program)
            writable, of_host = spec.confinement.privileged, NETWORK in spec.shared.host
            mountinfo = Path(f"/proc/{pid}/mountinfo").read_text()
            wrong = own_sys.check_mounted(mountinfo, writable=writable, of_host=of_host) or covered(mountinfo)
            if wrong := wrong or check_joined(pid, spec.shared):
                raise StartFailed(RUNTIME_FAILED, wrong)
            log.debug("container %s: created", spec.key.container[:12])
            running = _running(pid, conmon.read_pid(files.conmon_pid))
            # Before it can write anything.
            await self.consoles.open(spec.key, files, spec.streams, run=spec.run)
            files.started.touch()
            command = [str(runtime.program), *runtime.arguments(files.runtime_log), "start", name]
            if await conmon.spawn(command, groups) != 0:
                raise explain(runtime.name, await self._run(lambda: text_of(files.runtime_log)), program)
        log.debug("container %s: started", spec.key.container[:12])
        self.exits.watch(spec.key, running)
        if runtime.name not in self._filters and spec.confinement.standard_calls:
            self._filters[runtime.name] = await self._run(lambda: compiled_filter(runtime, name))
        return running

    async def signal(self, key: TaskKey, number: int) -> None:
        """Send a signal to a task's first process; SIGKILL ends all of it.

        Raises:
            Conflict: it isn't running.
        """
        running = self.exits.find(key)
        if running is None or not processes.send(running.pid, running.pid_start, number):
            raise Conflict(f"container {key.container} is not running")
        if number == signal.SIGKILL:
            # What is frozen dies only when it is let go; and what others have joined ends only once they have.
            for each in (key, *self.dying_with(key.container)):
                self.groups.thaw(str(each))

    async def limit(self, key: TaskKey, limits: Resources) -> Limited:
        """Hold a task to limits, as far as that can be done."""
        return await self._run(lambda: hold_to(self.groups, str(key), limits))

    def running(self, key: TaskKey) -> Running:
        """Return the processes of a task.

        Raises:
            Conflict: it isn't running.
        """
        running = self.exits.find(key)
        if running is None or not running.pid_start:
            raise Conflict(f"container {key.container} is not running")
        return running

    def shared_memory(self, key: TaskKey) -> Path:
        """Return where the /dev/shm of a task lies whose ipc others may join."""
        return self._files(key).shm

    async def adopt(self, key: TaskKey) -> Running | Exited | None:
        """Take over what an agent before this one started.

        A start that is still under way is waited for; one that was broken off is cleared away.

        Returns:
            Running: it runs; its exit will be given by `exits`.
            Exited: it ended, perhaps meanwhile; `exits` will not say so again.
            None: nothing is there, or nothing that had begun to run.
        """
        files = self._files(key)
        if not files.facts.exists():
            await self._undo(key)
            return None
        try:
            async with asyncio.timeout(_START_TIMEOUT):
                pid = await self._settled(key, files)
        except TimeoutError:
            pid = None
        if pid is None:
            await self._undo(key)
            return None
        running = _running(pid, conmon.read_pid(files.conmon_pid))
        exited = await self.exits.adopt(key, running)
        if exited is not None:
            return exited
        await self._adopt_console(key, files)
        return running

    async def delete(self, key: TaskKey) -> None:
        """Clear a task away, killing what is left of it. Deleting it again changes nothing."""
        self.exits.unwatch(key)
        await self.consoles.drop(key)
        runtime = await self._run(lambda: self._runtime_of(key))
        files, name = self._files(key), str(key)
        if conmon.read_answer(files) is None:
            # A creation under way would go on making what is being removed.
            await self.groups.kill("supervisors", name)
        self.groups.thaw(name)
        if runtime is not None:
            command = [str(runtime.program), *runtime.arguments(files.runtime_log), "delete", "--force", name]
            async with asyncio.timeout(_START_TIMEOUT):
                await conmon.spawn(command)
        await self.groups.kill("containers", name)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CONMON_TIMEOUT):
                await self.groups.emptied("supervisors", name)
        await self.groups.kill("supervisors", name)
        await self._run(lambda: self._remove_files(key))

    async def exec(self, key: TaskKey, spec: ExecSpec) -> ExecProcess:
        """Run a command beside a task's first process, in the same confinement.

        Raises:
            Conflict: the task isn't running.
            StartFailed: 126 or 127 for a program that can't be executed or isn't there, 125 for anything else.
        """
        running = self.exits.find(key)
        runtime = self._runtime_of(key)
        if running is None or runtime is None or not running.pid_start:
            raise Conflict(f"container {key.container} is not running")
        self.expect()
        try:
            section = await self._run(lambda: exec_section(running, spec, self._files(key).facts))
            return await execute(
                spec,
                section,
                name=str(key),
                runtime=runtime,
                directory=self._files(key).directory,
            )
        except (StartFailed, OSError) as error:
            # The runtime's words for "it is just ending" are many: see whether it does.
            if not (isinstance(error, StartFailed) and error.code != RUNTIME_FAILED):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_ENDING_TIMEOUT):
                        await processes.ended(running.pid)
            if processes.start_time(running.pid) != running.pid_start:
                raise Conflict(f"container {key.container} is not running") from error
            raise

    def known(self) -> set[TaskKey]:
        """Return every task of which something is left on this node, by directories, groups and the runtimes' state."""
        names = self.groups.names()
        for directory in (self._paths.tasks, *(runtime.root for runtime in self._runtimes.values())):
            with contextlib.suppress(FileNotFoundError):
                names |= {entry.name for entry in directory.iterdir()}
        return {key for name in names if (key := TaskKey.parse(name)) is not None}

    # Blocking parts, in the executor.

    def _prepare(self, *, enter: bool) -> None:
        # Passable, not readable: the runtime walks here as the container's own root.
        for directory in (self._paths.run, self._paths.tasks):
            make_passable(directory)
        self._paths.exits.mkdir(mode=0o700, exist_ok=True)
        for runtime in self._runtimes.values():
            runtime.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._cgroups = Cgroups(self._cgroup_parent)
        claim(self._paths.tasks / ".agent")
        if enter:
            self._cgroups.enter()

    def _remove_files(self, key: TaskKey) -> None:
        name = str(key)
        self.groups.remove(name)
        for runtime in self._runtimes.values():
            shutil.rmtree(runtime.root / name, ignore_errors=True)
        (self._paths.exits / name).unlink(missing_ok=True)
        files = self._files(key)
        for mounted in (files.own, files.devices, files.shm):
            unmount_all(mounted)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._files(key).directory)

    # Adoption and clearing.

    async def _settled(self, key: TaskKey, files: TaskFiles) -> int | None:
        """Wait until nothing of a start is under way; return the process id if it got as far as running."""
        if not files.conmon_pid.exists():
            # Either conmon was never begun or it is about to write the file: its group knows.
            while not files.conmon_pid.exists():
                pids = self.groups.processes("supervisors", str(key))
                if not pids:
                    return None
                await processes.ended(pids[0])
        pid = await conmon.answered(files)
        null_device.give_back()
        if pid is None or not files.started.exists():
            return None
        # The runtime's "start" may still be at work; conmon alone stays.
        monitor = conmon.read_pid(files.conmon_pid)
        while others := [one for one in self.groups.processes("supervisors", str(key)) if one != monitor]:
            await processes.ended(others[0])
            await asyncio.sleep(0)
        runtime = self._runtime_of(key)
        if runtime is None:
            return None
        if self.exits.read(key) is None and await _status(runtime, str(key)) == "created":
            return None
        return pid

    async def _adopt_console(self, key: TaskKey, files: TaskFiles) -> None:
        facts = json.loads(await self._run(lambda: text_of(files.facts)) or "{}")
        streams = Streams(**facts.get("streams", {}))
        # conmon may just be ending, and its exit code on its way.
        with contextlib.suppress(OSError):
            await self.consoles.open(key, files, streams, run=facts.get("run", 0), adopted=True)

    async def _undo(self, key: TaskKey) -> None:
        """Delete, whatever happens to the caller meanwhile."""
        task = asyncio.create_task(self.delete(key), name=f"undo-{key}")
        cancelled: asyncio.CancelledError | None = None
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled
        task.result()

    def _files(self, key: TaskKey) -> TaskFiles:
        return TaskFiles(self._paths.tasks / str(key))

    def _runtime_of(self, key: TaskKey) -> Runtime | None:
        try:
            return self._runtimes.get(json.loads(self._files(key).facts.read_text())["runtime"])
        except (FileNotFoundError, ValueError, KeyError):
            # Without the file nothing was ever begun with a runtime, except for strays of another configuration.
            return next((one for one in self._runtimes.values() if (one.root / str(key)).exists()), None)

    async def _run(self, function: Callable[[], T]) -> T:
        return await finished(self._executor, function)


def _running(pid: int, conmon_pid: int) -> Running:
    return Running(
        pid=pid,
        pid_start=processes.start_time(pid),
        conmon_pid=conmon_pid,
        conmon_start=processes.start_time(conmon_pid),
    )


async def _status(runtime: Runtime, name: str) -> str:
    process = await asyncio.create_subprocess_exec(
        str(runtime.program),
        *("--root", str(runtime.root), "state", name),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    output, _ = await process.communicate()
    try:
        return str(json.loads(output)["status"])
    except (ValueError, KeyError):
        return ""
