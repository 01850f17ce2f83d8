"""What its first process has for input, and whether that and its output are a terminal."""

from __future__ import annotations

from typing import TypedDict

from shoal_common.errors import InvalidSpec
from shoal_proto.v1.container_pb2 import ContainerConfig, TerminalSize


class StreamOptions(TypedDict, total=False):
    """Of the first process."""

    #: It gets a terminal.
    tty: bool
    #: Columns and rows that the terminal begins with.
    terminal_size: tuple[int, int]
    #: Input can be sent to it (`attach`); otherwise it has none.
    open_stdin: bool
    #: Its input ends with the first client that was attached to it; otherwise it stays open.
    stdin_once: bool


def apply(config: ContainerConfig, options: StreamOptions) -> None:
    """Put the options into a configuration.

    Raises:
        InvalidSpec: they contradict each other.
    """
    config.tty = options.get("tty", False)
    config.open_stdin = options.get("open_stdin", False)
    config.stdin_once = options.get("stdin_once", False)
    if config.stdin_once and not config.open_stdin:
        raise InvalidSpec("an input that ends with its first client has to be open (set open_stdin as well)")
    if "terminal_size" in options:
        columns, rows = options["terminal_size"]
        config.terminal_size.CopyFrom(TerminalSize(columns=columns, rows=rows))
