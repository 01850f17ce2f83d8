"""Checks of what a container, or a command in one, has for terminal and input."""

from __future__ import annotations

from typing import Final

from shoal_common.errors import InvalidSpec
from shoal_proto.v1.container_pb2 import ContainerConfig, ExecStart, TerminalSize

#: struct winsize has 16 bits for each.
_MOST: Final = 0xFFFF


def streams(config: ContainerConfig) -> None:
    """Check what the first process has.

    Raises:
        InvalidSpec: it contradicts itself, or no terminal has that size.
    """
    if config.stdin_once and not config.open_stdin:
        raise InvalidSpec("an input that ends with its first client has to be open (set open_stdin as well)")
    if config.HasField("terminal_size"):
        if not config.tty:
            raise InvalidSpec("a size of the terminal goes with a terminal only (set tty as well)")
        terminal_size(config.terminal_size)


def exec_streams(start: ExecStart) -> None:
    """Check what a command has.

    Raises:
        InvalidSpec: it contradicts itself, or no terminal has that size.
    """
    if start.detach and (start.stdin or start.tty):
        raise InvalidSpec("a command that is left at once has no input and no terminal (leave out stdin and tty)")
    terminal_size(start.size)


def terminal_size(size: TerminalSize) -> None:
    """Check a size; zeros mean that it is not known.

    Raises:
        InvalidSpec: no terminal has it.
    """
    if max(size.columns, size.rows) > _MOST:
        raise InvalidSpec(f"no terminal has {size.columns} columns and {size.rows} rows (use at most {_MOST})")
