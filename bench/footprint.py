"""What it costs to be there: memory of the daemons and of each container, cores and writes while nothing happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import shoal
from bench import processes
from bench.docker import Api
from bench.facts import Fact, Facts
from bench.podman import Podman
from bench.site import IMAGE, Site, imported
from shoal_lab.cluster import Lab, Plan, default_capacity
from shoal_lab.layout import Layout

#: Seconds after which a daemon counts as idle, and for which it is watched then.
IDLE: Final = 60.0
RUNS: Final = 500
#: Containers by which the memory of one is measured, and which idle.
FEW: Final = 50
MANY: Final = 100
#: Runs under way at a time.
_AT_ONCE: Final = 4
_LAB: Final = "bench3"
_SUBNET: Final = "10.81.0.0/24"
_SLEEP: Final = ("sleep", "3600")


async def memory(site: Site) -> Facts:
    """Look at the daemons when idle, with containers, and after many runs."""
    controller, agent = _controller(site.lab), _agents(site.lab)[0]
    docker_host = site.docker.host
    dockerd = processes.family(processes.daemon(docker_host, "dockerd"))
    await asyncio.sleep(IDLE)
    idle = processes.memory([controller]), processes.memory(processes.family(agent))
    docker_idle = processes.memory(dockerd)

    def shoal_all() -> float:
        node = site.lab.orders(site.lab.layout.node_hosts[0].name).pid
        return processes.memory([controller, *processes.family(agent), *processes.named(node, "conmon")])

    def docker_all() -> float:
        daemons = processes.family(processes.daemon(docker_host, "dockerd"))
        shims = processes.named(docker_host, "containerd-shim-runc-v2")
        return processes.memory({*(pid for pid in daemons if processes.words(pid)[0] != "sleep"), *shims})

    shoal_each = await _each(site.cluster, shoal_all)
    async with site.docker.api() as docker:
        docker_each = await _each_of(docker, docker_all)
    async with site.podman.api() as podman:
        # Its service is not counted: it need not run.
        podman_each = await _each_of(podman, lambda: processes.memory(_monitors(site.podman)))
        await site.podman.quiet()
    await _runs(site.cluster)
    await asyncio.sleep(IDLE)
    after = processes.memory([controller]), processes.memory(processes.family(agent))
    return Facts(
        "memory, MiB (PSS)",
        [
            Fact(f"controller, idle for {IDLE:.0f} s", None, None, idle[0], "under 100"),
            Fact(
                f"agent, idle for {IDLE:.0f} s (Docker: dockerd, containerd)", docker_idle, None, idle[1], "under 100"
            ),
            Fact(f"controller after {RUNS} runs", None, None, after[0], f"under {idle[0] * 1.1:.0f}"),
            Fact(f"agent after {RUNS} runs", None, None, after[1], f"under {idle[1] * 1.1:.0f}"),
            Fact("each running container, besides itself", docker_each, podman_each, shoal_each, "under 1"),
        ],
    )


async def idle(site: Site, say: Callable[[str], None]) -> Facts:
    """Let containers idle, on three nodes of Shoal's, in Docker and in Podman, and see what that costs."""
    lab = Lab(Plan(Layout(name=_LAB, subnet=_SUBNET, nodes=3), default_capacity(3)), say)
    await lab.up()
    try:
        async with lab.connect() as cluster, site.docker.api() as docker, site.podman.api() as podman:
            await imported(cluster)
            await asyncio.gather(*(_running(cluster) for _ in range(MANY)))
            made = [(api, await api.run(f"idle-{n}", IMAGE, _SLEEP)) for api in (docker, podman) for n in range(MANY)]
            await asyncio.sleep(IDLE / 2)
            dockerd = processes.family(processes.daemon(site.docker.host, "dockerd"))
            watched = {
                "docker": [*dockerd, *processes.named(site.docker.host, "containerd-shim-runc-v2")],
                "podman": _monitors(site.podman),
                "controller": [_controller(lab)],
                **{f"agent {number}": processes.family(pid) for number, pid in enumerate(_agents(lab), 1)},
                "etcd": [processes.daemon(lab.orders(lab.layout.control.name).pid, "etcd")],
            }
            revision = (await cluster.info()).revision
            before = {name: processes.busy(pids) for name, pids in watched.items()}
            await asyncio.sleep(IDLE)
            share = {name: (processes.busy(pids) - before[name]) / IDLE * 100 for name, pids in watched.items()}
            written = (await cluster.info()).revision - revision
            for api, container in made:
                await api.remove(container)
            await site.podman.quiet()
    finally:
        await lab.down()
    docker_share, podman_share = share.pop("docker"), share.pop("podman")
    return Facts(
        f"{MANY} idle containers (Shoal: on 3 nodes) for {IDLE:.0f} s, % of a core",
        [
            Fact("daemons (Docker: and shims; Podman: conmon)", docker_share, podman_share, sum(share.values())),
            *(
                Fact(f"of it {name}", None, None, value, "" if name == "etcd" else "under 1")
                for name, value in share.items()
            ),
            Fact("writes to etcd", None, None, written, "none"),
        ],
    )


def _controller(lab: Lab) -> int:
    return processes.daemon(lab.orders(lab.layout.control.name).pid, "controller")


def _agents(lab: Lab) -> list[int]:
    return [processes.daemon(lab.orders(host.name).pid, "agent") for host in lab.layout.node_hosts]


def _monitors(podman: Podman) -> list[int]:
    return processes.named(podman.host, "conmon")


async def _running(cluster: shoal.Cluster) -> str:
    container = await cluster.containers.run(IMAGE, _SLEEP)
    await cluster.containers.wait(container.spec.id, until=shoal.Until.RUNNING, run=1)
    return container.spec.id


async def _gone(cluster: shoal.Cluster, container: str) -> None:
    try:
        await cluster.containers.wait(container, until=shoal.Until.REMOVED)
    except shoal.NotFound:
        return


async def _each(cluster: shoal.Cluster, measured: Callable[[], float]) -> float:
    """Return by how much a container adds to what is measured."""
    before = measured()
    made = [await _running(cluster) for _ in range(FEW)]
    each = (measured() - before) / FEW
    for container in made:
        await cluster.containers.remove(container, force=True)
        await _gone(cluster, container)
    return each


async def _each_of(api: Api, measured: Callable[[], float]) -> float:
    """Return the same of one that speaks Docker's API."""
    before = measured()
    made = [await api.run(f"memory-{number}", IMAGE, _SLEEP) for number in range(FEW)]
    each = (measured() - before) / FEW
    for container in made:
        await api.remove(container)
    return each


async def _runs(cluster: shoal.Cluster) -> None:
    """Run many containers to their end and removal."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def one() -> None:
        async with room:
            container = await cluster.containers.run(IMAGE, ["true"], auto_remove=True)
            await _gone(cluster, container.spec.id)

    await asyncio.gather(*(one() for _ in range(RUNS)))
