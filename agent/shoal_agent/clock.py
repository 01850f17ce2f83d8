"""The agent's two clocks: one that only counts, also over suspensions, and one for display."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

_TICKS: Final = os.sysconf("SC_CLK_TCK")
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


def _boot_ms() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


@dataclass(frozen=True, slots=True)
class Clock:
    """What time it is.

    Attributes:
        boot_ms: milliseconds since the host booted, the same for every process; what deadlines are kept in.
        wall: seconds of Unix time, only ever shown.
    """

    boot_ms: Callable[[], int] = _boot_ms
    wall: Callable[[], float] = time.time

    def from_ticks(self, ticks: int) -> int:
        """Return a start time from /proc/<pid>/stat as milliseconds since the host booted."""
        return ticks * 1000 // _TICKS

    def timestamp(self) -> Timestamp:
        """Return the present wall clock time."""
        return timestamp(self.wall())


def timestamp(unix: float) -> Timestamp:
    """Return seconds of Unix time as a Timestamp."""
    stamp = Timestamp()
    stamp.FromNanoseconds(int(unix * 1e9))
    return stamp


def read_boot_id(run_root: Path) -> str:
    """Return the id of this boot: the kernel's, and a mark in the run root, which doesn't survive a boot.

    The mark tells apart the boots of hosts that share a kernel, such as containers and the hosts of a lab.
    """
    mark = run_root / "boot"
    try:
        with mark.open("x") as file:
            file.write(secrets.token_hex(8))
    except FileExistsError:
        pass
    return f"{BOOT_ID.read_text().strip()}-{mark.read_text()}"
