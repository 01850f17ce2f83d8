"""Processes of a lab's hosts as this machine sees them: who belongs to whom, their memory, their time on a core."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from shoal_common.errors import NotFound

_NS: int = 1_000_000_000


def children(pid: int) -> list[int]:
    """Return the ids of a process's children."""
    found: list[int] = []
    for task in _listed(Path(f"/proc/{pid}/task")):
        found += map(int, _text(task / "children").split())
    return found


def family(pid: int) -> list[int]:
    """Return a process and all that descends from it."""
    return [pid, *(each for child in children(pid) for each in family(child))]


def words(pid: int) -> list[str]:
    """Return a process's command line; empty if it is gone."""
    return _text(Path(f"/proc/{pid}/cmdline")).rstrip("\0").split("\0")


def daemon(host: int, word: str) -> int:
    """Return the process that the host's first process started and whose command line has `word` as a word.

    Raises:
        NotFound: there is none.
    """
    for child in children(host):
        if any(each == word or each.endswith(f"/{word}") for each in words(child)[:3]):
            return child
    raise NotFound(f"no {word} runs in the host with process {host}")


def named(host: int, program: str) -> list[int]:
    """Return all processes of a host that run `program`."""
    return [pid for pid in family(host) if words(pid)[0].rpartition("/")[2] == program]


def memory(pids: Iterable[int]) -> float:
    """Return what processes hold, in MiB: pages that are shared count in parts (PSS)."""
    total = 0
    for pid in pids:
        for line in _text(Path(f"/proc/{pid}/smaps_rollup")).splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def busy(pids: Iterable[int]) -> float:
    """Return for how many seconds the threads of processes have been on a core."""
    tasks = [task for pid in pids for task in _listed(Path(f"/proc/{pid}/task"))]
    return sum(int((_text(task / "schedstat").split() or ["0"])[0]) for task in tasks) / _NS


def _listed(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except FileNotFoundError:
        return []


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
