"""Which request something belongs to: the W3C's trace context, in a context variable and in gRPC's metadata."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

#: Name of the metadata, as https://www.w3.org/TR/trace-context/ has it.
TRACEPARENT: Final = "traceparent"

_PARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_ID: Final = re.compile(r"[0-9a-f]{32}")
_NONE: Final = "0" * 32

_current: ContextVar[str] = ContextVar("trace", default="")


def current_trace() -> str:
    """Return the trace id (32 hexadecimal digits) of what is being done; empty if it belongs to none."""
    return _current.get()


def set_trace(trace_id: str) -> None:
    """Make what this task does from now on belong to a trace; empty: to none."""
    _current.set(trace_id)


def new_trace_id() -> str:
    """Return a random trace id."""
    return os.urandom(16).hex()


def trace_id_in(text: str) -> str:
    """Return the trace id of a traceparent, or of a trace id by itself; empty if it is neither."""
    if _ID.fullmatch(text):
        found = text
    else:
        match = _PARENT.fullmatch(text)
        # Version ff is forbidden; version 00 has nothing after its flags.
        if match is None or text.startswith("ff") or (text.startswith("00") and match[2]):
            return ""
        found = match[1]
    return "" if found == _NONE else found


def received_trace(metadata: Iterable[tuple[str, str | bytes]] | None) -> str:
    """Return the trace id in the metadata of a call; empty if there is none."""
    for key, value in metadata or ():
        if key == TRACEPARENT and isinstance(value, str):
            return trace_id_in(value)
    return ""


def trace_metadata(trace_id: str) -> tuple[tuple[str, str], ...]:
    """Return what says to whom is called that the call belongs to a trace; nothing if there is none."""
    return ((TRACEPARENT, f"00-{trace_id}-{os.urandom(8).hex()}-01"),) if trace_id else ()


@contextmanager
def traced(trace_id: str) -> Iterator[str]:
    """Make what is done meanwhile, in this task and those that it starts, belong to a trace."""
    token = _current.set(trace_id)
    try:
        yield trace_id
    finally:
        _current.reset(token)
