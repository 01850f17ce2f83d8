"""A terminal for a command that is executed beside the first process; it hangs up when the agent ends.

The runtime makes the terminal inside the container. crun sends its other end over a socket. runc does so only for what
it does not stay with, so that it is started in a terminal that is made here, and copies between the two. (crun does
that as well, but without passing a new size on: 1.8, container.c, wait_for_process.)
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import socket
import struct
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

#: Makes its standard input the controlling terminal, so that the runtime hears of changes of its size.
CONTROLLING: Final = ("/usr/bin/setsid", "--ctty")


class Pseudoterminal:
    """The outer end of a terminal.

    Args:
        master: its file descriptor, which is closed by `close`.
    """

    def __init__(self, master: int) -> None:
        self._master = master
        os.set_blocking(master, False)
        self._writing = asyncio.Lock()
        self._closed = False
        self._drained = asyncio.Event()
        self._waiting: set[asyncio.Future[None]] = set()

    def resize(self, columns: int, rows: int) -> None:
        """Set the size; who runs in it is told. Zeros change nothing."""
        if columns and rows:
            size = struct.pack("HHHH", min(rows, 0xFFFF), min(columns, 0xFFFF), 0, 0)
            # It may have ended.
            with contextlib.suppress(OSError):
                fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)

    async def read(self, limit: int) -> bytes:
        """Return what was written to it, at least a byte; b"" at the end."""
        loop = asyncio.get_running_loop()
        while not self._closed:
            try:
                data = os.read(self._master, limit)
                self._drained.set()
                return data
            except BlockingIOError:
                await self._ready(loop.add_reader, loop.remove_reader)
            except OSError:
                # EIO: nobody has the other end any more.
                return b""
        return b""

    async def write(self, data: bytes) -> None:
        """Write all of `data`, waiting while the terminal takes nothing.

        Raises:
            ConnectionError: it has ended.
        """
        loop = asyncio.get_running_loop()
        view = memoryview(data)
        async with self._writing:
            while view:
                if self._closed:
                    raise ConnectionError("the terminal has ended")
                try:
                    view = view[os.write(self._master, view) :]
                except BlockingIOError:
                    await self._ready(loop.add_writer, loop.remove_writer)
                except OSError as error:
                    raise ConnectionError("the terminal has ended") from error

    def close(self) -> None:
        """Hang up; whoever reads or writes ends."""
        if not self._closed:
            self._closed = True
            self._drained.set()
            for future in self._waiting:
                _tell(future)
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._master)
            loop.remove_writer(self._master)
            os.close(self._master)

    async def close_when_read(self) -> None:
        """Hang up once what was written by now is read, however slowly."""
        while not self._closed and self._unread():
            self._drained.clear()
            await self._drained.wait()
        self.close()

    def _unread(self) -> int:
        return int.from_bytes(fcntl.ioctl(self._master, termios.FIONREAD, bytes(4)), sys.byteorder)

    async def _ready(self, add: Callable[..., Any], remove: Callable[[int], Any]) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        add(self._master, _tell, future)
        try:
            await future
        finally:
            self._waiting.discard(future)
            if not self._closed:
                remove(self._master)


@contextmanager
def terminal_around() -> Iterator[tuple[Pseudoterminal, int]]:
    """Give a terminal that changes nothing of what goes through it, and its inner end, which is closed at the end."""
    master, slave = pty.openpty()
    try:
        tty.setraw(slave)
        yield Pseudoterminal(master), slave
    finally:
        os.close(slave)


class ConsoleSocket:
    """Where a runtime sends the outer end of the terminal that it made.

    Args:
        directory: where the socket is made.
    """

    def __init__(self, directory: Path) -> None:
        # Paths of sockets have at most 107 bytes.
        self._directory = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self.path = f"/proc/{os.getpid()}/fd/{self._directory}/console"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._socket.bind(self.path)
        self._socket.listen(1)

    async def received(self) -> Pseudoterminal:
        """Return the terminal once it was sent.

        Raises:
            ConnectionError: something else was.
        """
        loop = asyncio.get_running_loop()
        connection, _ = await loop.sock_accept(self._socket)
        with connection:
            readable = asyncio.Event()
            loop.add_reader(connection, readable.set)
            try:
                await readable.wait()
            finally:
                loop.remove_reader(connection)
            _, fds, _, _ = socket.recv_fds(connection, 4096, 1)
        if not fds:
            raise ConnectionError("the runtime sent no terminal")
        os.set_inheritable(fds[0], False)
        return Pseudoterminal(fds[0])

    def close(self) -> None:
        """Close it; the file goes with its directory."""
        self._socket.close()
        os.close(self._directory)


def _tell(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
