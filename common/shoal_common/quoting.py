"""What a user wrote, as a message repeats it: on one line, and not all of it."""

from __future__ import annotations

from typing import Final

_LONGEST: Final = 60


def quoted(text: str) -> str:
    """Return the beginning of `text` in double quotes, what can't be printed as escapes."""
    shown = text[:_LONGEST]
    return f'"{shown}"' if shown.isprintable() else f'"{ascii(shown)[1:-1]}"'
