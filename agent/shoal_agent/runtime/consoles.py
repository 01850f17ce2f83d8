"""The input of containers, and their terminals: one connection to each conmon that holds one of them.

conmon gives what it reads to everybody who is connected to it, and waits for them: one who does not read stops the
container. So the agent alone is connected, always reads, and keeps the last of it (a "ring") for its clients. One who
falls behind holds the terminal up as a slow screen would, for a moment at most; then it is let go of.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Final

from shoal_agent.runtime.conmon import TaskFiles
from shoal_agent.runtime.control import Control
from shoal_agent.runtime.task import Streams, TaskKey
from shoal_common.errors import Conflict, Unavailable

#: Bytes of a terminal's output that are kept.
RING: Final = 256 << 10
#: Seconds for which a client that takes nothing may hold up a terminal.
STALL: Final = 1.0
#: Seconds for which the last output of a terminal is kept after its end, for clients that are on their way.
LINGER: Final = 30.0
#: Bytes that are given to a client at a time.
_PIECE: Final = 64 << 10
#: conmon cuts off what is beyond 32 KiB of one packet, and reads 8 KiB of output at a time.
_PACKET: Final = 16 << 10
_MOST: Final = 64 << 10


@dataclass(eq=False, slots=True)
class _Reader:
    position: int
    moved: float
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """Some output, and the place after it; `missed`: some of what was before it is lost."""

    data: bytes
    end: int
    missed: bool = False


@dataclass(eq=False, slots=True)
class _Ring:
    pieces: deque[bytes] = field(default_factory=deque)
    begin: int = 0
    end: int = 0

    def append(self, data: bytes) -> None:
        self.pieces.append(data)
        self.end += len(data)
        while self.end - self.begin - len(self.pieces[0]) >= RING:
            self.begin += len(self.pieces.popleft())

    def after(self, position: int) -> bytes:
        """Return up to `_PIECE` bytes from `position` on, which is within."""
        parts: list[bytes] = []
        at, size = self.begin, 0
        for piece in self.pieces:
            if at + len(piece) > position:
                part = piece[max(0, position - at) :]
                parts.append(part)
                size += len(part)
                if size >= _PIECE:
                    break
            at += len(piece)
        return b"".join(parts)[:_PIECE]


class Console:
    """The connection to one task's conmon.

    Attributes:
        key: the task.
        run: the run that it serves.
        streams: what there is.
        epoch: tells places in its output from those of another agent's.
        ended: set once nothing more comes.
    """

    def __init__(self, key: TaskKey, files: TaskFiles, streams: Streams, *, run: int) -> None:
        self.key = key
        self.run = run
        self.streams = streams
        self.epoch = secrets.randbits(32)
        self.ended = asyncio.Event()
        self._files = files
        self._socket: socket.socket | None = None
        self._task: asyncio.Task[None] | None = None
        self._ring = _Ring()
        self._readers: set[_Reader] = set()
        self._arrived = asyncio.Event()
        self._taken = asyncio.Event()
        self._input = asyncio.Lock()
        self._control = Control.of(files.directory)
        self._input_over = not streams.stdin

    @property
    def end(self) -> int:
        """The place after all output that there is."""
        return self._ring.end

    async def open(self, *, adopted: bool = False) -> None:
        """Connect; `adopted`: another agent was connected before.

        Raises:
            OSError: there is no conmon.
        """
        if adopted and self.streams.stdin_once and not self.streams.tty:
            # It ended with that agent.
            self._input_over = True
        if not self.streams.tty and self._input_over:
            return
        # The path may be longer than the 107 bytes that connect(2) takes.
        directory = os.open(self._files.directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connection.setblocking(False)
            connection.connect(f"/proc/self/fd/{directory}/attach")
        except BaseException:
            connection.close()
            raise
        finally:
            os.close(directory)
        self._socket = connection
        self._task = asyncio.create_task(self._receive(connection), name=f"console-{self.key.container[:12]}")

    async def close(self) -> None:
        """Break the connection, and end whoever reads."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._over()

    async def read(self, position: int) -> AsyncGenerator[Piece, None]:
        """Give the output from a place on, up to its end.

        Raises:
            Unavailable: nothing was taken for too long, while more came than is kept.
        """
        missed = position < self._ring.begin
        reader = _Reader(max(position, self._ring.begin), _now())
        self._readers.add(reader)
        try:
            while True:
                if reader.dropped:
                    raise Unavailable(
                        f"the terminal of container {self.key.container[:12]} was let go of: what it writes was not "
                        "read (attach again)"
                    )
                if reader.position < self._ring.end:
                    data = self._ring.after(reader.position)
                    reader.position += len(data)
                    reader.moved = _now()
                    self._taken.set()
                    yield Piece(data, reader.position, missed)
                    missed = False
                    # Until it was taken.
                    reader.moved = _now()
                elif self.ended.is_set():
                    return
                else:
                    arrived = self._arrived
                    await arrived.wait()
        finally:
            self._readers.discard(reader)
            self._taken.set()

    async def write(self, data: bytes) -> None:
        """Give input; waits while the program does not read it.

        Raises:
            Conflict: it takes none, or no more.
        """
        async with self._input:
            for begin in range(0, len(data), _PACKET):
                if self._input_over or self._socket is None:
                    raise Conflict(f"container {self.key.container[:12]} takes no more input")
                try:
                    await asyncio.get_running_loop().sock_sendall(self._socket, data[begin : begin + _PACKET])
                except OSError as error:
                    self._input_over = True
                    raise Conflict(f"container {self.key.container[:12]} takes no more input") from error

    async def end_input(self) -> None:
        """End the input, if it is one that ends with its client; what was given before arrives."""
        if self.streams.tty or not self.streams.stdin_once:
            return
        async with self._input:
            self._input_over = True
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_WR)

    async def resize(self, columns: int, rows: int) -> None:
        """Tell the terminal its size; nothing happens once it has ended."""
        if self.streams.tty and columns and rows:
            await self._control.resize([(columns, rows)])

    async def redraw(self, columns: int, rows: int) -> None:
        """Tell the terminal its size so that a program draws its screen anew, whatever the size was before."""
        if self.streams.tty and columns and rows:
            await self._control.resize([(columns + 1, rows), (columns, rows)])

    async def _receive(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            while packet := await loop.sock_recv(connection, _MOST):
                # The first byte says which stream it is; without a terminal, output is read from the log.
                if self.streams.tty and len(packet) > 1:
                    await self._room(len(packet))
                    self._ring.append(packet[1:])
                    self._tell()
        except OSError:
            # conmon is gone, which is the same as the end.
            pass
        finally:
            self._over()

    async def _room(self, size: int) -> None:
        """Wait until nobody loses output by so much more; let go of who does not move."""
        while late := [reader for reader in self._readers if self._ring.end + size - reader.position > RING]:
            first = min(late, key=lambda reader: reader.moved)
            self._taken.clear()
            try:
                async with asyncio.timeout_at(first.moved + STALL):
                    await self._taken.wait()
            except TimeoutError:
                if first.moved + STALL <= _now():
                    first.dropped = True
                    self._readers.discard(first)

    def _tell(self) -> None:
        arrived, self._arrived = self._arrived, asyncio.Event()
        arrived.set()

    def _over(self) -> None:
        self._input_over = True
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self.ended.set()
        self._tell()


class Consoles:
    """The consoles of this node's tasks; the last of each container stays known for a while after its end."""

    def __init__(self) -> None:
        self._consoles: dict[TaskKey, Console] = {}
        self._changed = asyncio.Event()

    async def open(
        self, key: TaskKey, files: TaskFiles, streams: Streams, *, run: int, adopted: bool = False
    ) -> Console | None:
        """Connect to a task's conmon; None if there is nothing to connect to.

        Raises:
            OSError: there is no conmon.
        """
        if not streams.attachable or key in self._consoles:
            return self._consoles.get(key)
        console = Console(key, files, streams, run=run)
        await console.open(adopted=adopted)
        self._consoles[key] = console
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        return console

    def find(self, key: TaskKey) -> Console | None:
        """Return a task's console."""
        return self._consoles.get(key)

    def of_run(self, container: str, run: int) -> Console | None:
        """Return the last console of a container's run (0: of any), also of one that was removed."""
        found = [one for key, one in self._consoles.items() if key.container == container and run in (0, one.run)]
        return max(found, key=lambda one: (one.key.generation, one.key.attempt), default=None)

    async def appeared(self, key: TaskKey) -> Console:
        """Return a task's console once there is one."""
        while (console := self._consoles.get(key)) is None:
            await self._changed.wait()
        return console

    async def drop(self, key: TaskKey) -> None:
        """The task is gone: its console ends, and is forgotten once clients had time to come for the last of it."""
        console = self._consoles.get(key)
        if console is not None and console.key == key:
            await console.close()
            asyncio.get_running_loop().call_later(LINGER, self._forget, key, console)

    async def close(self) -> None:
        """Break all connections; containers run on."""
        for console in list(self._consoles.values()):
            await console.close()
        self._consoles.clear()

    def _forget(self, key: TaskKey, console: Console) -> None:
        if self._consoles.get(key) is console:
            del self._consoles[key]


def _now() -> float:
    return asyncio.get_running_loop().time()
