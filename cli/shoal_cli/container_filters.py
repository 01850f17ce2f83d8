"""The filters by which containers are chosen, on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shoal_cli.params import Text
from shoal_common import container_filters
from shoal_common.errors import InvalidSpec

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem


#: What the values of a key are the names of.
_NAMED: Final = {
    "before": "container",
    "name": "container",
    "since": "container",
    "ancestor": "image",
    "node": "node",
    "volume": "volume",
}


class ContainerFilter(Text):
    """ "KEY=VALUE" by which containers are chosen; the text itself is kept."""

    name = "filter"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the filter, or fail with what is wrong with it."""
        try:
            container_filters.parse_filter(value)
        except InvalidSpec as error:
            self.fail(error.message, param, ctx)
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the keys that begin with `incomplete`, or the values of a key that has few."""
        from click.shell_completion import CompletionItem

        from shoal_cli import completing

        key, equals, begun = incomplete.partition("=")
        found = [f"{each}=" for each in container_filters.FILTER_KEYS]
        if equals:
            kind = _NAMED.get(key)
            values = completing.names(ctx, (kind,), begun) if kind is not None else container_filters.choices(key)
            found = [f"{key}={value}" for value in values]
        return [CompletionItem(each) for each in found if each.startswith(incomplete)]


CONTAINER_FILTER: Final = ContainerFilter()
