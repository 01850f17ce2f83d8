"""Raw bytes from and to the standard streams without blocking the loop, and without changing their flags.

The flags belong to everybody who shares the terminal or pipe, so that O_NONBLOCK is out of the question. A pipe is
opened a second time for writing, which has flags of its own; where that can't be done, what polls as writable takes at
least 4096 bytes (pipe(7), PIPE_BUF). Files take all.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import select
import stat
from collections.abc import AsyncGenerator, Callable
from functools import lru_cache
from typing import Final

#: What a writable pipe takes without blocking.
PIPE_BUF: Final = 4096
#: Most bytes to read at once.
CHUNK: Final = 256 << 10
#: What a pipe is asked to hold: each turn of ours costs more than the copying.
_ROOM: Final = 1 << 20


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


def _widen(fd: int) -> None:
    """Give a pipe more room, if it is one and may have it."""
    with contextlib.suppress(OSError, AttributeError):
        if fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ) < _ROOM:
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _ROOM)


@lru_cache(maxsize=8)
def _writable(fd: int, device: int, inode: int) -> tuple[int, int | None]:
    """Return the descriptor by which `fd`, which is a pipe, is written to, and how much it takes; None: what fits."""
    try:
        own = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return fd, PIPE_BUF
    _widen(own)
    return own, None


async def write(fd: int, data: bytes) -> None:
    """Write all of `data` to `fd`.

    Raises:
        BrokenPipeError: nobody reads any more.
    """
    known = os.fstat(fd)
    limit: int | None = PIPE_BUF
    if stat.S_ISREG(known.st_mode):
        limit = None
    elif stat.S_ISFIFO(known.st_mode):
        fd, limit = _writable(fd, known.st_dev, known.st_ino)
    loop = asyncio.get_running_loop()
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    view = memoryview(data)
    while view:
        if not poll.poll(0):
            await _ready(fd, loop.add_writer, loop.remove_writer)
        with contextlib.suppress(BlockingIOError):
            view = view[os.write(fd, view[:limit]) :]


async def chunks(fd: int) -> AsyncGenerator[bytes, None]:
    """Yield what can be read from `fd` until its end."""
    _widen(fd)
    loop = asyncio.get_running_loop()
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    while True:
        # Of regular files and /dev/null, which epoll does not know, poll says so at once.
        if not poll.poll(0):
            await _ready(fd, loop.add_reader, loop.remove_reader)
        data = os.read(fd, CHUNK)
        if not data:
            return
        yield data
