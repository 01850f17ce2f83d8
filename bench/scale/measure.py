"""One measurement: so many agents come, stay for some minutes, lose their leader, and find the next one."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.figures import at, highest
from bench.scale.processes import connections_accepted, cpu_seconds, memory_bytes
from bench.scale.site import Site, site
from shoal_controller.core import liveness

#: Agents that begin in a second: hosts that boot together do not do so to the millisecond.
ARRIVALS: Final = 200
#: Seconds between heartbeats of few agents.
HEARTBEAT: Final = 2.0


@dataclass
class Spent:
    """What a phase cost, by process ("leader", "follower", "etcd", "agents"): seconds of a processor."""

    seconds: float
    cpu: dict[str, float]
    connections: int
    writes: dict[str, int]


@dataclass
class Measured:
    """All of it, for one number of agents. Times are seconds, latencies milliseconds, memory bytes."""

    agents: int
    ready: float = 0.0
    arrival: Spent | None = None
    steady: Spent | None = None
    heartbeats: list[float] = field(default_factory=list)
    heartbeats_failed: int = 0
    downs: int = 0
    leader_empty: int = 0
    leader_full: int = 0
    stall_arrival: float = 0.0
    stall_steady: float = 0.0
    elected: float = 0.0
    changed: float = 0.0
    change: Spent | None = None
    stall_change: float = 0.0
    lost: int = 0


class _Meter:
    """Reads the meters of all processes, and what was used since the reading before."""

    def __init__(self, here: Site, leader: str) -> None:
        self._here = here
        self._pids = {
            "etcd": [here.etcd_pid],
            "leader": [each.pid for each in here.controllers if each.listen == leader],
            "follower": [each.pid for each in here.controllers if each.listen != leader],
            "agents": [each.process.pid for each in here.agents.processes],
        }
        self._at = time.monotonic()
        self._read = self._now()

    def _now(self) -> tuple[dict[str, float], int, Counter[str]]:
        cpu = {name: sum(map(cpu_seconds, pids)) for name, pids in self._pids.items()}
        return cpu, connections_accepted(), Counter(self._here.watcher.writes)

    def spent(self) -> Spent:
        began, (cpu, connections, writes) = self._at, self._read
        self._at, self._read = time.monotonic(), self._now()
        used = {name: value - cpu[name] for name, value in self._read[0].items()}
        return Spent(self._at - began, used, self._read[1] - connections, dict(self._read[2] - writes))


async def measure(agents: int, *, minutes: float, controllers: int, say: Callable[[str], None]) -> Measured:
    """Measure with so many agents."""
    measured = Measured(agents)
    with tempfile.TemporaryDirectory(prefix="shoal-scale-") as folder:
        async with site(Path(folder), controllers) as here:
            leader = await here.watcher.until_led()
            nodes = await here.enrol(agents)
            measured.leader_empty = memory_bytes(here.controller(leader).pid)
            await _arrive(here, leader, nodes, measured, say)
            await _stay(here, leader, minutes, measured, say)
            if controllers > 1:
                await _change(here, leader, measured, say)
    return measured


async def _arrive(
    here: Site, leader: str, nodes: list[tuple[str, str]], measured: Measured, say: Callable[[str], None]
) -> None:
    began = time.monotonic()
    await here.start_agents(nodes, over=len(nodes) / ARRIVALS)
    meter = _Meter(here, leader)
    await here.watcher.until_ready(len(nodes))
    measured.ready = time.monotonic() - began
    beating = await here.agents.until_beating(leader) - began
    measured.arrival = meter.spent()
    measured.stall_arrival = max(here.notes(here.controller(leader)), default=0.0)
    say(f"{len(nodes)} agents: ready in {measured.ready:.1f} s, all with a heartbeat in {beating:.1f} s")


async def _stay(here: Site, leader: str, minutes: float, measured: Measured, say: Callable[[str], None]) -> None:
    noted = len(here.notes(here.controller(leader)))
    failed, opened = here.agents.failed, here.agents.opened
    here.agents.take_latencies()
    meter = _Meter(here, leader)
    await asyncio.sleep(minutes * 60)
    measured.steady = meter.spent()
    measured.heartbeats = here.agents.take_latencies()
    measured.heartbeats_failed = here.agents.failed - failed
    measured.downs = len(here.watcher.downs)
    measured.leader_full = memory_bytes(here.controller(leader).pid)
    measured.stall_steady = max(here.notes(here.controller(leader))[noted:], default=0.0)
    median, worst = at(measured.heartbeats, 0.5), highest(measured.heartbeats)
    say(
        f"  {minutes * 60:.0f} s: {measured.downs} down, {here.agents.opened - opened} sessions opened anew, "
        f"heartbeats {median:.1f} ms (longest {worst:.0f}), {measured.heartbeats_failed} failed"
    )


async def _change(here: Site, leader: str, measured: Measured, say: Callable[[str], None]) -> None:
    meter = _Meter(here, leader)
    began = time.monotonic()
    here.controller(leader).kill()
    following = await here.watcher.until_led(but_by=leader)
    measured.elected = time.monotonic() - began
    measured.changed = await here.agents.until_beating(following) - began
    measured.change = meter.spent()
    # Whoever had been forgotten would be down when its term ends.
    await asyncio.sleep(liveness.term(liveness.interval(measured.agents, least=HEARTBEAT)) + HEARTBEAT)
    measured.lost = len(here.watcher.downs) - measured.downs
    measured.stall_change = max(here.notes(here.controller(following)), default=0.0)
    writes = {kind: count for kind, count in meter.spent().writes.items() if count}
    say(
        f"  change of leader: elected after {measured.elected:.1f} s, over after {measured.changed:.1f} s, "
        f"{measured.lost} down, {measured.change.connections} connections, "
        f"writes {measured.change.writes} then {writes}"
    )
