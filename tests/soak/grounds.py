"""The lab as the ground of a campaign: its hosts by what runs on them, and how they are taken hold of."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Final

from shoal_common.errors import Conflict
from shoal_lab import cgroups, network
from shoal_lab.cluster import Lab
from shoal_lab.hosts import boot, inside
from tests.soak.schedule import Ground

_FILLER: Final = "filler"


class Grounds:
    """The hosts of a lab.

    Args:
        lab: that is up.
        spared: hosts whose daemons are never killed.
        disks: nodes with a disk of their own, which can be filled.
    """

    def __init__(self, lab: Lab, *, spared: frozenset[str], disks: tuple[str, ...] = ()) -> None:
        self.lab = lab
        layout = lab.layout
        self._addresses = {host.name: host.address for host in layout.hosts if host.address}

        def having(service: str) -> tuple[str, ...]:
            return tuple(host.name for host in layout.hosts if service in host.services)

        self.ground = Ground(
            nodes=having("agent"), controllers=having("controller"), members=having("etcd"), spared=spared, disks=disks
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
        return self.lab.layout.host_data(node) / _FILLER

    async def fill(self, node: str) -> None:
        """Leave nothing free on a node's disk."""
        await asyncio.to_thread(_fill, self._filler(node))

    async def clear(self, node: str) -> None:
        """Take away what fills a node's disk."""
        await asyncio.to_thread(self._filler(node).unlink, missing_ok=True)

    # Power

    async def power_off(self, node: str) -> None:
        """End a host with all that runs in it, as if its power had failed. What was not synced may be lost or not."""
        await self.lab.orders(node).power_off()

    async def boot(self, node: str) -> None:
        """Boot a host again and join it to the network; its daemons are not started."""
        layout = self.lab.layout
        host = layout.host(node)
        await boot(layout, host)
        pid = self.lab.orders(node).pid
        switch = self.lab.orders(layout.switch.name).pid
        # What ran in it has gone with its power, and its control groups with it.
        await cgroups.clear(layout.cgroup(node))
        with contextlib.suppress(Conflict):
            # Its old port goes with its network namespace, some time after its last process.
            await _ip(switch, f"link delete {node}\n")
        await _ip(switch, network.port_batch(host, pid))
        await _ip(pid, network.host_batch(host))


async def _ip(pid: int, batch: str) -> None:
    await inside(pid, ["ip", "-batch", "-"], net_only=True, stdin=batch.encode())


def _fill(path: Path) -> None:
    """Write until there is no room, in smaller and smaller pieces."""
    size = 1 << 20
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        while size >= 512:
            try:
                os.write(descriptor, bytes(size))
            except OSError:
                size //= 2
    finally:
        os.close(descriptor)
