"""What the `prune` commands have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from shoal_common.units import format_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shoal.cluster import Cluster
    from shoal_proto.v1.cluster_pb2 import PruneImagesResponse

FILTER: Final = "label=KEY[=VALUE], label!=KEY[=VALUE], until=TIME"


def agreed(question: str) -> bool:
    """Ask whether to go on, and say so if the answer is no.

    Raises:
        click.ClickException: nobody is there to answer.
    """
    from shoal_cli.session import note

    try:
        if click.confirm(question, err=True):
            return True
    except click.Abort as error:
        # The question left the line open.
        click.echo(err=True)
        if isinstance(error.__context__, EOFError):
            raise click.ClickException("nobody answered, nothing was removed (--force does not ask)") from None
        raise
    note("nothing was removed")
    return False


def reclaimed(freed: int) -> str:
    """Return Docker's last line: how many bytes were freed."""
    return f"\nTotal reclaimed space: {format_bytes(freed)}"


def sent_filter(text: str) -> str:
    """Return a filter as the API has it: times are seconds since 1970.

    Raises:
        click.UsageError: it is none.
    """
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


async def show_containers(cluster: Cluster, filters: Iterable[str]) -> tuple[int, int]:
    """Remove containers that do not run, write the ids of those that are gone; return exit code and bytes."""
    from shoal_cli.attach import gone
    from shoal_cli.many import each
    from shoal_cli.session import note

    found = await cluster.containers.prune(filters=filters)
    if found.ids:
        click.echo("Deleted Containers:")

    async def leave(identifier: str) -> str:
        if not await gone(cluster, identifier):
            note(f"what container {identifier[:12]} has on its node is removed once the node answers")
        return identifier

    return await each(found.ids, leave), found.freed_bytes


def show_images(done: PruneImagesResponse) -> None:
    """Write which images were removed, and, on stderr, which nodes did not answer."""
    from shoal_cli.session import note

    for problem in done.problems:
        note(problem)
    if done.names:
        click.echo("Deleted Images:")
    for name in done.names:
        click.echo(name)


def _wrong(text: str) -> click.UsageError:
    return click.UsageError(
        f'filter "{text}" is not valid (write label=KEY, label=KEY=VALUE, label!=KEY or until=TIME)',
        click.get_current_context(),
    )
