"""Clearing the cgroups that ended hosts left."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Final

_ROOT: Final = Path("/sys/fs/cgroup")
#: The kernel takes a moment to let go of a cgroup whose last process has just been reaped.
PATIENCE_SECONDS: Final = 10.0


def hierarchies() -> list[Path]:
    """Return where cgroups are mounted: one directory (version 2), or one per controller (version 1)."""
    if (_ROOT / "cgroup.controllers").exists():
        return [_ROOT]
    return [path for path in sorted(_ROOT.iterdir()) if path.is_dir() and not path.is_symlink()]


def _remove(root: Path) -> list[Path]:
    """Remove the empty cgroups at and below `root`, the deepest first; return those that are still in use."""
    left = []
    for directory, _, _ in os.walk(root, topdown=False):
        try:
            os.rmdir(directory)
        except FileNotFoundError:
            continue
        except OSError:
            left.append(Path(directory))
    return left


def thaw(parent: str) -> None:
    """Let what is frozen at and below `parent` go on: what version 1 has frozen can't even be killed."""
    for root in hierarchies():
        for directory, _, files in os.walk(root / parent.lstrip("/"), topdown=False):
            for name, word in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
                if name in files:
                    with contextlib.suppress(OSError):
                        Path(directory, name).write_text(word)


async def clear(parent: str) -> list[Path]:
    """Remove every cgroup at and below `parent` ("/shoal-lab/lab") in all hierarchies, then empty ones above it.

    Returns:
        What could not be removed within the time allowed, since something still runs in it.
    """
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while True:
        left = [path for root in hierarchies() for path in _remove(root / parent.lstrip("/"))]
        if not left or asyncio.get_running_loop().time() > deadline:
            break
        # No event tells that a cgroup became removable (version 1 has none at all).
        await asyncio.sleep(0.02)
    for root in hierarchies():
        with contextlib.suppress(OSError):
            (root / parent.lstrip("/")).parent.rmdir()
    return left
