"""The lab as the ground of a campaign: its hosts by what runs on them, and how they are taken hold of."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Final

from shoal_lab.cluster import Lab
from tests.soak.schedule import Ground

_FILLER: Final = "filler"


class Grounds:
    """The hosts of a lab.

    Args:
        lab: that is up.
        spared: hosts whose daemons are never killed.
    """

    def __init__(self, lab: Lab, *, spared: frozenset[str]) -> None:
        self.lab = lab
        layout = lab.layout
        self._addresses = {host.name: host.address for host in layout.hosts if host.address}

        def having(service: str) -> tuple[str, ...]:
            return tuple(host.name for host in layout.hosts if service in host.services)

        self.ground = Ground(
            nodes=having("agent"),
            controllers=having("controller"),
            members=having("etcd"),
            spared=spared,
            disks=having("agent") if lab.plan.disk_bytes else (),
        )
        self.registry = having("registry")[0]
        self.members = tuple(self._addresses[each] for each in self.ground.members)
        control = dict.fromkeys((*self.ground.controllers, *self.ground.members))
        self.control_addresses = tuple(self._addresses[each] for each in control)

    def by_address(self, address: str) -> str | None:
        """Return the host of an "IP:PORT"."""
        ip = address.partition(":")[0]
        return next((name for name, each in self._addresses.items() if each == ip), None)

    def others(self, host: str) -> tuple[str, ...]:
        """Return the addresses of all other hosts of the cluster. This machine, where the clients are, is none."""
        return tuple(address for name, address in self._addresses.items() if name != host)

    async def signal(self, host: str, service: str, number: int) -> None:
        """Send a signal to a daemon."""
        await self.lab.orders(host).signal(service, number)

    # Disks

    def _filler(self, node: str) -> Path:
        path = self.lab.layout.host_data(node) / _FILLER
        # The disk is mounted only inside.
        return Path(f"/proc/{self.lab.orders(node).pid}/root{path}")

    async def fill(self, node: str) -> None:
        """Leave nothing free on a node's disk."""
        await asyncio.to_thread(_fill, self._filler(node))

    async def clear(self, node: str) -> None:
        """Take away what fills a node's disk."""
        await asyncio.to_thread(self._filler(node).unlink, missing_ok=True)

    # Power

    async def power_off(self, node: str) -> None:
        """End a host with all that runs in it, as if its power had failed."""
        await self.lab.orders(node).power_off()


def _fill(path: Path) -> None:
    """Take all blocks that are free, in smaller and smaller pieces."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    size = end = 0
    try:
        free = os.fstatvfs(descriptor)
        size = free.f_bavail * free.f_frsize
        while size >= free.f_bsize:
            try:
                os.posix_fallocate(descriptor, end, size)
                end += size
            except OSError:
                size //= 2
    finally:
        os.close(descriptor)
