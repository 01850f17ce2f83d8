"""The byte pump between a client's stream and an agent's: reads ahead a little, and joins what piles up.

A message is passed on as soon as the other side takes it; only what has gathered while it did not is merged into
frames of up to 256 KiB, which carry an order of magnitude more than small ones. A reader that stalls stops the source.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import suppress
from typing import Any, Final, Protocol, TypeVar

from shoal_common.errors import Unavailable

#: Bytes of a merged message, and bytes that may wait for the reader.
FRAME: Final = 256 << 10
AHEAD: Final = 1 << 20


class _Sized(Protocol):
    def ByteSize(self) -> int: ...


class _Choosing(Protocol):
    def WhichOneof(self, oneof_group: Any) -> Any: ...


M = TypeVar("M", bound=_Sized)
C = TypeVar("C", bound=_Choosing)


async def pump(
    source: AsyncIterable[M],
    merge: Callable[[M, M], bool],
    *,
    name: str,
    idle: float | None = None,
    on_idle: Callable[[], bool] = lambda: False,
) -> AsyncGenerator[M, None]:
    """Yield what `source` yields, in order, merged where the reader is slower.

    Args:
        merge: adds its second argument to its first if the two can be one message; says whether it did.
        name: of the task that reads ahead.
        idle: seconds after which, nothing having come, `on_idle` is asked.
        on_idle: says whether to end here; may raise.

    What `source` raises is raised here, after everything that came before it.

    Raises:
        Unavailable: the channel of `source` was closed.
    """
    waiting: deque[tuple[M, int]] = deque()
    held = 0
    arrived, taken = asyncio.Event(), asyncio.Event()

    async def fill() -> None:
        nonlocal held
        try:
            async for message in source:
                size = message.ByteSize()
                waiting.append((message, size))
                held += size
                arrived.set()
                while held > AHEAD:
                    taken.clear()
                    await taken.wait()
        finally:
            arrived.set()

    filler = asyncio.create_task(fill(), name=name)
    try:
        while True:
            if not waiting:
                if filler.done():
                    if filler.cancelled():
                        raise Unavailable("the connection to its node was closed (it has moved, or was removed)")
                    filler.result()
                    return
                arrived.clear()
                try:
                    async with asyncio.timeout(idle):
                        await arrived.wait()
                except TimeoutError:
                    if on_idle():
                        return
                continue
            message, size = waiting.popleft()
            held -= size
            while waiting and size + waiting[0][1] <= FRAME and merge(message, waiting[0][0]):
                added = waiting.popleft()[1]
                size += added
                held -= added
            taken.set()
            yield message
    finally:
        filler.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await filler


def appended(first: C, second: C, *fields: str) -> bool:
    """Add the bytes that `second` carries to those of `first` if it is the same of these fields that both carry."""
    field = first.WhichOneof("message")
    if field not in fields or field != second.WhichOneof("message"):
        return False
    setattr(first, field, getattr(first, field) + getattr(second, field))
    return True
