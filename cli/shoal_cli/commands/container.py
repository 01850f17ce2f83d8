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
    from shoal_cli.pruning import agreed, reclaimed, sent_filter, show_containers
    from shoal_cli.session import converse

    sent = [sent_filter(each) for each in filters]
    if not force:
        which = f" that match {', '.join(filters)}" if filters else ""
        if not agreed(f"This removes all containers that do not run{which}. Go on?"):
            return FAILED

    async def action(cluster: Cluster) -> int:
        code, freed = await show_containers(cluster, sent)
        click.echo(reclaimed(freed))
        return code

    return converse(action)
