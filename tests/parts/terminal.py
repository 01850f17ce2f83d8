"""A person at a terminal: `shoal` in a real one, and the screen that they see."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pexpect
import pyte

from tests.parts.lab import SHOAL, LabUnderTest

#: What busybox's shell writes before it reads a line.
PROMPT = rb"# (\x1b\[6n)?"


class Terminal:
    """One command in a terminal of its own."""

    def __init__(self, lab: LabUnderTest, *words: str, rows: int = 24, columns: int = 80) -> None:
        self.child: pexpect.spawn[bytes] = pexpect.spawn(
            SHOAL, list(words), env={**os.environ, **lab.env}, dimensions=(rows, columns), timeout=30
        )
        # pexpect's remedy for programs that read before they turn echo off.
        self.child.delaybeforesend = None

    def type(self, text: str | bytes) -> None:
        """Type something, as it is."""
        self.child.send(text if isinstance(text, bytes) else text.encode())

    def until(self, pattern: bytes | str) -> bytes:
        """Wait for what matches a pattern; return what came before and it."""
        self.child.expect(pattern if isinstance(pattern, bytes) else pattern.encode())
        assert isinstance(self.child.before, bytes)
        assert isinstance(self.child.after, bytes)
        return self.child.before + self.child.after

    def command(self, line: str) -> bytes:
        """Type a line at a prompt, and return what comes up to the next one."""
        self.type(f"{line}\r")
        self.until(re.escape(line))
        return self.until(PROMPT)

    def resize(self, rows: int, columns: int) -> None:
        """Make the window another size."""
        self.child.setwinsize(rows, columns)

    def end(self) -> tuple[int, bytes]:
        """Wait for the end: exit code, and what was still written."""
        self.child.expect(pexpect.EOF)
        self.child.close()
        assert isinstance(self.child.before, bytes)
        killed = self.child.signalstatus
        return (128 + killed if killed else self.child.exitstatus or 0), self.child.before


@contextmanager
def terminal(lab: LabUnderTest, *words: str, rows: int = 24, columns: int = 80) -> Iterator[Terminal]:
    """Give a terminal in which `shoal WORDS` runs, and hang up at the end."""
    made = Terminal(lab, *words, rows=rows, columns=columns)
    try:
        yield made
    finally:
        made.child.close(force=True)


def screen(data: bytes, *, rows: int, columns: int) -> list[str]:
    """Return the lines that a terminal shows after it was sent `data`."""
    shown = pyte.Screen(columns, rows)
    pyte.ByteStream(shown).feed(data)
    return [line.rstrip() for line in shown.display]
