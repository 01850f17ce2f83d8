"""`shoal exec` while its command runs: the standard streams, and signals."""

from __future__ import annotations

import asyncio
import signal
from contextlib import aclosing, suppress

from shoal.execution import ByteStream, ExecProcess
from shoal_cli import pipes
from shoal_cli.codes import INTERRUPTED
from shoal_cli.signals import arriving, next_signal


async def command(process: ExecProcess, *, interactive: bool) -> int:
    """Start the command, stay with it, and return its exit code."""
    with arriving() as signals:
        work = asyncio.create_task(_work(process, interactive=interactive), name="shoal-exec-work")
        interrupted = False
        try:
            while (number := await next_signal(work, signals)) is not None:
                if number is signal.SIGINT and (interrupted or not process.pid):
                    return INTERRUPTED
                interrupted = interrupted or number is signal.SIGINT
                await process.signal(number)
            return work.result()
        finally:
            work.cancel()
            await asyncio.wait([work])


async def _work(process: ExecProcess, *, interactive: bool) -> int:
    async with process:
        stdin = asyncio.create_task(_feed(process), name="shoal-exec-stdin") if interactive else None
        outputs = [
            asyncio.create_task(_drain(process.stdout, 1), name="shoal-exec-stdout"),
            asyncio.create_task(_drain(process.stderr, 2), name="shoal-exec-stderr"),
        ]
        try:
            await asyncio.gather(*outputs)
            return await process.wait()
        finally:
            tasks = [task for task in (stdin, *outputs) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


async def _drain(stream: ByteStream, fd: int) -> None:
    async for data in stream:
        await pipes.write(fd, data)


async def _feed(process: ExecProcess) -> None:
    with suppress(BrokenPipeError):
        async with aclosing(pipes.chunks(0)) as pieces:
            async for piece in pieces:
                await process.write(piece)
        await process.close_stdin()
