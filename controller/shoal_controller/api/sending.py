"""The client's side of a stream that is passed on to an agent."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from shoal_common.errors import InvalidSpec

#: Seconds within which the news that a client is gone follows the end of its stream.
GONE: Final = 0.2


def stop_on_error(sender: asyncio.Task[None], call: Any) -> None:
    """Break off the call on the agent if what the client sent can't be passed on."""
    if not sender.cancelled() and sender.exception() is not None:
        call.cancel()


def raise_sender(sender: asyncio.Task[None]) -> None:
    """Raise what ended the client's side, if it was the client that broke the rules."""
    if sender.done() and not sender.cancelled():
        error = sender.exception()
        if isinstance(error, InvalidSpec):
            raise error
