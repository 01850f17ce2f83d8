"""Groups whose commands are imported when they are used: help and completion read a table instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


@dataclass(frozen=True, slots=True)
class Lazy:
    """A command that is not imported yet.

    Attributes:
        summary: its line in the group's help.
        load: imports and returns it.
    """

    summary: str
    load: Callable[[], click.Command]


def command(module: str, attribute: str, summary: str) -> Lazy:
    """Return the command that `module` has under the name `attribute`."""

    def load() -> click.Command:
        loaded: click.Command = getattr(import_module(module), attribute)
        return loaded

    return Lazy(summary=summary, load=load)


class LazyGroup(click.Group):
    """A group of such commands.

    Args:
        table: its commands by name.
        others: further ones, which are looked for only when the table is not enough.
    """

    def __init__(
        self,
        *args: Any,
        table: Mapping[str, Lazy],
        others: Callable[[], Mapping[str, Lazy]] = dict,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.table = table
        self._others = others

    def _all(self) -> dict[str, Lazy]:
        return {**self._others(), **self.table}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted(self._all())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        lazy = self.table.get(cmd_name) or self._others().get(cmd_name)
        return lazy.load() if lazy is not None else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the words begin with, or name those that are written much like it."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(error.command_name, possibilities=self._all(), ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands' section of the help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.summary) for name, lazy in sorted(self._all().items())])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands that begin with `incomplete`, and the group's own options."""
        from click.shell_completion import CompletionItem

        found = [
            CompletionItem(name, help=lazy.summary)
            for name, lazy in sorted(self._all().items())
            if name.startswith(incomplete)
        ]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]
