"""The standard streams: nothing blocks the loop, nothing is lost, nobody's flags change."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
from contextlib import aclosing
from pathlib import Path

import pytest

from shoal.execution import BUFFER, ByteStream
from shoal_cli import pipes

DATA = os.urandom(3 << 20)


def digest(data: bytes) -> tuple[int, str]:
    return len(data), hashlib.sha256(data).hexdigest()


async def drained(fd: int) -> bytes:
    with os.fdopen(fd, "rb", buffering=0) as file:
        return await asyncio.to_thread(lambda: b"".join(iter(lambda: file.read(70_000), b"")))


@pytest.mark.parametrize("opened_anew", [True, False])
async def test_a_pipe_takes_all_and_keeps_its_flags(opened_anew: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not opened_anew:
        monkeypatch.setattr(pipes, "_writable", lambda fd, *known: (fd, pipes.PIPE_BUF))
    reader, writer = os.pipe()
    known = os.fstat(writer)
    flags = fcntl.fcntl(writer, fcntl.F_GETFL)
    turns = 0

    async def beside() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.timeout(60):
        other = asyncio.create_task(beside())
        writing = asyncio.create_task(pipes.write(writer, DATA))
        await asyncio.sleep(0.05)
        # It is full, nobody reads, and the loop goes on.
        assert not writing.done()
        assert turns > 1
        reading = asyncio.create_task(drained(reader))
        await writing
        assert fcntl.fcntl(writer, fcntl.F_GETFL) == flags
        os.close(writer)
        if opened_anew:
            os.close(pipes._writable(writer, known.st_dev, known.st_ino)[0])
            pipes._writable.cache_clear()
        assert digest(await reading) == digest(DATA)
        other.cancel()


async def test_files_are_read_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(DATA)
    for path, expected in ((tmp_path / "file", DATA), (Path("/dev/null"), b"")):
        fd = os.open(path, os.O_RDONLY)
        async with aclosing(pipes.chunks(fd)) as found:
            assert digest(b"".join([piece async for piece in found])) == digest(expected)
        os.close(fd)


async def test_nobody_reads_any_more() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        await pipes.write(writer, b"x")
    os.close(writer)


async def test_what_arrives_is_held_up_to_a_bound_and_read_as_it_is_asked_for() -> None:
    stream = ByteStream()
    fed = 0

    async def feed() -> None:
        nonlocal fed
        for begin in range(0, len(DATA), 100_000):
            await stream.feed(DATA[begin : begin + 100_000])
            fed = begin + 100_000
        await stream.end()

    feeding = asyncio.create_task(feed())
    # More turns than it takes to hold all that is held.
    for _ in range(100):
        await asyncio.sleep(0)
    assert BUFFER <= fed < BUFFER + 200_000
    assert await stream.read(0) == b""
    first = await stream.read(7)
    assert first == DATA[:7]
    assert digest(first + await stream.read()) == digest(DATA)
    await feeding
    assert await stream.read(5) == b""
