"""Commands executed beside a container's first process, without a terminal: the runtime's `exec`, with pipes.

The command dies with its streams: when the agent ends, they close. Its exit code is the runtime's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shoal_agent.kernel import processes
from shoal_agent.kernel.inotify import Bell, Event
from shoal_agent.runtime.conmon import Runtime, read_pid
from shoal_agent.runtime.failures import explain
from shoal_common.errors import Conflict, InvalidSpec

#: Bytes of output that wait in memory before the command is held up.
_BUFFER: Final = 256 << 10
#: Seconds from the command's end until its output counts as complete, whoever else has it open.
_LINGER: Final = 1.0
#: Seconds that a command may take to begin once nobody waits for it any more.
_GIVEN_UP: Final = 1.0


@dataclass(frozen=True, slots=True)
class ExecSpec:
    """A command to execute.

    Attributes:
        args: program and arguments.
        env: "NAME=VALUE" each, over the container's own.
        cwd: absolute; "" for the container's own.
        user: "user", "uid", "user:group" or "uid:gid", looked up inside the container; "" for root.
        stdin: whether there will be input.
    """

    args: Sequence[str]
    env: Sequence[str] = ()
    cwd: str = ""
    user: str = ""
    stdin: bool = False


class ExecProcess:
    """A command under way. Read both streams, or it is held up; then `wait`.

    Attributes:
        pid: its process id on the host.
        stdout, stderr: its output.
        stdin: its input; close it to say that it has ended. None if there is none.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        transport: asyncio.SubprocessTransport,
        *,
        pid: int,
        program: str,
        runtime: Runtime,
        directory: Path,
    ) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.pid = pid
        self.stdout: asyncio.StreamReader = process.stdout
        self.stderr: asyncio.StreamReader = process.stderr
        self.stdin: asyncio.StreamWriter | None = process.stdin
        self._process = process
        self._transport = transport
        self._pid_start = processes.start_time(pid)
        self._program = program
        self._runtime = runtime
        self._directory = directory

    async def cut_off(self) -> None:
        """Wait until it has ended, and a moment later end its output too.

        What it left in the background may have its output still, and would keep whoever reads it for as long as it
        lives. What was written before is not lost. (runc passes output on itself, and does not end before that does.)
        """
        await processes.ended(self._process.pid)
        pipes = [pipe for pipe in map(self._transport.get_pipe_transport, (1, 2)) if pipe is not None]
        while pipes := [pipe for pipe in pipes if not pipe.is_closing()]:
            await asyncio.sleep(_LINGER)
            for pipe in pipes:
                if not pipe.is_closing() and not _unread(pipe):
                    pipe.close()

    async def wait(self) -> int:
        """Wait until it has ended and return its exit code; 128 + N for signal N; 126 or 127 if it never ran."""
        code = await self._process.wait()
        await _close(self.stdin)
        said = _read(self._directory / "log")
        shutil.rmtree(self._directory, ignore_errors=True)
        if code < 0:
            # The runtime itself was killed: with the container, or by somebody.
            return 128 - code
        return explain(self._runtime.name, said, self._program).code if code and said else code

    def abandon(self) -> None:
        """Kill it, with the rest of its process group, and give up its streams; instead of `wait`."""
        processes.kill_group(self.pid, self._pid_start)
        # Not by the transport's own method, which may take the exit code away from asyncio.
        for pipe in filter(None, map(self._transport.get_pipe_transport, (0, 1, 2))):
            pipe.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def signal(self, number: int) -> None:
        """Send it a signal.

        Raises:
            Conflict: it has ended.
        """
        if not processes.send(self.pid, self._pid_start, number):
            raise Conflict("the command has ended")


