"""What was asked of `lab up`, and what was done to the lab's network since: all that its state file holds."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, Self

from shoal_common.errors import InvalidSpec
from shoal_common.units import format_bytes, format_cpus
from shoal_lab.daemons import Capacity
from shoal_lab.layout import DATA_ROOT, Layout
from shoal_lab.network import Cut, Slowness

#: etcd's own is the same; it recommends at most 8 GiB.
ETCD_QUOTA: Final = 2 << 30
#: Less has no room for a journal, an image and a container; etcd needs a few pages before it can be full.
LEAST_DISK: Final = 64 << 20
LEAST_QUOTA: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked of `lab up`, and the faults of the network that last.

    Attributes:
        labels: by node name, "key=value" of that node.
        binds: by node name, what containers may mount of that node's own paths, "PATH" or "PATH:ro".
        disk_bytes: of a node's own disk; 0: its data is on this machine's.
        quota_bytes: what etcd keeps before it stops taking writes.
        cuts: connections that are cut now.
        slowed: by host, how slow its cable is now.
    """

    layout: Layout
    capacity: Capacity
    labels: dict[str, list[str]] = field(default_factory=dict)
    disk_bytes: int = 0
    quota_bytes: int = ETCD_QUOTA
    cuts: tuple[Cut, ...] = ()
    slowed: dict[str, Slowness] = field(default_factory=dict)
    binds: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.disk_bytes and self.disk_bytes < LEAST_DISK:
            raise InvalidSpec(f"a node's disk can't be smaller than {format_bytes(LEAST_DISK)}")
        if self.quota_bytes < LEAST_QUOTA:
            raise InvalidSpec(f"etcd's quota can't be smaller than {format_bytes(LEAST_QUOTA)}")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return what a state file holds.

        Raises:
            FileNotFoundError: there is none.
        """
        state = json.loads(path.read_text())
        # A lab that an older version made lacks the later ones.
        sizes = {key: state[key] for key in ("controllers", "members") if key in state}
        return cls(
            layout=Layout(**state["layout"], **sizes),
            capacity=Capacity(**state["capacity"]),
            labels=state["labels"],
            disk_bytes=state.get("disk_bytes", 0),
            quota_bytes=state.get("quota_bytes", ETCD_QUOTA),
            cuts=tuple(Cut(**cut) for cut in state.get("cuts", ())),
            binds=state.get("binds", {}),
            slowed={host: Slowness(**slowness) for host, slowness in state.get("slowed", {}).items()},
        )

    def write(self, path: Path) -> None:
        """Replace a state file."""
        state = asdict(self)
        # Where they were before: older versions read the state of labs beside their own.
        state["controllers"], state["members"] = state["layout"].pop("controllers"), state["layout"].pop("members")
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(state, indent=1))
        temporary.replace(path)

    def network_state(self, host: str) -> str:
        """Return how a host is connected, in a word or two: "on" when all is well."""
        cuts = [cut for cut in self.cuts if cut.host == host]
        if any(cut.cable for cut in cuts):
            return "cut off"
        words = [str(cut) for cut in cuts]
        words += [f"slow ({self.slowed[host].rate})"] if host in self.slowed else []
        return ", ".join(words) or "on"

    def describe(self) -> str:
        """Return the lab's parameters in a line."""
        layout, capacity = self.layout, self.capacity
        cores = format_cpus(capacity.cpu_millis)
        nodes = "node" if layout.nodes == 1 else "nodes"
        text = f"{layout.nodes} {nodes} of {format_bytes(capacity.memory_bytes)} and "
        text += f"{cores} {'core' if cores == '1' else 'cores'}"
        if self.disk_bytes:
            text += f" with disks of {format_bytes(self.disk_bytes)}"
        if layout.controllers > 1 or layout.members > 1:
            text += f", {layout.controllers} controllers, {layout.members} etcd members,"
        return f"{text} on {layout.subnet}"


def default_capacity(nodes: int) -> Capacity:
    """Return this machine's memory and cores, divided among the nodes."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Capacity(memory_bytes=memory // nodes, cpu_millis=(os.cpu_count() or 1) * 1000 // nodes)


def names() -> list[str]:
    """Return the names of the labs of this machine."""
    return sorted(path.parent.name for path in DATA_ROOT.glob("*/lab.json"))
