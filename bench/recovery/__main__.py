"""`python -m bench.recovery`: kill a controller, or a member of etcd, ten times each, and time what a client sees.

In each round the process is killed with SIGKILL; from that moment on one client asks for a list, one creates a
container, and one runs a container until it is RUNNING, all with connections that were open before. The process is
started again, and the cluster left to settle, before the next round.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import shoal
from shoal_common.errors import ShoalError
from shoal_lab.cluster import Lab, Plan, default_capacity
from shoal_lab.image import root_filesystem
from shoal_lab.layout import Layout

LAB: Final = "recov"
IMAGE: Final = "recovery:1"
COMMAND: Final = ("sleep", "1000")
#: Seconds in which everything has settled again.
SETTLE: Final = 60.0
#: Clients in each round: each has its own connections, at whichever controller comes first for it.
WHAT: Final = ("read", "create", "running")


async def main(rounds: int, subnet: str) -> None:
    """Print the figures."""
    lab = Lab(Plan(Layout(LAB, subnet, 3, controllers=3, members=3), default_capacity(3)), _say)
    await lab.up()
    try:
        archive = lab.layout.data / "image.tar"
        archive.write_bytes(await asyncio.to_thread(root_filesystem))
        async with lab.connect() as cluster:
            await cluster.images.import_archive(archive, IMAGE)
            calm = await cluster.containers.run(IMAGE, COMMAND, name="calm")
            before = (await cluster.containers.wait(calm.spec.id, until=shoal.Until.RUNNING)).phase
            status = (await cluster.containers.get("calm")).status
            for service in ("controller", "etcd"):
                figures: dict[str, list[float]] = {what: [] for what in WHAT}
                for number in range(rounds):
                    target = await _target(lab, cluster, service, number)
                    for what, seconds in (await _round(lab, f"{target}/{service}", f"{service}{number}")).items():
                        figures[what].append(seconds)
                    await _settle(lab, cluster)
                for what, values in figures.items():
                    median, most = statistics.median(values), max(values)
                    print(f"{service} killed, {what}: median {median:.2f} s, most {most:.2f} s of {len(values)}")
            now = await cluster.containers.get("calm")
            assert now.status == status, f"a running container was touched: {before}, {now.status}"
    finally:
        await lab.down()


async def _target(lab: Lab, cluster: shoal.Cluster, service: str, number: int) -> str:
    """Return the host whose process is killed: each in turn, the leading one every second time."""
    info = await cluster.info()
    if number % 2 == 0:
        leads = info.leader if service == "controller" else next(each.address for each in info.store if each.leads)
        return next(host.name for host in lab.layout.hosts if host.address == leads.partition(":")[0])
    hosts = lab.layout.running(service)
    return hosts[number // 2 % len(hosts)].name


async def _round(lab: Lab, target: str, name: str) -> dict[str, float]:
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(lab.connect()) for _ in WHAT]
        for client in clients:
            await client.version()
        read, create, run = clients

        async def running() -> None:
            container = await run.containers.run(IMAGE, COMMAND, name=f"{name}-run")
            await run.containers.wait(container.spec.id, until=shoal.Until.RUNNING)

        async def made() -> None:
            await create.containers.create(IMAGE, COMMAND, name=f"{name}-made")

        async def listed() -> None:
            await read.containers.list(all=True)

        killed = time.monotonic()
        await lab.kill(target)
        work: dict[str, Callable[[], Awaitable[None]]] = {"read": listed, "create": made, "running": running}
        async with asyncio.TaskGroup() as group:
            tasks = {what: group.create_task(_timed(each, killed), name=what) for what, each in work.items()}
        await lab.start(target)
        _say(f"{target}: {', '.join(f'{what} {task.result():.2f} s' for what, task in tasks.items())}")
        listing = [each.spec.name for each in await read.containers.list(all=True)]
        assert listing.count(f"{name}-made") == listing.count(f"{name}-run") == 1, listing
        for each in (f"{name}-made", f"{name}-run"):
            await read.containers.remove(each, force=True)
        return {what: task.result() for what, task in tasks.items()}


async def _timed(work: Callable[[], Awaitable[None]], since: float) -> float:
    await work()
    return time.monotonic() - since


async def _settle(lab: Lab, cluster: shoal.Cluster) -> None:
    """Wait until all controllers, members and nodes are there, and only what should be."""
    layout = lab.layout
    async with asyncio.timeout(SETTLE):
        while True:
            try:
                info = await cluster.info()
                if (
                    len(info.controllers) == layout.controllers
                    and all(member.healthy for member in info.store)
                    and info.nodes_ready == layout.nodes
                    and not info.problems
                    and len(await cluster.containers.list(all=True)) == 1
                ):
                    return
            except ShoalError as error:
                _say(str(error))
            await asyncio.sleep(0.1)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--subnet", default="10.81.0.0/24")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="shoal-recovery-") as folder:
        path = Path(folder) / "config.json"
        path.write_text(json.dumps({}))
        os.environ["SHOAL_CONFIG"] = str(path)
        asyncio.run(main(arguments.rounds, arguments.subnet))
