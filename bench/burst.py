"""Many starts at once on one node: how many containers a second come to run, through the daemons' own interfaces.

One client on each side, without a command line: fifty interpreters at once would measure themselves.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Final

import shoal
from bench.facts import Fact, Facts
from bench.site import IMAGE, Site
from bench.turns import in_turn

COUNT: Final = 50
_ROUNDS: Final = 3
_SLEEP: Final = ("sleep", "3600")

Make = Callable[[int], Awaitable[str]]
Remove = Callable[[str], Awaitable[None]]


async def measure(site: Site) -> Facts:
    """Start fifty at once, remove them, by turns at Docker, Podman and Shoal."""
    async with site.docker.api() as docker, site.podman.api() as podman:
        sides: dict[str, tuple[Make, Remove]] = {
            "docker": (lambda number: docker.run(f"burst-{number}", IMAGE, _SLEEP), docker.remove),
            "podman": (lambda number: podman.run(f"burst-{number}", IMAGE, _SLEEP), podman.remove),
            "shoal": (lambda number: _run(site), lambda container: _remove(site, container)),
        }
        rates: dict[str, list[float]] = {name: [] for name in sides}
        for number in range(-1, _ROUNDS):
            for name in in_turn(list(sides), number):
                make, remove = sides[name]
                rate = await _burst(make, remove)
                await site.podman.quiet()
                # The first finds cold caches.
                if number >= 0:
                    rates[name].append(rate)
    docker_rate, podman_rate, shoal_rate = (statistics.median(samples) for samples in rates.values())
    return Facts(
        f"burst of {COUNT} starts on one node, median of {_ROUNDS}",
        [
            Fact("containers a second", docker_rate, podman_rate, shoal_rate),
            Fact("Shoal's rate in Docker's", None, None, shoal_rate / docker_rate, "2 or more"),
            Fact("Shoal's rate in Podman's", None, None, shoal_rate / podman_rate),
        ],
    )


async def _burst(make: Make, remove: Remove) -> float:
    began = time.perf_counter()
    containers = await asyncio.gather(*(make(number) for number in range(COUNT)))
    took = time.perf_counter() - began
    await asyncio.gather(*(remove(container) for container in containers))
    return COUNT / took


async def _run(site: Site) -> str:
    container = await site.cluster.containers.run(IMAGE, _SLEEP)
    await site.cluster.containers.wait(container.spec.id, until=shoal.Until.RUNNING, run=1)
    return container.spec.id


async def _remove(site: Site, container: str) -> None:
    await site.cluster.containers.remove(container, force=True)
    await site.gone(container)
