"""`shoal exec` while its command runs: the standard streams, and signals."""

from __future__ import annotations

import asyncio
import signal

from shoal.execution import ExecProcess
from shoal_cli.codes import INTERRUPTED
from shoal_cli.joining import Detached, Streams, join
from shoal_cli.signals import arriving, next_signal


async def command(process: ExecProcess, streams: Streams) -> int:
    """Start the command, stay with it, and return its exit code.

    Raises:
        Detached: the keys were pressed.
    """
    with arriving() as signals:
        work = asyncio.create_task(_work(process, streams), name="shoal-exec-work")
        interrupted = False
        try:
            while (number := await next_signal(work, signals)) is not None:
                if number is signal.SIGINT and (interrupted or not process.pid):
                    return INTERRUPTED
                if streams.raw:
                    # Not typed by its user: it is meant for this process. The command hangs up.
                    return 128 + number
                interrupted = interrupted or number is signal.SIGINT
                await process.signal(number)
            return work.result()
        finally:
            work.cancel()
            await asyncio.wait([work])


async def _work(process: ExecProcess, streams: Streams) -> int:
    async with process:
        try:
            await join(process, streams)
        except Detached:
            await process.detach()
            raise
        return await process.wait()
