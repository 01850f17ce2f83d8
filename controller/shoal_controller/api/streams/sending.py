"""The client's side of a stream that is passed on to an agent: what it says first, and all that it sends then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Protocol, TypeVar

import grpc.aio

from shoal_common.call_ends import CallEnd
from shoal_common.errors import DeadlineExceeded, InvalidSpec, Unavailable

#: Seconds within which the news that a client is gone follows the end of its stream.
GONE: Final = 0.2
#: Seconds for a client to say what it wants.
_FIRST: Final = 10.0


class _Starting(Protocol):
    def WhichOneof(self, oneof_group: Any) -> Any: ...


M = TypeVar("M", bound=_Starting)


async def first_message(requests: AsyncIterator[M], call: str, what: str) -> M:
    """Return the first message of a client, whose `start` says what it wants.

    Args:
        call: what the client called.
        what: what it is to say, for the errors.

    Raises:
        DeadlineExceeded: it says nothing.
        InvalidSpec: it says something else.
    """
    try:
        async with asyncio.timeout(_FIRST):
            async for request in requests:
                if request.WhichOneof("message") != "start":
                    break
                return request
    except TimeoutError:
        raise DeadlineExceeded(f"{call} was not told {what} within {_FIRST:g} s") from None
    raise InvalidSpec(f"the first message of {call} does not say {what} (send start first)")


@asynccontextmanager
async def sending(call: Any, messages: Coroutine[Any, Any, None], *, name: str) -> AsyncIterator[None]:
    """Send to a call on an agent while its answers are read in here; both end with the block.

    Args:
        messages: passes on what the client sends, to its end; the call is broken off if it can't.
        name: of the task that does so.

    Raises:
        InvalidSpec: the client broke the rules, and the call ended by that.
    """
    ended = CallEnd(call)
    sender = asyncio.create_task(messages, name=name)
    sender.add_done_callback(lambda task: _stop_on_error(task, call))
    try:
        yield
    except grpc.aio.AioRpcError as error:
        _raise_refusal(sender)
        raise ended.of(error) from None
    except (asyncio.CancelledError, Unavailable):
        _raise_refusal(sender)
        raise
    finally:
        sender.cancel()
        call.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await sender


def _stop_on_error(sender: asyncio.Task[None], call: Any) -> None:
    if not sender.cancelled() and sender.exception() is not None:
        call.cancel()


def _raise_refusal(sender: asyncio.Task[None]) -> None:
    if sender.done() and not sender.cancelled():
        error = sender.exception()
        if isinstance(error, InvalidSpec):
            raise error
