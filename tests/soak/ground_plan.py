"""The lab of a campaign: how large it is, and how its etcd is looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from shoal_lab import daemons, store_pki
from shoal_lab.cluster import Lab, Plan
from shoal_lab.daemons import Capacity
from shoal_lab.layout import Layout

LAB: Final = "soak"
SUBNET: Final = "10.84.0.0/24"
NODES: Final = 5
#: Little enough that some containers have to wait for room.
CAPACITY: Final = Capacity(memory_bytes=384 << 20, cpu_millis=2000)
#: Hosts whose daemons are never killed, so that some live as long as the run and their growth means something.
SPARED: Final = frozenset({"node1"})


def plan() -> Plan:
    """Return the lab."""
    return Plan(Layout(LAB, SUBNET, NODES), CAPACITY)


def disks(layout: Layout) -> tuple[str, ...]:
    """Return the nodes whose disk is small enough to be filled."""
    return ()


def etcd(lab: Lab) -> tuple[Path, list[str], Path]:
    """Return where etcd is reached, how, and where a member keeps its write-ahead log."""
    layout = lab.layout
    tls = store_pki.client(layout)
    return (
        Path("/proc/self/ns/net"),
        [
            *(daemons.etcd_url(host) for host in layout.running("etcd")),
            *("--tls", str(tls.ca), str(tls.certificate), str(tls.key)),
        ],
        layout.host_data(layout.control.name) / "etcd" / "member" / "wal",
    )
