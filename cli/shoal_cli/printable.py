"""Text of others on a terminal: names, commands and messages that images, containers and nodes chose."""

from __future__ import annotations

import json


def printable(text: str) -> str:
    """Return `text` with control characters written out, so that none of them moves the cursor or colours lines."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def printable_json(text: str) -> str:
    """Return JSON text likewise, still as JSON: its strings may have what moves a cursor, and is allowed there."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text)
