"""What a call was ended with by who was called, also where gRPC tells something else.

If the other side ends a call while something is written to it, grpc.aio puts "Internal error from Core" in the place of
the status that has come (https://github.com/grpc/grpc/issues/36066).
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import grpc
import grpc.aio

T = TypeVar("T")

#: What grpc.aio says of a call whose connection broke while a part of it was under way.
_BROKE_OFF: Final = "Internal error from Core"


def broke_off(error: grpc.RpcError) -> bool:
    """Say whether a call's connection broke while a part of it was under way."""
    return error.code() is grpc.StatusCode.INTERNAL and error.details() == _BROKE_OFF


class CallEnd:
    """Looks what a call ends with. To be made before anything is written to it."""

    def __init__(self, call: grpc.aio.Call) -> None:
        self._told: grpc.aio.AioRpcError | None = None
        call.add_done_callback(self._ended)

    def _ended(self, call: Any) -> None:
        # Called with the first status there is, before another can take its place.
        code, details = _known(call.code()), _known(call.details())
        initial, trailing = _known(call.initial_metadata()), _known(call.trailing_metadata())
        self._told = grpc.aio.AioRpcError(code, initial, trailing, details)

    def of(self, error: grpc.RpcError) -> grpc.RpcError:
        """Return what the call was ended with, where reading it raised `error`."""
        told = self._told
        if told is None or not broke_off(error) or told.code() is grpc.StatusCode.OK:
            return error
        return told


def _known(answer: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns that has nothing to wait for."""
    try:
        answer.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    answer.close()
    raise RuntimeError("a call that is done has no status")
