"""Logs of attempts that others have followed: what goes when a disk is too full for the past. All functions block."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from shoal_agent.paths import NodePaths
from shoal_agent.runtime.log_files import forget


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
    """Remove files, and those of attempts before; return the bytes that they had on the disk.

    Whoever reads them just now is told how much is missing (`log_files`).
    """
    place = _place(logs.files[0])
    return forget(logs.files[0].parent, place[1]) if place is not None else 0


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
