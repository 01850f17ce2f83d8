"""Commands on a node that is full: two hundred containers are there, on each side.

Docker's and Shoal's: where Podman is measured it must have no containers, since nothing else tells that it is quiet.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import shoal
from bench import commands
from bench.commands import DockerSide, ShoalSide, Side
from bench.docker import Api
from bench.facts import Fact, Facts
from bench.site import IMAGE, Site
from bench.turns import in_turn

COUNT: Final = 200
#: What a full node could make slower.
_TIMED: Final = (commands.COMMANDS["run"], commands.COMMANDS["stop"], commands.STATS)
#: Starts and removals under way at a time.
_AT_ONCE: Final = 8
_SLEEP: Final = ("sleep", "3600")


async def measure(site: Site, rounds: int, say: Callable[[str], None]) -> Facts:
    """Fill Docker and Shoal, and time some commands there by turns."""
    sides: list[Side] = [DockerSide(site), ShoalSide(site)]
    lines = []
    async with AsyncExitStack() as stack:
        say(f"Starting {COUNT} containers in each")
        await stack.enter_async_context(_filled_docker(await stack.enter_async_context(site.docker.api())))
        await stack.enter_async_context(_filled(site))
        for shown, work in _TIMED:
            say(f"Measuring {shown} at {COUNT} containers")
            samples: dict[str, list[float]] = {side.name: [] for side in sides}
            for number in range(-1, rounds):
                for side in in_turn(sides, number):
                    took = await work(side)
                    # The first finds cold caches.
                    if number >= 0:
                        samples[side.name].append(took)
            docker, ours = (statistics.median(each) for each in samples.values())
            lines.append(Fact(shown, docker, None, ours))
        say("Removing them")
    return Facts(f"at {COUNT} containers on the node, ms, median of {rounds}", lines)


@asynccontextmanager
async def _filled_docker(api: Api) -> AsyncIterator[None]:
    """Docker, with containers while the context lasts."""
    made = [await api.run(f"crowd-{number}", IMAGE, _SLEEP) for number in range(COUNT)]
    try:
        yield
    finally:
        for container in made:
            await api.remove(container)


@asynccontextmanager
async def _filled(site: Site) -> AsyncIterator[None]:
    """Shoal's node, the same."""
    room, made = asyncio.Semaphore(_AT_ONCE), list[str]()

    async def start() -> None:
        async with room:
            container = await site.cluster.containers.run(IMAGE, _SLEEP)
            made.append(container.spec.id)
            await site.cluster.containers.wait(container.spec.id, until=shoal.Until.RUNNING, run=1)

    async def remove(container: str) -> None:
        async with room:
            await site.cluster.containers.remove(container, force=True)
            await site.gone(container)

    try:
        await asyncio.gather(*(start() for _ in range(COUNT)))
        yield
    finally:
        await asyncio.gather(*(remove(container) for container in made))
