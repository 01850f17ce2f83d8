"""What its first process has for input, and whether that and its output are a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from shoal.options.streams import StreamOptions

OPTIONS: Final = (
    click.option("-i", "--interactive", is_flag=True, help="Keep its stdin open, and pass yours on when attached."),
    click.option("-t", "--tty", is_flag=True, help="Give it a terminal."),
)


def read(values: dict[str, Any]) -> StreamOptions:
    """Return what was said of it, and the size of this terminal if it gets one."""
    options: StreamOptions = {"tty": values["tty"], "open_stdin": values["interactive"]}
    if values["tty"]:
        from shoal_cli.terminal import size

        if (known := size()) is not None:
            options["terminal_size"] = known
    return options
