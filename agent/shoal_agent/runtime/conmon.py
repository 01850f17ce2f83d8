"""conmon: the small process that outlives the agent, holds a container's output and records how it ended.

conmon 2.1.6 and later. What it is given holds nothing of the agent: its standard streams are /dev/null, it has a
session of its own, and what it answers ("sync pipe") goes to a file, so that an agent that dies breaks nothing and the
next one can still read the answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shoal_agent.kernel.inotify import Bell, Event
from shoal_agent.kernel.processes import ended
from shoal_agent.runtime.failures import RUNTIME_FAILED, StartFailed
from shoal_agent.runtime.oom_scores import scored
from shoal_agent.runtime.task import Streams

CONMON: Final = Path("/usr/bin/conmon")

#: Enters control groups, then becomes what is to be run: there is no moment at which the program is outside of them,
#: nor one at which somebody else would have to move it.
_ENTER: Final = 'n=$1; shift; while [ "$n" -gt 0 ]; do echo 0 >"$1" || exit 125; shift; n=$((n-1)); done; exec "$@"'

#: conmon and the runtimes need nothing else.
_ENVIRONMENT: Final = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


@dataclass(frozen=True, slots=True)
class TaskFiles:
    """The files of one attempt, below its own directory."""

    directory: Path

    @property
    def config(self) -> Path:
        """The OCI configuration; it holds the environment: mode 0600."""
        return self.directory / "config.json"

    @property
    def facts(self) -> Path:
        """What a later agent must know (runtime, environment, range of ids)."""
        return self.directory / "task.json"

    @property
    def own(self) -> Path:
        """Where the container's own /etc/hosts and the like are: a small tmpfs, which the container can fill."""
        return self.directory / "etc"

    @property
    def devices(self) -> Path:
        """Where the nodes of devices that it was given are."""
        return self.directory / "devices"

    @property
    def shm(self) -> Path:
        """Where its /dev/shm lies if others may join its ipc."""
        return self.directory / "shm"

    @property
    def started(self) -> Path:
        """Made before the runtime is asked to start what it has created."""
        return self.directory / "started"

    @property
    def answer(self) -> Path:
        """What conmon said of the creation."""
        return self.directory / "answer"

    @property
    def conmon_pid(self) -> Path:
        """conmon's process id."""
        return self.directory / "conmon.pid"

    @property
    def container_pid(self) -> Path:
        """The process id of the container's first process."""
        return self.directory / "container.pid"

    @property
    def runtime_log(self) -> Path:
        """The runtime's own log, JSON lines."""
        return self.directory / "runtime.log"


@dataclass(frozen=True, slots=True)
class Runtime:
    """An OCI runtime: its name, its program, and the directory where it remembers containers."""

    name: str
    program: Path
    root: Path

    def arguments(self, log: Path) -> list[str]:
        """Return its global options."""
        return ["--root", str(self.root), "--log", str(log), "--log-format", "json"]


def within(groups: Sequence[Path], command: Sequence[str]) -> list[str]:
    """Return a command that enters control groups (their `cgroup.procs`) and then is `command`."""
    if not groups:
        return list(command)
    return ["/bin/sh", "-c", _ENTER, "shoal", str(len(groups)), *map(str, groups), *command]


async def spawn(command: Sequence[str], groups: Sequence[Path] = ()) -> int:
    """Run a command in control groups, apart from the agent's streams and session; return its exit code.

    Without groups it stays in the agent's: to enter others may take the kernel longer than the command takes.
    """
    return await _run(within(groups, command), _ENVIRONMENT, directory=Path("/"))


