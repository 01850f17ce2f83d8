"""The lab of a campaign: how large it is, and how its etcd is looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from shoal_lab import daemons, store_pki
from shoal_lab.cluster import Lab
from shoal_lab.daemons import Capacity
from shoal_lab.layout import Layout
from shoal_lab.plan import Plan

LAB: Final = "soak"
SUBNET: Final = "10.84.0.0/24"
NODES: Final = 5
CONTROLLERS: Final = 3
MEMBERS: Final = 3
#: Little enough that some containers have to wait for room.
CAPACITY: Final = Capacity(memory_bytes=384 << 20, cpu_millis=2000)
#: Of each node; it takes up only what is written to it.
DISK: Final = 1 << 30
#: Hosts whose daemons are never killed, so that some live as long as the run and their growth means something.
SPARED: Final = frozenset({"node1", "control1"})


def plan() -> Plan:
    """Return the lab."""
    return Plan(Layout(LAB, SUBNET, NODES, CONTROLLERS, MEMBERS), CAPACITY, disk_bytes=DISK)


def etcd(lab: Lab) -> tuple[list[str], Path]:
    """Return how etcd is reached, as store_watch.py takes it, and where a member keeps its write-ahead log."""
    tls = store_pki.client(lab.layout)
    urls = [daemons.etcd_url(host) for host in lab.layout.running("etcd")]
    words = [*urls, "--tls", *map(str, (tls.ca, tls.certificate, tls.key))]
    return words, lab.layout.host_data(lab.layout.control.name) / "etcd" / "member" / "wal"
