"""`shoal container`: `prune`, and Docker's longer names of what there is without the word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from shoal_cli.codes import FAILED
from shoal_cli.lazy import Lazy, LazyGroup, command
from shoal_cli.root import TABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shoal.cluster import Cluster


_SHORT: Final = (
    *("attach", "commit", "cp", "create", "diff", "exec", "export", "inspect", "kill", "logs", "pause", "port", "ps"),
    *("rename", "restart", "rm", "run", "start", "stats", "stop", "top", "unpause", "update", "wait"),
)
_TABLE: Final[Mapping[str, Lazy]] = {
    **{name: TABLE[name] for name in _SHORT},
    "list": TABLE["ps"],
    "ls": TABLE["ps"],
    "prune": command(__name__, "prune", "Remove all containers that do not run."),
    "remove": TABLE["rm"],
}


@click.group(cls=LazyGroup, table=_TABLE, short_help="Look after containers as a whole.")
def container() -> None:
    """Look after containers as a whole. All but prune is there without the word as well: shoal run, shoal ps.

    \b
    Examples:
      shoal container ls -a
      shoal container prune
    """


@click.command(short_help="Remove all containers that do not run.")
@click.option("-f", "--force", is_flag=True, help="Don't ask.")
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="KIND=VALUE",
    help="label=KEY[=VALUE], label!=KEY[=VALUE], until=TIME (made before). Can be repeated; all must hold.",
)
def prune(filters: tuple[str, ...], force: bool) -> int:
    """Remove all containers that do not run, with their files; print the ids of those that are gone, and their room.

    One that waits for room, or for its restart policy, counts as running. TIME is 24h (ago), or a date.

    \b
    Examples:
      shoal container prune
      shoal container prune -f --filter until=24h --filter label!=keep
    """
    from shoal_cli.session import converse, note

    sent = [_filter(each) for each in filters]
    if not force:
        which = f" that match {', '.join(filters)}" if filters else ""
        if not click.confirm(f"This removes all containers that do not run{which}. Go on?", err=True):
            note("nothing was removed")
            return FAILED

    async def action(cluster: Cluster) -> int:
        from shoal_cli.attach import gone
        from shoal_cli.many import each
        from shoal_cli.pruning import reclaimed

        found = await cluster.containers.prune(filters=sent)
        if found.ids:
            click.echo("Deleted Containers:")

        async def leave(identifier: str) -> str:
            if not await gone(cluster, identifier):
                note(f"what container {identifier[:12]} has on its node is removed once the node answers")
            return identifier

        code = await each(found.ids, leave)
        click.echo(reclaimed(found.freed_bytes))
        return code

    return converse(action)


def _filter(text: str) -> str:
    """Return a filter as the API has it: times are seconds since 1970."""
    from datetime import UTC, datetime

    from shoal_cli.times import parse_time

    kind, _, value = text.partition("=")
    if kind == "until" and value:
        try:
            return f"until={parse_time(value, datetime.now(UTC)).timestamp():.6f}"
        except ValueError as error:
            raise _wrong(text) from error
    if kind not in ("label", "label!") or not value:
        raise _wrong(text)
    return text


def _wrong(text: str) -> click.UsageError:
    return click.UsageError(
        f'filter "{text}" is not valid (write label=KEY, label=KEY=VALUE, label!=KEY or until=TIME)',
        click.get_current_context(),
    )
