"""Commands executed beside a container's first process: the runtime's `exec`, with pipes or in a terminal.

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
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from shoal_agent.kernel import processes
from shoal_agent.kernel.inotify import Bell, Event
from shoal_agent.runtime.conmon import Runtime, read_pid
from shoal_agent.runtime.failures import explain
from shoal_agent.runtime.oom_scores import scored
from shoal_agent.runtime.pseudoterminals import CONTROLLING, ConsoleSocket, Pseudoterminal, terminal_around
from shoal_common.errors import Conflict, InvalidSpec

#: Bytes of output that wait in memory before the command is held up.
_BUFFER: Final = 256 << 10
#: Bytes that a pipe of it holds at most.
_PIPE: Final = 1 << 20
#: Seconds from the command's end until its output counts as complete, whoever else has it open.
_LINGER: Final = 1.0
#: Seconds that a command may take to begin once nobody waits for it any more.
_GIVEN_UP: Final = 1.0
#: Seconds for the terminal of a command that runs to arrive.
_TERMINAL: Final = 5.0


@dataclass(frozen=True, slots=True)
class ExecSpec:
    """A command to execute.

    Attributes:
        args: program and arguments.
        env: "NAME=VALUE" each, over the container's own.
        cwd: absolute; "" for the container's own.
        user: "user", "uid", "user:group" or "uid:gid", looked up inside the container; "" for root.
        stdin: whether there will be input.
        tty: it has a terminal; its size is `columns` by `rows`, 0 if nobody knows.
        detach: it stays when nobody is connected to it, and its output is nobody's.
    """

    args: Sequence[str]
    env: Sequence[str] = ()
    cwd: str = ""
    user: str = ""
    stdin: bool = False
    tty: bool = False
    columns: int = 0
    rows: int = 0
    detach: bool = False


_Spawned: TypeAlias = tuple[asyncio.subprocess.Process, asyncio.SubprocessTransport, asyncio.Event]


class _Protocol(asyncio.subprocess.SubprocessStreamProtocol):
    """Tells of the end of the process itself: what it started may have its streams still."""

    def __init__(self, exited: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=_BUFFER, loop=loop)
        self._exit = exited

    def process_exited(self) -> None:
        super().process_exited()
        self._exit.set()


class Readable(Protocol):
    """Output of a command."""

    async def read(self, limit: int, /) -> bytes:
        """Return what is there, at least a byte; b"" at the end."""


class ExecProcess:
    """A command under way. Read all of `outputs`, or it is held up; then `wait`.

    Attributes:
        pid: its process id on the host.
        stdout: its output; all that it writes if it has a terminal.
        stderr: its other output; None if it has a terminal.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        transport: asyncio.SubprocessTransport,
        exited: asyncio.Event,
        terminal: Pseudoterminal | None,
        *,
        pid: int,
        program: str,
        runtime: Runtime,
        directory: Path,
    ) -> None:
        self.pid = pid
        self.stdout: Readable = terminal or process.stdout or _Nothing()
        self.stderr: Readable | None = None if terminal is not None else process.stderr
        self._stdin = process.stdin
        self._terminal = terminal
        self._process = process
        self._transport = transport
        self._exit = exited
        self._pid_start = processes.start_time(pid)
        self._program = program
        self._runtime = runtime
        self._directory = directory

    async def write(self, data: bytes) -> None:
        """Give it input; waits while it is slow to read. What it does not take any more is lost, as with a pipe."""
        with contextlib.suppress(ConnectionError):
            if self._terminal is not None:
                await self._terminal.write(data)
            elif self._stdin is not None:
                self._stdin.write(data)
                await self._stdin.drain()

    def close_input(self) -> None:
        """Say that its input has ended. A terminal's never does."""
        if self._stdin is not None:
            self._stdin.close()

    def resize(self, columns: int, rows: int) -> None:
        """Set the size of its terminal, if it has one."""
        if self._terminal is not None:
            self._terminal.resize(columns, rows)

    async def cut_off(self) -> None:
        """Wait until it has ended, and a moment later end its output too.

        What it left in the background may have its output still, and would keep whoever reads it for as long as it
        lives. What was written before is not lost. (runc passes output on itself, and does not end before that does.)
        """
        await processes.ended(self._process.pid)
        if self._terminal is not None:
            await asyncio.sleep(_LINGER)
            await self._terminal.close_when_read()
        pipes = [pipe for pipe in map(self._transport.get_pipe_transport, (1, 2)) if pipe is not None]
        while pipes := [pipe for pipe in pipes if not pipe.is_closing()]:
            await asyncio.sleep(_LINGER)
            for pipe in pipes:
                if not pipe.is_closing() and not _unread(pipe):
                    pipe.close()

    async def wait(self) -> int:
        """Wait until it has ended and return its exit code; 128 + N for signal N; 126 or 127 if it never ran."""
        code = await self._process.wait()
        await _close(self._stdin)
        self.hang_up()
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

    async def left(self) -> int:
        """Wait until the runtime has left the command, if it is a detached one; 0 if it runs."""
        await self._exit.wait()
        code = self._transport.get_returncode() or 0
        said = _read(self._directory / "log")
        shutil.rmtree(self._directory, ignore_errors=True)
        return explain(self._runtime.name, said, self._program).code if code and said else code

    def hang_up(self) -> None:
        """Close its terminal, if it has one."""
        if self._terminal is not None:
            self._terminal.close()

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
    the rest, and what an agent that died left in its group, the next one ends. (A detached command has no helper.)

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
        score = section.get("oomScoreAdj")
        command = scored(
            score if isinstance(score, int) else None,
            [
                *(str(runtime.program), *runtime.arguments(own / "log"), "exec"),
                *(("--detach",) if spec.detach else ()),
                *("--process", str(own / "process.json"), "--pid-file", str(own / "pid")),
            ],
        )
        async with Bell(own, Event.CLOSE_WRITE | Event.MOVED_TO) as bell:
            if spec.tty and not spec.detach:
                process, transport, exited, pid, terminal = await _in_terminal(command, spec, name, runtime, own, bell)
            else:
                terminal = None
                process, transport, exited = await _spawn([*command, name], spec)
                pid = await _begun_or_given_up(process, own, bell)
        if pid is None:
            await _close(process.stdin)
            said = _read(own / "log") or (await _all(terminal or process.stderr or _Nothing()))
            raise explain(runtime.name, said, spec.args[0])
    except BaseException:
        shutil.rmtree(own, ignore_errors=True)
        raise
    begun = ExecProcess(
        process, transport, exited, terminal, pid=pid, program=spec.args[0], runtime=runtime, directory=own
    )
    begun.resize(spec.columns, spec.rows)
    return begun


