"""From the SDK's call to the container's first byte of output, and to the news that it runs, step by step.

Client and daemons read the same clock, as they run on one machine. The steps' times come from what is stored (spec,
placement), from conmon's log, and from the daemons' debug log, whose lines are cut to a millisecond: half of one is
added to each, so that they are right on the average.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

import shoal
from bench.site import IMAGE, Site
from shoal_common.errors import Conflict
from shoal_proto.v1.container_pb2 import Container

#: Rounds before those that count.
_WARM_UP: Final = 2
_LINE: Final = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(\d{3}) (?:DEBUG|INFO) +\S+: (.*)")
_HALF_MS: Final = 0.0005
#: Seconds after which a line that is not in a log won't come.
_LOGGED: Final = 5.0

_CALLED: Final = "API call, image's digest from the registry"
_PLACED: Final = "spec committed, seen by the leader, placement planned"
_STORED: Final = ("placement committed", r"stored Place\(container='{id}")
#: What each step of the agent is called, and the line of its log that says that it is done.
_PREPARED: Final = (
    ("dispatched to the agent", r"container {short}: BeginAttempt"),
    ("record of the attempt (fsync)", r"container {short}: Prepare\("),
    ("image looked up", r"container {short}: its image is here"),
    ("sandbox", r"container {short}: its sandbox is ready"),
    ("root file system", r"container {short}: Start\("),
    ("record of STARTING (fsync), bundle, control groups", r"container {short}: its bundle is written"),
    ("conmon and crun create", r"container {short}: created"),
)
_STARTED: Final = ("crun start", r"container {short}: started")
_REPORTED: Final = ("record of RUNNING (fsync), reported and committed", r"stored report \d+ on container {id}")

_WRITTEN: Final = "crun start, until the container writes"
_SHARES: Final = {
    "etcd (two transactions, and what was planned between)": (_PLACED, _STORED[0]),
    "conmon and crun": ("conmon and crun create", _STARTED[0], _WRITTEN),
}
#: Rounds to the first byte for each other round: its far percentiles are asked for.
_MORE: Final = 5

#: A step's name and the time, in seconds, at which it ended.
Milestone = tuple[str, float]


@dataclass(frozen=True, slots=True)
class Way:
    """What is measured several times from an SDK's call on.

    Attributes:
        name: where it leads.
        totals: milliseconds of each round.
        steps: by name, in order, milliseconds of each round.
    """

    name: str
    totals: list[float] = field(default_factory=list)
    steps: dict[str, list[float]] = field(default_factory=dict)

    def add(self, began: float, milestones: Iterable[Milestone]) -> None:
        """Take a round."""
        at = began
        for step, ended in milestones:
            self.steps.setdefault(step, []).append((ended - at) * 1000)
            at = ended
        self.totals.append((at - began) * 1000)

    def shares(self) -> dict[str, list[float]]:
        """Return how much of each round was for etcd, and how much for the runtime."""
        known = {name: [self.steps[step] for step in steps if step in self.steps] for name, steps in _SHARES.items()}
        return {name: [sum(parts) for parts in zip(*steps, strict=True)] for name, steps in known.items() if steps}


class _Log:
    """What a daemon logs from now on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = path.stat().st_size

    def read(self) -> list[tuple[float, str]]:
        """Return time and text of each line that tells of progress."""
        with self._path.open(errors="replace") as file:
            file.seek(self._offset)
            lines = (_LINE.match(line) for line in file)
            return [
                (time.mktime(time.strptime(line[1], "%Y-%m-%d %H:%M:%S")) + int(line[2]) / 1000 + _HALF_MS, line[3])
                for line in lines
                if line is not None
            ]


def _find(lines: Iterable[tuple[float, str]], pattern: str, container: str, *, after: float = 0.0) -> float:
    wanted = re.compile(pattern.format(id=container, short=container[:12]))
    for at, text in lines:
        if at >= after and wanted.match(text):
            return at
    raise Conflict(f'no line of the daemons\' logs matches "{wanted.pattern}" (have their debug messages changed?)')


def _seconds(stamp: Timestamp) -> float:
    return stamp.ToNanoseconds() / 1e9


class _Rounds:
    """Makes containers and finds out when each step of them was done."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def first_byte(self) -> tuple[float, list[Milestone]]:
        """Run a container and follow its output until there is some; returns when it began, and the milestones."""
        began, container, logs = await self._run()
        async with aclosing(self._site.cluster.containers.logs(container.spec.id, follow=True, run=1)) as entries:
            entry = await anext(entries)
            came = time.time()
        prepared = [*await self._prepared(container, logs)]
        written = (_WRITTEN, _seconds(entry.time))
        await self._remove(container)
        return began, [*prepared, written, ("first byte: log, agent, controller, client", came)]

    async def running(self) -> tuple[float, list[Milestone]]:
        """Run a container and wait until the cluster says that it runs; returns the same."""
        began, container, (controller, agent) = await self._run()
        await self._site.cluster.containers.wait(container.spec.id, until=shoal.Until.RUNNING, run=1)
        told = time.time()
        prepared = [*await self._prepared(container, (controller, agent))]
        started = _find(agent.read(), _STARTED[1], container.spec.id)
        stored = await self._stored(controller, container.spec.id, started)
        await self._remove(container)
        return began, [*prepared, (_STARTED[0], started), (_REPORTED[0], stored), ("client told", told)]

    async def _run(self) -> tuple[float, Container, tuple[_Log, _Log]]:
        layout = self._site.lab.layout
        controller = _Log(layout.log(layout.control.name, "controller"))
        agent = _Log(layout.log(layout.node_hosts[0].name, "agent"))
        began = time.time()
        container = await self._site.cluster.containers.run(IMAGE, ["sh", "-c", "echo ready; exec sleep 3600"])
        return began, container, (controller, agent)

    async def _prepared(self, container: Container, logs: tuple[_Log, _Log]) -> list[Milestone]:
        identifier = container.spec.id
        # The last thing that both ways wait for before these lines are looked for.
        await self._site.cluster.containers.wait(identifier, until=shoal.Until.RUNNING, run=1)
        placed = (await self._site.cluster.containers.get(identifier)).placement.placed_at
        controller, agent = (log.read() for log in logs)
        return [
            (_CALLED, _seconds(container.spec.created_at)),
            (_PLACED, _seconds(placed)),
            (_STORED[0], _find(controller, _STORED[1], identifier)),
            *((name, _find(agent, pattern, identifier)) for name, pattern in _PREPARED),
        ]

    async def _stored(self, controller: _Log, container: str, started: float) -> float:
        """Return when the controller wrote that it runs: of which the client may have heard before the log did."""
        deadline = time.monotonic() + _LOGGED
        while True:
            try:
                return _find(controller.read(), _REPORTED[1], container, after=started)
            except Conflict:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.01)

    async def _remove(self, container: Container) -> None:
        await self._site.cluster.containers.remove(container.spec.id, force=True)
        await self._site.gone(container.spec.id)


async def measure(site: Site, rounds: int) -> list[Way]:
    """Measure both ways in turn. The daemons of the lab are started anew, with their debug log."""
    await site.debug()
    made = _Rounds(site)
    first_byte, running = Way("SDK's call to first byte"), Way("SDK's call to the news that it runs")
    for number in range(-_WARM_UP, rounds):
        for way, work in (*[(first_byte, made.first_byte)] * _MORE, (running, made.running)):
            began, milestones = await work()
            if number >= 0:
                way.add(began, milestones)
    return [first_byte, running]
