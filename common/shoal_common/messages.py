"""Stored and received messages are never changed in place: who writes one changes a copy."""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.message import Message

M = TypeVar("M", bound=Message)


def copied(message: M) -> M:
    """Return a copy to change: fields of a newer version stay in it."""
    copy = type(message)()
    copy.CopyFrom(message)
    return copy
