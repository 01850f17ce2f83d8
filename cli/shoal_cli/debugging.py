"""`shoal --debug`: the way of a command's requests on stderr, and of the container that it started."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from shoal.request_path import RequestPath, Step
from shoal_cli.printable import printable
from shoal_common.errors import ShoalError
from shoal_common.ids import SHORT_ID

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from shoal.cluster import Cluster
    from shoal_proto.v1.event_pb2 import Event

#: A moment on the way: seconds since 1970, what, and by whose clock.
Moment = tuple[float, str, str]


class Debugging:
    """One command's.

    Args:
        trace_id: under which its requests are logged.
    """

    def __init__(self, trace_id: str) -> None:
        self._trace_id = trace_id
        self._began = time.perf_counter()
        self._asked = time.time()
        self._telling = False
        self.path = RequestPath(self._step)

    async def tell(self, cluster: Cluster) -> None:
        """Write what became of what was started, and where to read more."""
        first_output = self.path.first_output
        self._telling = True
        for container, run in list(self.path.started.items()):
            if run:
                await self._way(cluster, container, run, first_output)
        _say(f"trace {self._trace_id} (in the logs of controllers and agents: grep for it)")

    def _step(self, step: Step) -> None:
        if self._telling:
            return  # What is looked up for the account is no part of it.
        when = (step.began - self._began) * 1000
        took = f"{step.seconds * 1000:.1f} ms"
        if step.error:
            took = f"failed after {took}: {step.error}"
        server = ""
        if step.server:
            phases = ", ".join(f"{name} {spent:.1f}" for name, spent in step.server.items() if name != "total")
            server = f" (server {step.server.get('total', 0):.1f}{': ' if phases else ''}{phases})"
        _say(f"+{when:.1f} ms {step.what} {step.endpoint}: {took}{server}")

    async def _way(self, cluster: Cluster, container: str, run: int, first_output: float | None) -> None:
        try:
            events = [
                event
                async for event in cluster.events.watch(
                    since=datetime.fromtimestamp(0, UTC),
                    until=datetime.now(UTC),
                    filters=[f"container={container}"],
                )
            ]
        except ShoalError as error:
            _say(f"the way of container {container[:SHORT_ID]} is not known: {error.message}")
            return
        if not events:
            return
        moments = [(self._asked, "asked", "this client's clock"), *moments_of(events, run)]
        if first_output is not None:
            moments.append((first_output, "first output", "this client's clock"))
        node = next((event.node for event in reversed(events) if event.node), "")
        _say(f"container {events[0].name} ({container[:SHORT_ID]}){f' on {node}' if node else ''}:")
        before = self._asked
        for at, what, clock in moments:
            clocked = datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S.%f")[:-3]
            _say(f"  {clocked} {(at - before) * 1000:+7.0f} ms  {what:<12} {clock}")
            before = at


def moments_of(events: list[Event], run: int) -> list[Moment]:
    """Return the moments of one run on the way to its first process, in their order.

    Args:
        events: of its container.
    """
    found: list[Moment] = []
    for event in events:
        if event.action in ("create", "place") and run == 1:
            what = {"create": "created", "place": "placed"}[event.action]
            found.append((_seconds(event.time), what, "a controller's clock"))
        elif event.action in ("start", "fail") and event.attributes.get("run", "") == str(run):
            for key, what in (("ready_at", "ready"), ("starting_at", "starting")):
                if key in event.attributes:
                    found.append((_parsed(event.attributes[key]), what, "its node's clock"))
            what = "running" if event.action == "start" else "failed"
            found.append((_seconds(event.time), what, "its node's clock"))
            break
    return found


def _seconds(time: Timestamp) -> float:
    return time.ToNanoseconds() / 1e9


def _parsed(text: str) -> float:
    from google.protobuf.timestamp_pb2 import Timestamp

    parsed = Timestamp()
    parsed.FromJsonString(text)
    return _seconds(parsed)


def _say(line: str) -> None:
    click.echo(f"debug: {printable(line)}", err=True)
