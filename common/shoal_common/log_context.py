"""What every line that is logged meanwhile says besides its message: which container, which request."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Final

_NOTHING: Final[Mapping[str, object]] = {}
_fields: ContextVar[Mapping[str, object]] = ContextVar("log_fields", default=_NOTHING)


def log_fields() -> Mapping[str, object]:
    """Return the fields of this task."""
    return _fields.get()


def bind(**fields: object) -> None:
    """Add fields to what this task, and those that it starts, logs from now on; they become text when they are logged.

    Never bind what is nobody's business: environments, tokens, passphrases.
    """
    _fields.set({**_fields.get(), **fields})
