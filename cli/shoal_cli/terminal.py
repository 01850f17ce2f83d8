"""This process's terminal: its size, and its raw mode, which is taken back whatever happens."""

from __future__ import annotations

import contextlib
import os
import signal
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from shoal_cli import session


def size() -> tuple[int, int] | None:
    """Return columns and rows of the terminal; None if there is none, or it does not know."""
    for fd in (1, 0, 2):
        with contextlib.suppress(OSError):
            found = os.get_terminal_size(fd)
            if found.columns and found.lines:
                return found.columns, found.lines
    return None


def is_terminal(fd: int) -> bool:
    """Say whether a file descriptor is a terminal; a closed one is not."""
    try:
        return os.isatty(fd)
    except OSError:
        return False


def require() -> None:
    """Check that stdin is a terminal, whose keys can be passed on.

    Raises:
        click.UsageError: it is none.
    """
    if not is_terminal(0):
        raise click.UsageError("the input device is not a terminal (leave out -t, or run it in a terminal)")


@contextmanager
def raw(fd: int) -> Iterator[None]:
    """Have every key passed on as it is, Ctrl-C too, while within."""
    before = termios.tcgetattr(fd)
    try:
        tty.setraw(fd, termios.TCSADRAIN)
        session.line_ends = ("\r\n", "\r\n")
        yield
    finally:
        session.line_ends = ("", "\n")
        # The terminal may be gone.
        with contextlib.suppress(termios.error):
            termios.tcsetattr(fd, termios.TCSADRAIN, before)


@contextmanager
def resizes(tell: Callable[[], None], *, fd: int | None) -> Iterator[None]:
    """Call `tell` whenever the size of the terminal may have changed.

    A process that was stopped and goes on finds the terminal as its shell left it: `fd` is put into raw mode again.
    """
    import asyncio

    def resumed() -> None:
        if fd is not None:
            with contextlib.suppress(termios.error):
                tty.setraw(fd, termios.TCSADRAIN)
        tell()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGWINCH, tell)
    loop.add_signal_handler(signal.SIGCONT, resumed)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)
        loop.remove_signal_handler(signal.SIGCONT)
