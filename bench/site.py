"""Where it is measured: a lab of one node, Docker and Podman beside it, with the same image in all of them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import shoal
from bench import docker, podman
from bench.docker import Docker
from bench.podman import Podman
from shoal_common.errors import Conflict, NotFound
from shoal_lab import daemons
from shoal_lab.cluster import READY_SECONDS, Lab, Plan, default_capacity
from shoal_lab.hosts import PATH
from shoal_lab.image import root_filesystem
from shoal_lab.layout import Layout

LAB: Final = "bench"
SUBNET: Final = "10.80.0.0/24"
IMAGE: Final = "bench:1"


@dataclass(frozen=True, slots=True)
class Site:
    """All three, running.

    Attributes:
        lab: Shoal's side.
        cluster: a connection to it, for what is not measured.
        docker: Docker's side.
        podman: Podman's side.
        environment: of the `shoal` command.
    """

    lab: Lab
    cluster: shoal.Cluster
    docker: Docker
    podman: Podman
    environment: dict[str, str]

    async def gone(self, container: str) -> None:
        """Wait until nothing is left of a container of Shoal's."""
        try:
            await self.cluster.containers.wait(container, until=shoal.Until.REMOVED)
        except NotFound:
            return

    async def debug(self) -> None:
        """Start controller and agent anew, so that they log each step."""
        layout = self.lab.layout
        log = layout.log(layout.node_hosts[0].name, "agent")
        before = log.stat().st_size
        for host, service, argv in (
            (layout.control, "controller", daemons.controller(layout, layout.control)),
            (layout.node_hosts[0], "agent", daemons.agent(layout, layout.node_hosts[0], self.lab.plan.capacity)),
        ):
            await self.lab.stop(f"{host.name}/{service}")
            await self.lab.orders(host.name).start(service, [*argv, "--debug"], layout.log(host.name, service))
        # The node was ready all the time, as far as the cluster knows: only its agent can tell that it is back.
        async with asyncio.timeout(READY_SECONDS):
            while True:
                if b" is open" in log.read_bytes()[before:]:
                    return
                await asyncio.sleep(0.05)


@asynccontextmanager
async def site(say: Callable[[str], None]) -> AsyncIterator[Site]:
    """Start all sides; end them, and remove every trace, when left.

    Raises:
        InvalidSpec: something is not installed.
        Conflict: another benchmark runs, or a part failed.
    """
    lab = Lab(Plan(Layout(name=LAB, subnet=SUBNET, nodes=1), default_capacity(1)), say)
    await lab.up()
    try:
        say("Starting Docker and Podman")
        peers = await docker.start(lab.layout), await podman.start(lab.layout)
        archive = lab.layout.data / "image.tar"
        archive.write_bytes(await asyncio.to_thread(root_filesystem))
        for peer in peers:
            _import(peer, archive)
        environment = {"PATH": PATH, "HOME": "/root", "SHOAL_CONTEXT": LAB}
        environment["SHOAL_CONFIG"] = os.environ["SHOAL_CONFIG"]
        async with lab.connect() as cluster:
            await imported(cluster)
            yield Site(lab, cluster, *peers, environment)
    finally:
        say("Ending them all")
        await lab.down()


async def imported(cluster: shoal.Cluster) -> None:
    """Bring the image into a cluster."""
    with tempfile.NamedTemporaryFile(prefix="shoal-bench-") as archive:
        archive.write(await asyncio.to_thread(root_filesystem))
        archive.flush()
        await cluster.images.import_archive(Path(archive.name), IMAGE)


def _import(peer: Docker | Podman, archive: Path) -> None:
    try:
        subprocess.run(
            [*peer.command, "import", str(archive), IMAGE], env=peer.environment, check=True, capture_output=True
        )
    except subprocess.CalledProcessError as error:
        raise Conflict(
            f"{type(peer).__name__.lower()} import failed: {error.stderr.decode(errors='replace').strip()}"
        ) from error
