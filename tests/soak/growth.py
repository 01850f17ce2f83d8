"""What the daemons use: memory, file descriptors and threads, over their lives."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shoal_common.errors import ShoalError
from shoal_lab.cluster import Lab

#: Seconds of a process's life after which it has loaded what it needs: what it uses then is compared with the end.
SETTLED: Final = 60.0
_EVERY: Final = 5.0
_OURS: Final = frozenset({"controller", "agent"})
_PSS: Final = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one process at one moment: seconds that it has been watched, bytes, numbers."""

    age: float
    memory: int
    files: int
    threads: int


@dataclass(frozen=True, slots=True)
class Life:
    """The newest process of a daemon.

    Attributes:
        daemon: such as "node1/agent".
        settled: the first sample after `SETTLED` seconds; None if it has not lived that long.
        last: the newest sample.
        peak: the most memory of all samples, in bytes.
    """

    daemon: str
    settled: Usage | None
    last: Usage
    peak: int


class Watch:
    """Samples agents and controllers."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._since: dict[str, tuple[int, float]] = {}
        self.lives: dict[str, Life] = {}

    async def sample_for_ever(self) -> None:
        """Sample now and then."""
        while True:
            await self.sample()
            await asyncio.sleep(_EVERY)

    async def sample(self) -> None:
        """Sample each daemon that runs."""
        daemons = [(host, each) for host in self._lab.layout.hosts for each in host.services if each in _OURS]
        for host, service in daemons:
            orders = self._lab.orders(host.name)
            # A daemon that is dead at the moment has nothing to sample.
            with contextlib.suppress(ShoalError, OSError, StopIteration):
                inner = (await orders.services())[service][0]
                pid = next(pid for pid in _children(orders.pid) if inner and _inner_pid(pid) == inner)
                self._note(f"{host.name}/{service}", pid)

    def _note(self, daemon: str, pid: int) -> None:
        now = time.monotonic()
        known, since = self._since.get(daemon, (0, now))
        if known != pid:
            since = now
            self._since[daemon] = (pid, since)
            self.lives.pop(daemon, None)
        usage = _usage(pid, now - since)
        life = self.lives.get(daemon) or Life(daemon, None, usage, usage.memory)
        settled = life.settled or (usage if usage.age >= SETTLED else None)
        self.lives[daemon] = Life(daemon, settled, usage, max(life.peak, usage.memory))


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _inner_pid(pid: int) -> int:
    """Return a process's id in its own pid namespace."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[-1])


def _usage(pid: int, age: float) -> Usage:
    process = Path(f"/proc/{pid}")
    pss = _PSS.search((process / "smaps_rollup").read_text())
    return Usage(
        age=age,
        memory=int(pss.group(1)) << 10 if pss is not None else 0,
        files=len(list((process / "fd").iterdir())),
        threads=len(list((process / "task").iterdir())),
    )