async def create(
    files: TaskFiles,
    *,
    name: str,
    runtime: Runtime,
    groups: Sequence[Path],
    log: Path,
    exits: Path,
    streams: Streams,
    oom_score: int | None,
) -> None:
    """Start conmon, which has the runtime create the container; return when conmon runs.

    The answer comes later: see `answered`.

    Raises:
        StartFailed: conmon itself could not be started.
    """
    command = [
        *(str(CONMON), "--api-version", "1", "--cid", name, "--cuuid", name, "--name", name),
        *("--runtime", str(runtime.program), "--bundle", str(files.directory)),
        *("--container-pidfile", str(files.container_pid), "--conmon-pidfile", str(files.conmon_pid)),
        *("--exit-dir", str(exits), "--log-path", f"k8s-file:{log}"),
        # The log is flushed by the kernel in its own time: waiting for the disk would delay every exit.
        *("--no-sync-log", "--no-new-keyring", "--full-attach", "--log-level", "error"),
        *_stream_options(streams),
        *(part for option in runtime.arguments(files.runtime_log) for part in ("--runtime-arg", option)),
    ]
    answer = os.open(files.answer, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        # conmon leaves a file "oom" where it works.
        code = await _run(
            within(groups, scored(oom_score, command)),
            {**_ENVIRONMENT, "_OCI_SYNCPIPE": str(answer)},
            answer,
            directory=files.directory,
        )
    finally:
        os.close(answer)
    if code != 0:
        raise StartFailed(RUNTIME_FAILED, f"{CONMON} could not be started (exit code {code}; is conmon installed?)")


def _stream_options(streams: Streams) -> list[str]:
    options = ["--terminal"] if streams.tty else []
    if streams.stdin:
        options.append("--stdin")
        if streams.tty or not streams.stdin_once:
            options.append("--leave-stdin-open")
    return options


async def _run(command: Sequence[str], env: Mapping[str, str], *descriptors: int, directory: Path) -> int:
    """Run a command to its end and return its exit code. Whoever is cancelled kills it, and goes when it is gone.

    Until it has entered its group nobody who clears the group away would find it.
    """
    cancelled: asyncio.CancelledError | None = None
    spawning = asyncio.create_task(
        asyncio.create_subprocess_exec(
            *command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=env,
            start_new_session=True,
            pass_fds=descriptors,
            cwd=directory,
        ),
        name="spawn",
    )
    while not spawning.done():
        try:
            await asyncio.wait([spawning])
        except asyncio.CancelledError as error:
            cancelled = error
    process = spawning.result()
    waiting = asyncio.create_task(process.wait(), name=f"wait-{process.pid}")
    while not waiting.done():
        if cancelled is not None and process.returncode is None:
            # Not by its own method, which would also take the exit code away from asyncio.
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        try:
            await asyncio.wait([waiting])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return waiting.result()


async def answered(files: TaskFiles) -> int | None:
    """Wait for conmon's answer and return the id of the container's first process; None if creation failed."""
    conmon = read_pid(files.conmon_pid)
    async with Bell(files.answer, Event.MODIFY) as bell:
        if (answer := read_answer(files)) is not None:
            return answer if answer > 0 else None
        watcher = asyncio.create_task(ended(conmon), name=f"watch-conmon-{conmon}")
        watcher.add_done_callback(lambda _: bell.ring())
        try:
            while (answer := read_answer(files)) is None and not watcher.done():
                await bell.wait()
        finally:
            watcher.cancel()
            await asyncio.wait([watcher])
    # It may have answered in its last moment.
    answer = read_answer(files) if answer is None else answer
    return answer if answer is not None and answer > 0 else None


def read_answer(files: TaskFiles) -> int | None:
    """Return the process id that conmon answered, -1 for a failure, None if it hasn't answered yet."""
    try:
        lines = files.answer.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return None
    if not lines or not lines[0].endswith(b"\n"):
        return None
    try:
        return int(json.loads(lines[0])["data"])
    except (ValueError, KeyError, TypeError):
        # What the runtime said may not be valid in conmon's hand-made JSON; only a failure has such text.
        return -1


def read_pid(file: Path) -> int:
    """Return the process id in a file; 0 if there is none."""
    try:
        return int(file.read_text().strip() or 0)
    except (FileNotFoundError, ValueError):
        return 0
