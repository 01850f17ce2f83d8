"""Carries the streams of a command executed beside a container's first process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from signal import SIGKILL
from typing import Final

from shoal_agent.runtime.exec import ExecProcess, ExecSpec, Readable
from shoal_agent.runtime.failures import RUNTIME_FAILED, StartFailed
from shoal_common.errors import Conflict
from shoal_proto.v1.agent_pb2 import AgentExecRequest
from shoal_proto.v1.container_pb2 import ExecResponse, ExecStart

#: Bytes of a command's output in one message, and messages that wait to be sent.
_CHUNK: Final = 256 << 10
_WAITING: Final = 4


def exec_spec(start: ExecStart, user: str) -> ExecSpec:
    """Return what a request asks for; `user` is the container's, for one that names none."""
    return ExecSpec(
        args=tuple(start.args),
        env=tuple(start.env),
        cwd=start.working_dir,
        user=start.user or user,
        stdin=start.stdin,
        # Of one that nobody is connected to nobody is at the terminal.
        tty=start.tty and not start.detach,
        columns=start.size.columns,
        rows=start.size.rows,
        detach=start.detach,
    )


def never_ran(error: StartFailed) -> list[ExecResponse]:
    """Return what is told of a program that is not there, or can't be executed (127, 126)."""
    return [ExecResponse(stderr=f"shoal: {error.message}\n".encode()), ExecResponse(exit_code=error.code)]


async def leave(
    process: ExecProcess, program: str, keep: Callable[[Coroutine[None, None, None]], None]
) -> AsyncGenerator[ExecResponse, None]:
    """Say that a detached command runs, and have its output read for nobody.

    Raises:
        StartFailed: it does not.
    """
    if code := await process.left():
        raise StartFailed(RUNTIME_FAILED, f'"{program}" could not be started (exit code {code})')
    keep(_drain(process))
    yield ExecResponse(started=process.pid)


async def relay(
    process: ExecProcess,
    requests: AsyncIterator[AgentExecRequest],
    keep: Callable[[Coroutine[None, None, None]], None],
) -> AsyncGenerator[ExecResponse, None]:
    """Carry a command's streams; kill it if the client goes away first, without having said that it may stay.

    Args:
        keep: has what reads the output of one that stays carried on.
    """
    waiting: asyncio.Queue[ExecResponse | None] = asyncio.Queue(_WAITING)
    left = asyncio.Event()

    async def pump(output: Readable, *, error: bool) -> None:
        while data := await output.read(_CHUNK):
            await waiting.put(ExecResponse(stderr=data) if error else ExecResponse(stdout=data))
        await waiting.put(None)

    outputs = [asyncio.create_task(pump(process.stdout, error=False), name=f"exec-stdout-{process.pid}")]
    if process.stderr is not None:
        outputs.append(asyncio.create_task(pump(process.stderr, error=True), name=f"exec-stderr-{process.pid}"))
    work = [
        *outputs,
        asyncio.create_task(_feed(process, requests, left), name=f"exec-input-{process.pid}"),
        asyncio.create_task(_wake(left, waiting), name=f"exec-left-{process.pid}"),
        asyncio.create_task(process.cut_off(), name=f"exec-end-{process.pid}"),
    ]
    ended = False
    try:
        yield ExecResponse(started=process.pid)
        open_streams = len(outputs)
        while open_streams:
            response = await waiting.get()
            if left.is_set():
                ended = True
                keep(_read_on(process))
                yield ExecResponse(exit_code=0)
                return
            if response is None:
                open_streams -= 1
            else:
                yield response
        code = await process.wait()
        ended = True
        yield ExecResponse(exit_code=code)
    finally:
        for task in work:
            task.cancel()
        await asyncio.wait(work)
        if not ended:
            process.hang_up()
            with contextlib.suppress(Conflict):
                process.signal(SIGKILL)


async def _wake(left: asyncio.Event, waiting: asyncio.Queue[ExecResponse | None]) -> None:
    """Have who waits for output look at `left` once it is set."""
    await left.wait()
    await waiting.put(None)


async def _read_on(process: ExecProcess) -> None:
    """Read what a command writes that its client has left, for nobody, up to its end."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(process.cut_off(), name=f"exec-end-{process.pid}")
        tasks.create_task(_drain(process), name=f"exec-left-{process.pid}")
    await process.wait()


async def _drain(process: ExecProcess) -> None:
    """Read all that a command writes, so that it is not held up."""

    async def drain(output: Readable) -> None:
        while await output.read(_CHUNK):
            pass

    async with asyncio.TaskGroup() as tasks:
        for output in (process.stdout, process.stderr):
            if output is not None:
                tasks.create_task(drain(output), name=f"exec-left-{process.pid}")


async def _feed(process: ExecProcess, requests: AsyncIterator[AgentExecRequest], left: asyncio.Event) -> None:
    """Give a command what its client sends."""
    async for request in requests:
        message = request.request
        match message.WhichOneof("message"):
            case "stdin":
                await process.write(message.stdin)
            case "close_stdin":
                process.close_input()
            case "signal":
                with contextlib.suppress(Conflict):
                    process.signal(message.signal)
            case "resize":
                process.resize(message.resize.columns, message.resize.rows)
            case "detach":
                left.set()
                return
            case _:
                pass
    process.close_input()
