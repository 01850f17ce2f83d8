"""The commands that are timed, from the client's start to its end, by turns at Docker, Podman and Shoal."""

from __future__ import annotations

import asyncio
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.site import IMAGE, Site
from bench.turns import in_turn
from shoal_common.errors import Conflict
from shoal_lab.daemons import SHOAL

#: Rounds before those that count: the first of each kind finds cold caches.
_WARM_UP: Final = 2
#: Seconds before each command, in which all sides end what the one before it left to be done in the background.
_PAUSE: Final = 0.1
_SLEEP: Final = ("sleep", "3600")


class Side(ABC):
    """One of the three, as its command line shows it.

    Args:
        command: how the command line begins.
        environment: of the command.
    """

    name: str
    #: What its `run` needs besides what is measured.
    run_options: Sequence[str] = ()

    def __init__(self, command: list[str], environment: Mapping[str, str]) -> None:
        self.command = command
        self.environment = environment

    async def call(self, *words: str) -> tuple[float, str]:
        """Run the command; returns milliseconds and what it printed.

        Raises:
            Conflict: it failed.
        """
        await asyncio.sleep(_PAUSE)
        # The loop stands still meanwhile, so that nothing here takes part in what is measured.
        took, done = _timed([*self.command, *words], self.environment)
        # Ctrl-C ends the command as well: let it be heard first.
        await asyncio.sleep(0)
        if done.returncode != 0:
            said = (done.stderr.decode(errors="replace").strip().splitlines() or ["nothing"])[-1]
            raise Conflict(f"{self.name} {' '.join(words)} failed with {done.returncode}: {said}")
        return took, done.stdout.decode().strip()

    @abstractmethod
    async def gone(self, container: str) -> None:
        """Wait until nothing of a container is at work any more, so that it does not disturb what is timed next."""


class DockerSide(Side):
    """Docker: its commands return when all is done."""

    name = "docker"

    def __init__(self, site: Site) -> None:
        super().__init__(site.docker.command, site.docker.environment)

    async def gone(self, container: str) -> None:
        """Nothing to wait for."""


class PodmanSide(Side):
    """Podman."""

    name = "podman"

    def __init__(self, site: Site) -> None:
        super().__init__(site.podman.command, site.podman.environment)
        self.run_options = site.podman.run_options
        self._podman = site.podman

    async def gone(self, container: str) -> None:
        """Let the monitor tidy up: it does when the command has returned."""
        await self._podman.quiet()


class ShoalSide(Side):
    """Shoal."""

    name = "shoal"

    def __init__(self, site: Site) -> None:
        super().__init__([SHOAL], site.environment)
        self._site = site

    async def gone(self, container: str) -> None:
        """Ask the cluster."""
        await self._site.gone(container)


def _timed(argv: list[str], environment: Mapping[str, str]) -> tuple[float, subprocess.CompletedProcess[bytes]]:
    began = time.perf_counter_ns()
    done = subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return (time.perf_counter_ns() - began) / 1e6, done


async def _run_detached(side: Side) -> tuple[float, str]:
    return await side.call("run", *side.run_options, "-d", IMAGE, *_SLEEP)


async def _remove(side: Side, container: str) -> float:
    took, _ = await side.call("rm", "-f", container)
    await side.gone(container)
    return took


async def _version(side: Side) -> float:
    return (await side.call("version"))[0]


async def _run(side: Side) -> float:
    took, container = await _run_detached(side)
    await _remove(side, container)
    return took


async def _run_and_remove(side: Side) -> float:
    took, _ = await side.call("run", *side.run_options, "--rm", "--name", "bench-run-rm", IMAGE, "true")
    await side.gone("bench-run-rm")
    return took


async def _exec(side: Side) -> float:
    _, container = await _run_detached(side)
    took, _ = await side.call("exec", container, "true")
    await _remove(side, container)
    return took


async def _stop(side: Side) -> float:
    _, container = await _run_detached(side)
    took, _ = await side.call("stop", "-t", "0", container)
    await _remove(side, container)
    return took


async def _force_remove(side: Side) -> float:
    _, container = await _run_detached(side)
    return await _remove(side, container)


async def _stats(side: Side) -> float:
    return (await side.call("stats", "--no-stream"))[0]


@dataclass(frozen=True, slots=True)
class Measured:
    """The samples of one command, in milliseconds, by the name of the side."""

    name: str
    shown: str
    samples: dict[str, list[float]] = field(default_factory=dict)


#: By name for --only: what is shown, and what is done, all of it once, of which one command is timed.
COMMANDS: Final = {
    "version": ("version (start and one call)", _version),
    "run": ("run -d", _run),
    "run-rm": ("run --rm true", _run_and_remove),
    "exec": ("exec true", _exec),
    "stop": ("stop -t 0", _stop),
    "rm": ("rm -f", _force_remove),
}
#: Of many containers, by `crowd` alone.
STATS: Final = ("stats --no-stream", _stats)


async def measure(site: Site, name: str, rounds: int) -> Measured:
    """Time one command on all sides, in another order in each round."""
    shown, work = COMMANDS[name]
    sides: list[Side] = [DockerSide(site), PodmanSide(site), ShoalSide(site)]
    measured = Measured(name, shown, {side.name: [] for side in sides})
    for number in range(-_WARM_UP, rounds):
        for side in in_turn(sides, number):
            took = await work(side)
            if number >= 0:
                measured.samples[side.name].append(took)
    return measured
