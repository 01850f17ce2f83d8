"""When a disk counts as full, and as having room again. Two different limits, so that a node doesn't waver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shoal_common.units import format_bytes

#: What has to be free: a twentieth of the disk, within these bytes; a hundredth of its inodes, within these.
_SHARE: Final = 20
_LEAST: Final = 16 << 20
_MOST: Final = 1 << 30
_INODE_SHARE: Final = 100
_LEAST_INODES: Final = 500
_MOST_INODES: Final = 10_000
#: A disk that was full has room again at one and a half times as much.
_AGAIN: Final = 1.5


@dataclass(frozen=True, slots=True)
class Usage:
    """What a file system has, as statvfs(3) tells.

    Attributes:
        size, free: bytes; free are those that a container may take.
        inodes, free_inodes: files; 0 inodes where there is no limit.
    """

    size: int
    free: int
    inodes: int
    free_inodes: int


def needed(usage: Usage) -> int:
    """Return how many bytes must be free for new work."""
    return min(_MOST, max(_LEAST, usage.size // _SHARE))


def trouble(usage: Usage, *, full: bool) -> str:
    """Return what is wrong with a disk, in one line; "" if it has room.

    Args:
        usage: of it, now.
        full: it counted as full before.
    """
    factor = _AGAIN if full else 1.0
    need = int(needed(usage) * factor)
    if usage.free < need:
        return f"disk full: {format_bytes(usage.free)} free, {format_bytes(need)} needed"
    inodes = int(min(_MOST_INODES, max(_LEAST_INODES, usage.inodes // _INODE_SHARE)) * factor)
    if usage.inodes and usage.free_inodes < inodes:
        return f"disk full: {usage.free_inodes} inodes free, {inodes} needed"
    return ""
