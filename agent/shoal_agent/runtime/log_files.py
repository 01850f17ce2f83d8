"""The files that hold what a placement's containers wrote: `<attempt>.<segment>.log`, segments from 0."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

_NAME: Final = re.compile(r"(\d+)\.(\d+)\.log")


def segment_path(directory: Path, attempt: int, segment: int) -> Path:
    """Return the path of one log file."""
    return directory / f"{attempt}.{segment}.log"


def log_files(directory: Path) -> list[tuple[int, int]]:
    """Return attempt and segment of all files of a placement, in the order in which they were written."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    return sorted((int(match[1]), int(match[2])) for match in map(_NAME.fullmatch, names) if match is not None)
