"""What a process costs, from /proc: processor time and memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_TICK: Final = os.sysconf("SC_CLK_TCK")
_KIB: Final = 1024


def cpu_seconds(pid: int) -> float:
    """Return the processor time, of user and system, that a process has had; 0 if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    # proc(5): utime and stime are the 14th and 15th field, the 3rd being the first after the name.
    return (int(fields[11]) + int(fields[12])) / _TICK


def memory_bytes(pid: int) -> int:
    """Return what a process has of memory: its own and its share of what it shares (PSS); 0 if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * _KIB for line in lines if line.startswith("Pss:")), 0)


def connections_accepted() -> int:
    """Return how many TCP connections were accepted in this network namespace since it began (snmp(7))."""
    names, values = (line for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Tcp:"))
    return dict(zip(names.split()[1:], map(int, values.split()[1:]), strict=True))["PassiveOpens"]
