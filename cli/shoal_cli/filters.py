"""The filters by which lists choose, on the command line: checked before anything is sent, and completed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoal_cli.params import Checked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import click
    from click.shell_completion import CompletionItem


class FilterBy(Checked):
    """ "KEY=VALUE"; the text itself is kept.

    Args:
        check: accepts right ones.
        keys: that there are.
        choices: returns the values of a key that has few.
        kinds: what the values of a key are the names of.
    """

    def __init__(
        self,
        check: Callable[[str], object],
        keys: Iterable[str],
        choices: Callable[[str], Iterable[str]],
        kinds: Mapping[str, str],
    ) -> None:
        super().__init__("filter", check)
        self._keys = tuple(keys)
        self._choices = choices
        self._kinds = kinds

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the keys that begin with `incomplete`, or the values of a key that has few, or names."""
        from click.shell_completion import CompletionItem

        from shoal_cli import completing

        key, equals, begun = incomplete.partition("=")
        found = [f"{each}=" for each in self._keys]
        if equals:
            kind = self._kinds.get(key)
            values = completing.names(ctx, (kind,), begun) if kind is not None else self._choices(key)
            found = [f"{key}={value}" for value in values]
        return [CompletionItem(each) for each in found if each.startswith(incomplete)]
