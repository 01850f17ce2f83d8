"""How fast bytes go through: into a command and back, and out of a log; and what of it each process has to do."""

from __future__ import annotations

import asyncio
import hashlib
import os
import resource
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from bench import processes
from bench.commands import DockerSide, PodmanSide, ShoalSide, Side
from bench.facts import Fact, Facts
from bench.site import IMAGE, Site
from bench.turns import in_turn
from shoal_common.errors import Conflict

_MIB: Final = 1 << 20
_GIB: Final = 1 << 30
#: What goes into `cat` and comes back, and what is logged: no more than all of them keep.
BYTES: Final = _GIB
LINE: Final = 100
LINES: Final = 400_000
_ROUNDS: Final = 3
_PIECE: Final = _MIB
#: Seconds between two looks at what daemons hold.
_LOOK: Final = 0.2
_CLIENT: Final = "client"


@dataclass(slots=True)
class _Samples:
    """Of one side: MiB a second, seconds on a core for each GiB by process, MiB that daemons held more than before."""

    rates: list[float] = field(default_factory=list)
    busy: dict[str, list[float]] = field(default_factory=dict)
    grown: dict[str, list[float]] = field(default_factory=dict)


async def measure(site: Site) -> list[Facts]:
    """Measure both, by turns at Docker, Podman and Shoal."""
    sides: list[Side] = [DockerSide(site), PodmanSide(site), ShoalSide(site)]
    source = site.lab.layout.data / "throughput"
    digest = await asyncio.to_thread(_fill, source)
    exec_, logs = ({side.name: _Samples() for side in sides} for _ in range(2))
    for number in range(_ROUNDS + 1):
        for side in in_turn(sides, number):
            # The first finds cold caches.
            await _through_exec(site, side, source, digest, exec_[side.name] if number else _Samples())
            await _through_logs(site, side, logs[side.name] if number else _Samples())
    source.unlink()
    return [
        _facts(f"exec -i cat, {BYTES // _MIB} MiB in and out, median of {_ROUNDS}", exec_, "100 or more"),
        _facts(f"logs, {LINES} lines of {LINE} bytes, median of {_ROUNDS}", logs, ""),
    ]


def _fill(path: Path) -> str:
    """Write what nobody could compress; return its digest."""
    hashed = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(BYTES // _PIECE):
            piece = os.urandom(_PIECE)
            hashed.update(piece)
            file.write(piece)
    return hashed.hexdigest()


async def _through_exec(site: Site, side: Side, source: Path, digest: str, into: _Samples) -> None:
    _, container = await side.call("run", *side.run_options, "-d", IMAGE, "sleep", "3600")
    with source.open("rb") as data:
        found = await _timed(site, side, ["exec", "-i", container, "cat"], data, BYTES, into)
    if found != (BYTES, digest):
        raise Conflict(f"{side.name} exec -i cat gave back {found[0]} bytes that are not those it was given")
    await side.call("rm", "-f", container)
    await side.gone(container)


async def _through_logs(site: Site, side: Side, into: _Samples) -> None:
    count = f'BEGIN {{ for (i = 1; i <= {LINES}; i++) printf "%0{LINE - 1}d\\n", i }}'
    _, container = await side.call("run", *side.run_options, "-d", IMAGE, "awk", count)
    await side.call("wait", container)
    size, _ = await _timed(site, side, ["logs", container], None, LINES * LINE, into)
    if size != LINES * LINE:
        raise Conflict(f"{side.name} logs gave {size} bytes instead of {LINES * LINE}")
    await side.call("rm", "-f", container)
    await side.gone(container)


async def _timed(
    site: Site, side: Side, words: list[str], data: IO[bytes] | None, size: int, into: _Samples
) -> tuple[int, str]:
    """Run a command and note what it took; return how much it gave, and the digest of that."""
    daemons = _daemons(site, side)
    with _growth(daemons) as grown:
        busy = {name: processes.busy(pids) for name, pids in daemons.items()}
        client, began = _children(), time.perf_counter()
        found = await asyncio.to_thread(_run, [*side.command, *words], side.environment, data)
        took = time.perf_counter() - began
        spent = {_CLIENT: _children() - client}
        spent |= {name: processes.busy(pids) - busy[name] for name, pids in daemons.items()}
    into.rates.append(size / _MIB / took)
    for name, seconds in spent.items():
        into.busy.setdefault(name, []).append(seconds * _GIB / size)
    for name, most in grown.items():
        into.grown.setdefault(name, []).append(most)
    return found


def _run(argv: list[str], environment: Mapping[str, str], data: IO[bytes] | None) -> tuple[int, str]:
    hashed, size = hashlib.sha256(), 0
    stdin = subprocess.DEVNULL if data is None else data
    with subprocess.Popen(argv, env=environment, stdin=stdin, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while piece := os.read(process.stdout.fileno(), _PIECE):
            hashed.update(piece)
            size += len(piece)
    if process.returncode != 0:
        raise Conflict(f"{' '.join(argv[:4])} failed with {process.returncode}")
    return size, hashed.hexdigest()


def _children() -> float:
    """Return the seconds that processes of ours which have ended were on a core."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _daemons(site: Site, side: Side) -> dict[str, list[int]]:
    """Return the processes that stand between client and container, by name."""
    match side.name:
        case "docker":
            host = site.docker.host
            shims = processes.named(host, "containerd-shim-runc-v2")
            return {"daemons": [*processes.family(processes.daemon(host, "dockerd")), *shims]}
        case "podman":
            return {"daemons": processes.named(site.podman.host, "conmon")}
        case _:
            layout = site.lab.layout
            controller = processes.daemon(site.lab.orders(layout.control.name).pid, "controller")
            agent = processes.daemon(site.lab.orders(layout.node_hosts[0].name).pid, "agent")
            return {"daemons": [controller, agent], "controller": [controller], "agent": [agent]}


@contextmanager
def _growth(daemons: Mapping[str, list[int]]) -> Iterator[dict[str, float]]:
    """Give what daemons held at most, in MiB, beyond what they held before; filled in at the end."""
    before = {name: processes.memory(pids) for name, pids in daemons.items()}
    most = dict(before)
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOK):
            for name, pids in daemons.items():
                most[name] = max(most[name], processes.memory(pids))

    looking = threading.Thread(target=look, name="bench-memory")
    looking.start()
    grown: dict[str, float] = {}
    try:
        yield grown
    finally:
        over.set()
        looking.join()
        grown.update({name: most[name] - before[name] for name in daemons})


def _facts(name: str, samples: Mapping[str, _Samples], aim: str) -> Facts:
    docker, podman, shoal = samples["docker"], samples["podman"], samples["shoal"]

    rates = [statistics.median(each.rates) for each in (docker, podman, shoal)]
    lines = [
        Fact("MiB a second", rates[0], rates[1], rates[2], aim),
        Fact("Shoal's rate in Docker's", None, None, rates[2] / rates[0]),
    ]
    for part in shoal.busy:
        peers = (_median(docker.busy.get(part)), _median(podman.busy.get(part)))
        lines.append(Fact(f"{part}, seconds on a core for a GiB", *peers, statistics.median(shoal.busy[part])))
    for part in shoal.grown:
        peers = (_median(docker.grown.get(part)), _median(podman.grown.get(part)))
        lines.append(Fact(f"{part}, MiB more meanwhile", *peers, statistics.median(shoal.grown[part])))
    return Facts(name, lines)


def _median(values: Sequence[float] | None) -> float | None:
    return None if values is None else statistics.median(values)
