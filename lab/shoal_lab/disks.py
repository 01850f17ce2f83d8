"""Small disks for nodes: a file with a journaled ext4, mounted in the host's own mount namespace.

With the namespace goes the mount, and with the mount the loop device.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from shoal_common.errors import Conflict
from shoal_lab.hosts import inside


async def make(path: Path, size_bytes: int) -> None:
    """Make a disk; it takes up only what is written to it.

    Raises:
        Conflict: mkfs failed; the message is what it said last.
    """
    with path.open("xb") as file:
        file.truncate(size_bytes)
    # Nothing is kept for root, which everything in a lab is: full is full.
    words = ("mkfs.ext4", "-q", "-F", "-O", "has_journal", "-m", "0", "-E", "lazy_itable_init=1", str(path))
    process = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        last = (output.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
        raise Conflict(f"mkfs.ext4 failed with {process.returncode}: {last}")


async def mount(pid: int, disk: Path, directory: Path) -> None:
    """Mount a disk in the host whose first process has that id.

    Raises:
        Conflict: mount failed; the message is what it said last.
    """
    await inside(pid, ["mount", "-o", "loop,nosuid,nodev", str(disk), str(directory)])
    await inside(pid, ["chmod", "0700", str(directory)])
