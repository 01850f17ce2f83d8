"""The input and the terminal of a container, with a socket in conmon's place."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from pathlib import Path

import pytest

from shoal_agent.runtime import consoles
from shoal_agent.runtime.conmon import TaskFiles
from shoal_agent.runtime.consoles import RING, Console, Consoles
from shoal_agent.runtime.task import Streams, TaskKey
from shoal_common.errors import Conflict, Unavailable

KEY = TaskKey("ab" * 32, 1, 1)
TTY = Streams(tty=True, stdin=True, stdin_once=True)
PIPE = Streams(stdin=True, stdin_once=True)


class Conmon:
    """Its side of the attach socket, and the FIFO by which it is told things."""

    def __init__(self, directory: Path) -> None:
        self.files = TaskFiles(directory)
        self.listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listening.bind(str(directory / "attach"))
        self.listening.listen()
        for name in ("ctl", "winsz"):
            os.mkfifo(directory / name)
        self.control = os.open(directory / "ctl", os.O_RDONLY | os.O_NONBLOCK)
        self.sizes = os.open(directory / "winsz", os.O_RDONLY | os.O_NONBLOCK)
        self.socket: socket.socket | None = None

    async def console(self, streams: Streams, *, adopted: bool = False) -> Console:
        console = Console(KEY, self.files, streams, run=1)
        await console.open(adopted=adopted)
        if streams.tty or not adopted:
            self.socket, _ = self.listening.accept()
            self.socket.setblocking(False)
        return console

    async def writes(self, data: bytes) -> None:
        """Give what the container wrote, as conmon does: by 8 KiB, waiting for who reads."""
        assert self.socket is not None
        for begin in range(0, len(data), 8192):
            packet = b"\x02" + data[begin : begin + 8192]
            async with asyncio.timeout(10):
                await asyncio.get_running_loop().sock_sendall(self.socket, packet)

    async def reads(self) -> bytes:
        assert self.socket is not None
        async with asyncio.timeout(10):
            return await asyncio.get_running_loop().sock_recv(self.socket, 1 << 16)

    def close(self) -> None:
        for each in (self.listening, self.socket):
            if each is not None:
                each.close()
        os.close(self.control)
        os.close(self.sizes)


@pytest.fixture
async def conmon(tmp_path: Path) -> AsyncIterator[Conmon]:
    made = Conmon(tmp_path)
    yield made
    made.close()


async def taken(console: Console, position: int, count: int) -> bytes:
    seen = b""
    reading = console.read(position)
    async with asyncio.timeout(10):
        async for piece in reading:
            seen += piece.data
            if len(seen) >= count:
                break
    await reading.aclose()
    return seen


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came to hold")


async def test_what_a_terminal_wrote_is_read_from_any_place_that_is_kept(conmon: Conmon) -> None:
    console = await conmon.console(TTY)
    await conmon.writes(b"hello world")
    assert await taken(console, 0, 11) == b"hello world"
    assert await taken(console, 6, 5) == b"world"
    await conmon.writes(bytes(RING) + b"end")
    await until(lambda: console.end == RING + 14)
    assert len(await taken(console, 0, 1)) > 0
    reading = console.read(0)
    piece = await anext(reading)
    assert piece.missed
    await reading.aclose()
    await console.close()


async def test_a_client_that_does_not_read_stops_nobody(conmon: Conmon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consoles, "STALL", 0.05)
    console = await conmon.console(TTY)
    stalled = console.read(0)
    await conmon.writes(b"first")
    assert (await anext(stalled)).data == b"first"
    other = asyncio.create_task(taken(console, 5, 8 * RING))
    # Far more than is kept, while one takes nothing.
    written = asyncio.create_task(conmon.writes(bytes(8 * RING)))
    await asyncio.wait({written, other})
    assert written.exception() is None, "the terminal was held"
    assert len(await other) == 8 * RING
    with pytest.raises(Unavailable, match="was not read"):
        await anext(stalled)
    await console.close()


async def test_a_slow_client_misses_nothing(conmon: Conmon) -> None:
    console = await conmon.console(TTY)
    data = os.urandom(4 * RING)
    seen = b""

    async def slow() -> None:
        nonlocal seen
        async for piece in console.read(0):
            seen += piece.data
            await asyncio.sleep(0.002)

    reader = asyncio.create_task(slow())
    await conmon.writes(data)
    assert conmon.socket is not None
    conmon.socket.close()
    await reader
    # Not of the data itself: pytest would explain how megabytes differ, for minutes.
    assert len(seen) == len(data)
    assert hashlib.sha256(seen).digest() == hashlib.sha256(data).digest()
    await console.close()


async def test_input_is_cut_into_packets_that_conmon_takes_whole(conmon: Conmon) -> None:
    console = await conmon.console(PIPE)
    data = os.urandom(100_000)
    writing = asyncio.create_task(console.write(data))
    seen = b""
    while len(seen) < len(data):
        packet = await conmon.reads()
        assert len(packet) <= 32 << 10
        seen += packet
    await writing
    assert seen == data
    await console.end_input()
    assert await conmon.reads() == b""
    with pytest.raises(Conflict, match="takes no more input"):
        await console.write(b"more")
    await console.close()


async def test_the_input_of_a_terminal_does_not_end_with_its_client(conmon: Conmon) -> None:
    console = await conmon.console(TTY)
    await console.end_input()
    with suppress(Conflict):
        await console.write(b"still")
    assert await conmon.reads() == b"still"
    await console.close()


async def test_an_input_for_once_has_ended_with_the_agent_before(conmon: Conmon) -> None:
    console = await conmon.console(PIPE, adopted=True)
    with pytest.raises(Conflict):
        await console.write(b"half of it")
    kept = await conmon.console(TTY, adopted=True)
    await kept.write(b"typed")
    assert await conmon.reads() == b"typed"
    await kept.close()


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda console: console.resize(80, 24), [b"1 24 80\n"]),
        (lambda console: console.resize(0, 24), []),
        (lambda console: console.resize(5000, 24), [b"1 24 1000\n"]),
        # Twice, since a program is only told of what is another size. conmon loses the second of what it reads at once.
        (lambda console: console.redraw(80, 24), [b"1 24 81\n", b"1 24 80\n"]),
    ],
)
async def test_sizes(conmon: Conmon, call: Callable[[Console], Coroutine[None, None, None]], told: list[bytes]) -> None:
    console = await conmon.console(TTY)
    heard: list[bytes] = []
    loop = asyncio.get_running_loop()
    loop.add_reader(conmon.control, lambda: heard.append(os.read(conmon.control, 100)))
    await call(console)
    await asyncio.sleep(0)
    loop.remove_reader(conmon.control)
    assert heard == told
    await console.close()


async def test_the_last_of_a_terminal_is_there_after_its_container_is_gone(
    conmon: Conmon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consoles, "LINGER", 0.05)
    known = Consoles()
    console = await known.open(KEY, conmon.files, TTY, run=3)
    assert console is not None
    conmon.socket, _ = conmon.listening.accept()
    conmon.socket.setblocking(False)
    await conmon.writes(b"bye")
    await until(lambda: console.end == 3)
    await known.drop(KEY)
    assert known.of_run(KEY.container, 3) is console
    assert known.of_run(KEY.container, 4) is None
    assert await taken(console, 0, 3) == b"bye"
    await until(lambda: known.find(KEY) is None)