async def _spawn(command: Sequence[str], spec: ExecSpec) -> _Spawned:
    if spec.stdin and not spec.detach:
        return await _subprocess(command, stdin=subprocess.PIPE, output=subprocess.PIPE)
    with _nothing() as stdin:
        return await _subprocess(command, stdin=stdin, output=subprocess.PIPE)


async def _in_terminal(
    command: Sequence[str], spec: ExecSpec, name: str, runtime: Runtime, own: Path, bell: Bell
) -> tuple[asyncio.subprocess.Process, asyncio.SubprocessTransport, asyncio.Event, int | None, Pseudoterminal | None]:
    """Start the runtime's helper so that the command has a terminal; see `pseudoterminals`."""
    if runtime.name == "runc":
        with terminal_around() as (terminal, inner):
            terminal.resize(spec.columns, spec.rows)
            try:
                whole = [*CONTROLLING, *command, name]
                process, transport, exited = await _subprocess(whole, stdin=inner, output=inner, session=False)
                pid = await _begun_or_given_up(process, own, bell)
            except BaseException:
                terminal.close()
                raise
        return process, transport, exited, pid, terminal
    console = ConsoleSocket(own)
    try:
        whole = [*command, "--console-socket", console.path, name]
        with _nothing() as stdin:
            process, transport, exited = await _subprocess(whole, stdin=stdin, output=subprocess.PIPE)
        pid = await _begun_or_given_up(process, own, bell)
        if pid is None:
            return process, transport, exited, None, None
        async with asyncio.timeout(_TERMINAL):
            return process, transport, exited, pid, await console.received()
    finally:
        console.close()


async def _subprocess(command: Sequence[str], *, stdin: int, output: int, session: bool = True) -> _Spawned:
    """Start a program, as asyncio.create_subprocess_exec does, which keeps the transport to itself."""
    loop = asyncio.get_running_loop()
    exited = asyncio.Event()
    transport, protocol = await loop.subprocess_exec(
        lambda: _Protocol(exited, loop),
        *command,
        stdin=stdin,
        stdout=output,
        stderr=output,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        start_new_session=session,
    )
    for pipe in filter(None, map(transport.get_pipe_transport, (0, 1, 2))):
        # What goes through at once costs as much as a page of it; the room is only taken when it is needed. The pipes
        # of a program that has ended by now may be closed.
        file = pipe.get_extra_info("pipe")
        if not file.closed:
            with contextlib.suppress(OSError):
                fcntl.fcntl(file, fcntl.F_SETPIPE_SZ, _PIPE)
    return asyncio.subprocess.Process(transport, protocol, loop), transport, exited


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


async def _begun_or_given_up(process: asyncio.subprocess.Process, own: Path, bell: Bell) -> int | None:
    """Do as `_begun`, and end the command if nobody waits for it any more."""
    try:
        return await _begun(process, own, bell)
    except BaseException:
        await _given_up(process, own, bell)
        raise


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


class _Nothing:
    async def read(self, limit: int, /) -> bytes:
        return b""


async def _all(output: Readable) -> str:
    said = b""
    while len(said) < _BUFFER and (piece := await output.read(_BUFFER)):
        said += piece
    return said.decode(errors="replace")


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
