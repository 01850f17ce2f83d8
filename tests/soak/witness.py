"""What nodes really did: a witness in the place of the runtime, and the first line that every start writes itself."""

from __future__ import annotations

import asyncio
import contextlib
import glob
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from shoal_agent.runtime.task import TaskKey
from shoal_common.errors import NotFound
from shoal_lab.cluster import Lab
from shoal_lab.hosts import inside

_SCRIPT: Final = Path(__file__).with_name("runtime_witness.sh")
CRUN: Final = Path("/usr/bin/crun")
_BEGAN: Final = re.compile(r" ?began ([0-9a-f]{64}) ")
_EVERY: Final = 0.25
_LOOK: Final = 0.05

#: How often each attempt of a container said that it began, by container, then by generation and attempt.
Begins = dict[str, Counter[tuple[int, int]]]


@dataclass(frozen=True, slots=True)
class Order:
    """Something that the runtime of a node was asked for; `at` is in seconds since the machine booted."""

    at: float
    node: str
    verb: str
    task: TaskKey


@dataclass(slots=True)
class Seen:
    """All that the witnesses saw.

    Attributes:
        begins: how often each attempt said that it began.
        where: the nodes on which something of a (container, generation) was started.
        orders: how often each thing was asked of the runtimes, by its verb.
    """

    begins: Begins = field(default_factory=dict)
    where: dict[tuple[str, int], set[str]] = field(default_factory=dict)
    orders: Counter[str] = field(default_factory=Counter)


class Witness:
    """Stands by on every node.

    Args:
        lab: that is up.
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._nodes = [host.name for host in lab.layout.node_hosts]

    def here(self, node: str) -> Path:
        """Return the directory of a node's witness; not on the node's own disk, which may be full."""
        return self._lab.layout.data / "witness" / node

    def _keep(self, node: str) -> Path:
        # On the file system of the logs, as links have to be. Inside the host, as the next one.
        return self._lab.layout.host_data(node) / "kept-logs"

    def _containers(self, node: str) -> Path:
        return self._lab.layout.host_data(node) / "shoal" / "containers"

    def _seen_from_here(self, node: str, path: Path) -> Path:
        """Return a path of a host's: its disk is mounted only inside.

        Raises:
            NotFound: the host does not run.
        """
        return Path(f"/proc/{self._lab.orders(node).pid}/root{path}")

    async def install(self) -> None:
        """Take the runtime's place on all nodes."""
        for node in self._nodes:
            await self.install_on(node)

    async def install_on(self, node: str) -> None:
        """Take the runtime's place on a node that has booted; its agent has started nothing yet."""
        here = self.here(node)
        here.mkdir(parents=True, exist_ok=True)
        self._seen_from_here(node, self._keep(node)).mkdir(exist_ok=True)
        real = here / "crun"
        if not real.exists():
            shutil.copy(CRUN, real)
        script = _SCRIPT.read_text()
        for name, value in (
            ("HERE", here),
            ("KEEP", self._keep(node)),
            ("CONTAINERS", self._containers(node)),
            ("CRUN", real),
        ):
            script = script.replace(f"@{name}@", str(value))
        program = here / "witness"
        program.write_text(script)
        program.chmod(0o755)
        await inside(self._lab.orders(node).pid, ["mount", "--bind", str(program), str(CRUN)])

    async def collect(self) -> None:
        """Link log files that the witness could not, for ever."""
        while True:
            self.look()
            await asyncio.sleep(_EVERY)

    def look(self) -> None:
        """Link the log files that are new."""
        for node in self._nodes:
            # One that is being rebooted has nothing to show.
            with contextlib.suppress(NotFound):
                self._look_at(node)

    def _look_at(self, node: str) -> None:
        keep = self._seen_from_here(node, self._keep(node))
        # Not by Path.glob, which fails when a directory goes away meanwhile.
        for path in map(Path, glob.glob(f"{self._seen_from_here(node, self._containers(node))}/*/*/logs/*.log")):
            container, generation = path.parts[-4], path.parts[-3]
            attempt, _, segment = path.name.removesuffix(".log").partition(".")
            # One that is there already, or is just being removed; or the node's disk is full.
            name = f"{container}-{generation}-{attempt}" + ("" if segment == "0" else f"-{segment}")
            with contextlib.suppress(OSError):
                os.link(path, keep / name)

    def orders(self, node: str, *, after: int = 0) -> tuple[list[Order], int]:
        """Return what a node's runtime was asked for past the first `after` bytes, and the new end."""
        try:
            with (self.here(node) / "orders").open() as file:
                file.seek(after)
                text = file.read()
        except FileNotFoundError:
            return [], 0
        whole = text[: text.rfind("\n") + 1]
        found = []
        for line in whole.splitlines():
            at, verb, name = line.split(" ", 2)
            if (task := TaskKey.parse(name)) is not None:
                found.append(Order(float(at), node, verb, task))
        return found, after + len(whole)

    async def next_order(self, nodes: list[str], verbs: frozenset[str], *, seconds: float) -> Order | None:
        """Return the next thing of such a kind that the runtime of one of the nodes is asked for; None: it wasn't."""
        ends = {node: self.orders(node)[1] for node in nodes}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    for node in nodes:
                        found, ends[node] = self.orders(node, after=ends[node])
                        if wanted := [each for each in found if each.verb in verbs]:
                            return wanted[-1]
                    await asyncio.sleep(_LOOK)
        return None

    def slow(self, nodes: list[str], *, tenths: int) -> None:
        """Make starts on these nodes take long."""
        for node in nodes:
            (self.here(node) / "slow").write_text(f"{tenths}\n")

    def swift(self, nodes: list[str]) -> None:
        """Make starts on these nodes as fast as they are."""
        for node in nodes:
            for path in (self.here(node) / "slow", *self.here(node).glob("seen-*")):
                path.unlink(missing_ok=True)

    def _kept(self, node: str) -> Iterator[tuple[Path, str]]:
        with contextlib.suppress(NotFound, OSError):
            for path in self._seen_from_here(node, self._keep(node)).iterdir():
                yield path, path.read_text(errors="replace")

    def seen(self) -> Seen:
        """Return all that was seen."""
        result = Seen()
        for node in self._nodes:
            for order in self.orders(node)[0]:
                result.orders[order.verb] += 1
                if order.verb == "start":
                    result.where.setdefault((order.task.container, order.task.generation), set()).add(node)
            for path, text in self._kept(node):
                container, generation, attempt, *_ = path.name.split("-")
                count = sum(1 for each in _BEGAN.findall(text) if each == container)
                if count:
                    result.begins.setdefault(container, Counter())[int(generation), int(attempt)] += count
                    result.where.setdefault((container, int(generation)), set()).add(node)
        return result