async def execute(
    spec: ExecSpec,
    section: Mapping[str, object],
    *,
    name: str,
    runtime: Runtime,
    directory: Path,
) -> ExecProcess:
    """Run a command in a container and return when it has begun.

    The runtime's helper stays in the agent's own control group: to enter another would take the kernel as long as all
    the rest, and what an agent that died left in its group, the next one ends.

    Args:
        spec: the command.
        section: the OCI section `process` made from it.
        name: the runtime's name for the container.
        runtime: the runtime that runs it.
        directory: of the task; a directory below it is used while the command runs.

    Raises:
        InvalidSpec: there is no program.
        StartFailed: it could not be begun.
    """
    if not spec.args or not spec.args[0]:
        raise InvalidSpec("no command was given (append one: shoal exec CONTAINER COMMAND)")
    own = Path(tempfile.mkdtemp(prefix="exec-", dir=directory))
    try:
        (own / "process.json").write_text(json.dumps(section))
        command = [
            *(str(runtime.program), *runtime.arguments(own / "log"), "exec"),
            *("--process", str(own / "process.json"), "--pid-file", str(own / "pid"), name),
        ]
        async with AsyncExitStack() as stack:
            bell = await stack.enter_async_context(Bell(own, Event.CLOSE_WRITE | Event.MOVED_TO))
            loop = asyncio.get_running_loop()
            # As asyncio.create_subprocess_exec does it, which keeps the transport to itself.
            transport, protocol = await loop.subprocess_exec(
                lambda: asyncio.subprocess.SubprocessStreamProtocol(limit=_BUFFER, loop=loop),
                *command,
                stdin=subprocess.PIPE if spec.stdin else stack.enter_context(_nothing()),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
                start_new_session=True,
            )
            process = asyncio.subprocess.Process(transport, protocol, loop)
            try:
                pid = await _begun(process, own, bell)
            except BaseException:
                await _given_up(process, own, bell)
                raise
        if pid is None:
            assert process.stderr is not None
            await _close(process.stdin)
            said = _read(own / "log") or (await process.stderr.read()).decode(errors="replace")
            raise explain(runtime.name, said, spec.args[0])
    except BaseException:
        shutil.rmtree(own, ignore_errors=True)
        raise
    return ExecProcess(process, transport, pid=pid, program=spec.args[0], runtime=runtime, directory=own)


async def _begun(process: asyncio.subprocess.Process, own: Path, bell: Bell) -> int | None:
    """Return the command's process id once the runtime has written it; None if the runtime failed before."""
    end = asyncio.create_task(process.wait(), name="exec-end")
    end.add_done_callback(lambda _: bell.ring())
    try:
        while not (pid := read_pid(own / "pid")) and not end.done():
            await bell.wait()
    finally:
        end.cancel()
        await asyncio.wait([end])
    return pid or read_pid(own / "pid") or None


async def _given_up(process: asyncio.subprocess.Process, own: Path, bell: Bell) -> None:
    """End a command that nobody waits for any more while it begins.

    Without the runtime it might go on, and nobody would know its id: the runtime may say that first.
    """
    pid = None
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GIVEN_UP):
                pid = await _begun(process, own, bell)
    finally:
        if pid is not None:
            processes.kill_group(pid, processes.start_time(pid))
        if process.returncode is None:
            # Not by its own method, which would also take the exit code away from asyncio.
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def _nothing() -> Iterator[int]:
    """Give a pipe at its end. It can't be /dev/null: crun gives that to the container (see `null_device`)."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    os.close(writer)
    try:
        yield reader
    finally:
        os.close(reader)


def _unread(pipe: asyncio.BaseTransport) -> int:
    """Return how many bytes wait in a pipe."""
    return int.from_bytes(fcntl.ioctl(pipe.get_extra_info("pipe"), termios.FIONREAD, bytes(4)), sys.byteorder)


async def _close(stdin: asyncio.StreamWriter | None) -> None:
    """Close the input of a command that has ended; that it read none of it is no error."""
    if stdin is not None:
        stdin.close()
        with contextlib.suppress(ConnectionError):
            await stdin.wait_closed()


def _read(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except FileNotFoundError:
        return ""
