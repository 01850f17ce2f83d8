"""Logs of attempts that others have followed: what goes when a disk is too full for the past. All functions block."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from shoal_agent.paths import NodePaths


@dataclass(frozen=True, slots=True)
class OldLogs:
    """The files of one attempt, or of several of an older placement.

    Attributes:
        container: whose they are.
        written_at: when the last of them was written; seconds since 1970.
    """

    container: str
    files: tuple[Path, ...]
    written_at: float


def find(paths: NodePaths, newest: Mapping[str, tuple[int, int]]) -> list[OldLogs]:
    """Return the logs that may go, those that were written longest ago first.

    Args:
        newest: generation and attempt that each container is at; what is of these stays whole.
    """
    found = []
    for container, (generation, attempt) in newest.items():
        files: dict[tuple[int, int], list[Path]] = {}
        for path in paths.containers.joinpath(container).glob("*/logs/*.*.log"):
            place = _place(path)
            if place is not None and place < (generation, attempt):
                files.setdefault(place, []).append(path)
        found += [OldLogs(container, tuple(each), _written(each)) for each in files.values()]
    return sorted(found, key=lambda logs: (logs.written_at, logs.container))


def remove(logs: OldLogs) -> int:
    """Remove files, and return the bytes that they had on the disk. One that is gone already has none."""
    freed = 0
    for path in logs.files:
        try:
            size = path.lstat().st_blocks * 512
            path.unlink()
        except FileNotFoundError:
            continue
        freed += size
    return freed


def _place(path: Path) -> tuple[int, int] | None:
    """Return the generation and the attempt that a file belongs to."""
    generation, attempt = path.parent.parent.name, path.name.partition(".")[0]
    return (int(generation), int(attempt)) if generation.isdecimal() and attempt.isdecimal() else None


def _written(files: Iterable[Path]) -> float:
    times = [0.0]
    for path in files:
        try:
            times.append(path.lstat().st_mtime)
        except FileNotFoundError:
            continue
    return max(times)
