"""The standard streams of this process, joined to those of a container or a command in one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

from shoal.execution import ByteStream
from shoal_cli import detach_keys, pipes, terminal
from shoal_cli.detach_keys import DetachKeys


class Detached(Exception):
    """The keys that let go of it were pressed."""


class Joinable(Protocol):
    """What `shoal.attachment.Attachment` and `shoal.execution.ExecProcess` have in common."""

    stdout: ByteStream
    stderr: ByteStream

    async def write(self, data: bytes) -> None: ...
    async def close_stdin(self) -> None: ...
    async def resize(self, columns: int, rows: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Streams:
    """What is joined.

    Attributes:
        stdin: this process's stdin is passed on.
        tty: the other side is a terminal.
        keys: that let go of it.
    """

    stdin: bool = False
    tty: bool = False
    keys: bytes = detach_keys.parse(detach_keys.DEFAULT)

    @property
    def raw(self) -> bool:
        """Whether the terminal passes everything on as it is."""
        return self.tty and self.stdin


#: Output, and nothing else.
OUTPUT: Final = Streams()


async def join(other: Joinable, streams: Streams) -> None:
    """Carry input and output until the outputs have ended.

    Raises:
        Detached: the keys were pressed.
        BrokenPipeError: nobody reads this process's output any more.
    """
    async with AsyncExitStack() as stack:
        work = [
            asyncio.create_task(_drain(other.stdout, 1), name="shoal-join-stdout"),
            asyncio.create_task(_drain(other.stderr, 2), name="shoal-join-stderr"),
        ]
        outputs = asyncio.gather(*work)
        stack.push_async_callback(_end, work, outputs)
        if streams.raw:
            stack.enter_context(terminal.raw(0))
        if streams.tty:
            changed = asyncio.Event()
            stack.enter_context(terminal.resizes(changed.set, fd=0 if streams.raw else None))
            work.append(asyncio.create_task(_follow_size(other, changed), name="shoal-join-size"))
        waited: list[asyncio.Future[Any]] = [outputs]
        if streams.stdin:
            feeding = asyncio.create_task(_feed(other, streams), name="shoal-join-stdin")
            work.append(feeding)
            waited.append(feeding)
        while not outputs.done():
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if len(waited) > 1 and waited[1].done():
                waited.pop().result()
        outputs.result()


async def _end(work: list[asyncio.Task[None]], outputs: asyncio.Future[Any]) -> None:
    for task in work:
        task.cancel()
    await asyncio.wait([*work, outputs])
    if not outputs.cancelled():
        # Looked at, or asyncio tells that nobody has.
        outputs.exception()


async def _drain(stream: ByteStream, fd: int) -> None:
    async for data in stream:
        await pipes.write(fd, data)


async def _follow_size(other: Joinable, changed: asyncio.Event) -> None:
    while True:
        await changed.wait()
        changed.clear()
        if (known := terminal.size()) is not None:
            await other.resize(*known)


async def _feed(other: Joinable, streams: Streams) -> None:
    with suppress(BrokenPipeError):
        async with aclosing(_typed(streams)) as pieces:
            async for piece in pieces:
                await other.write(piece)
        await other.close_stdin()


async def _typed(streams: Streams) -> AsyncGenerator[bytes, None]:
    """Yield this process's input up to its end.

    Raises:
        Detached: the keys were pressed.
    """
    keys = DetachKeys(streams.keys)
    # A terminal that is gone is an end as well.
    with suppress(OSError):
        async with aclosing(pipes.chunks(0)) as pieces:
            async for piece in pieces:
                if not streams.tty:
                    yield piece
                    continue
                passed, detached = keys.feed(piece)
                if passed:
                    yield passed
                if detached:
                    raise Detached
