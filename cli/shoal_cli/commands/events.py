"""`shoal events`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click

from shoal_cli.filters import FilterBy
from shoal_cli.params import FORM
from shoal_cli.times import parse_time
from shoal_common.event_filters import FILTER_KEYS, parse_event_filter

if TYPE_CHECKING:
    from shoal.cluster import Cluster
    from shoal_cli.templates import Struct
    from shoal_proto.v1.event_pb2 import Event

    Time = click.ParamType[datetime]
else:
    # click 8.1's is not generic.
    Time = click.ParamType

#: Attributes that only json and templates show.
_DETAILS: Final = ("ready_at", "starting_at", "boot_id", "generation", "run")


class _Time(Time):
    """A time, or how long ago."""

    name = "time"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the time."""
        try:
            return parse_time(value, datetime.now(UTC))
        except ValueError:
            self.fail(f'"{value[:40]}" is no time (write 10m, 1h30m, or 2030-01-31T12:00:00)', param, ctx)


@click.command(short_help="Show what happens in the cluster.")
@click.option("--since", type=_Time(), metavar="TIME", help="Also what happened since: 10m, or 2030-01-31T12:00:00.")
@click.option("--until", type=_Time(), metavar="TIME", help="End there, written likewise.")
@click.option(
    "-f",
    "--filter",
    "filters",
    multiple=True,
    type=FilterBy(parse_event_filter, FILTER_KEYS, lambda key: (), {}),
    metavar="KEY=VALUE",
    help="KEY is type, action, container, node, namespace, label or image. Can be repeated.",
)
@click.option(
    "--format", "form", type=FORM, default="", metavar="json|TEMPLATE", help="How to show each; left out: as Docker."
)
def events(since: datetime | None, until: datetime | None, filters: tuple[str, ...], form: str) -> int:
    """Show what happens in the cluster, a line each, until Ctrl-C.

    The same key several times lets any of its values through; different keys must all fit. Events have the time at
    which they happened; those of a node that was cut off come when it is back. Goes on through the end of a controller,
    without losing or repeating an event.

    \b
    Examples:
      shoal events
      shoal events --since 10m --until 0s --filter action=die
      shoal events --filter container=web --filter type=node
      shoal events --format '{{.Time}} {{.Action}} {{.Actor.Attributes.name}} {{json .Actor.Attributes}}'
    """
    from shoal_cli.session import converse

    async def action(cluster: Cluster) -> None:
        from contextlib import aclosing

        async with aclosing(cluster.events.watch(since=since, until=until, filters=filters)) as found:
            async for event in found:
                click.echo(_line(event, form))

    return converse(action)


def _line(event: Event, form: str) -> str:
    from shoal_cli.formats import as_json, expand
    from shoal_cli.printable import printable

    if form == "json":
        return as_json(event)
    time = _local(event)
    if form:
        return expand(form, _document(event, time))
    told = {key.removeprefix("label."): value for key, value in event.attributes.items() if key not in _DETAILS}
    if event.type == "container" and event.node:
        told["node"] = event.node
    if event.name:
        told["name"] = event.name
    shown = ", ".join(f"{key}={value}" for key, value in sorted(told.items()))
    line = f"{time} {event.type} {event.action} {event.object}"
    return printable(f"{line} ({shown})" if shown else line)


def _document(event: Event, time: str) -> Struct:
    """Return an event for templates: what Docker has of one, with the time in words, and the API's own fields."""
    from functools import cache, partial

    from shoal_cli.formats import api_fields
    from shoal_cli.templates import Struct

    attributes = {key.removeprefix("label."): value for key, value in event.attributes.items()}
    if event.name:
        attributes["name"] = event.name
    return Struct(
        {
            "Type": event.type,
            "Action": event.action,
            "Actor": Struct({"ID": event.object, "Attributes": attributes}),
            "ID": event.object,
            "Name": event.name,
            "Node": event.node,
            "Time": time,
            "TimeNano": event.time.ToNanoseconds(),
        },
        cache(partial(api_fields, event)),
    )


def _local(event: Event) -> str:
    """Return the time as Docker writes it: the local one, with nanoseconds and zone."""
    when = datetime.fromtimestamp(event.time.seconds, UTC).astimezone()
    zone = when.strftime("%z")
    return f"{when:%Y-%m-%dT%H:%M:%S}.{event.time.nanos:09d}{zone[:3]}:{zone[3:]}"
