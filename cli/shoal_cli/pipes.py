"""Raw bytes from and to the standard streams without blocking the loop, and without changing their flags.

The flags belong to everybody who shares the terminal or pipe, so that O_NONBLOCK is out of the question; a pipe that
polls as writable takes at least 4096 bytes (pipe(7), PIPE_BUF), and files take all.
"""

from __future__ import annotations

import asyncio
import os
import select
import stat
from collections.abc import AsyncGenerator, Callable
from typing import Final

#: What a writable pipe takes without blocking.
PIPE_BUF: Final = 4096
#: Most bytes to read at once.
CHUNK: Final = 64 << 10


async def _ready(fd: int, add: Callable[..., None], remove: Callable[[int], bool]) -> None:
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def tell() -> None:
        if not done.done():
            done.set_result(None)

    add(fd, tell)
    try:
        await done
    finally:
        remove(fd)


async def write(fd: int, data: bytes) -> None:
    """Write all of `data` to `fd`.

    Raises:
        BrokenPipeError: nobody reads any more.
    """
    loop = asyncio.get_running_loop()
    limit = len(data) if stat.S_ISREG(os.fstat(fd).st_mode) else PIPE_BUF
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    view = memoryview(data)
    while view:
        if not poll.poll(0):
            await _ready(fd, loop.add_writer, loop.remove_writer)
        view = view[os.write(fd, view[:limit]) :]


async def chunks(fd: int) -> AsyncGenerator[bytes, None]:
    """Yield what can be read from `fd` until its end."""
    loop = asyncio.get_running_loop()
    watched = True
    while True:
        if watched:
            try:
                await _ready(fd, loop.add_reader, loop.remove_reader)
            except PermissionError:
                # epoll knows no regular files and no /dev/null: these never block for long.
                watched = False
        data = os.read(fd, CHUNK)
        if not data:
            return
        yield data
