"""What an agent that was killed left in its own control group: children that had not yet become what they were to be.

Such a child would go on (enter its group, start a container) after the next agent has looked and seen nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from shoal_agent.kernel.processes import start_time
from shoal_common.errors import Conflict


def claim(file: Path) -> None:
    """Record in `file` that this process is the node's agent.

    Raises:
        Conflict: another is, and runs.
    """
    try:
        pid, started = (int(word) for word in file.read_text().split())
    except (FileNotFoundError, ValueError):
        pid, started = 0, 0
    if pid not in (0, os.getpid()) and start_time(pid) == started:
        raise Conflict(f"another agent runs on this node (process {pid}); stop it first")
    draft = file.with_suffix(".draft")
    draft.write_text(f"{os.getpid()} {start_time(os.getpid())}")
    draft.rename(file)


def orphans(pids: Iterable[int]) -> list[int]:
    """Return those processes that are neither this one nor its descendants."""
    return [pid for pid in pids if not _is_ours(pid)]


def _is_ours(pid: int) -> bool:
    while pid > 1 and pid != os.getpid():
        try:
            text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return False
        pid = int(text.rpartition(")")[2].split()[1])
    return pid == os.getpid()
