"""When a node's disk is cleared of what can be had again, what goes first, and when that is enough. Pure.

Two thresholds, as the kubelet has them: above the high one clearing begins, below the low one it ends.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from shoal_agent.core.disk import Usage
from shoal_agent.core.image_room import ImageStore


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Percent of the disk, or of its inodes, that are taken. A high one of 100 never begins.

    Attributes:
        high: clearing begins when so much is taken.
        low: clearing ends when less is.
    """

    high: int
    low: int


def taken(usage: Usage) -> float:
    """Return the percent of a disk that are taken, or of its inodes if that is more."""
    of_bytes = 100 * (1 - usage.free / usage.size) if usage.size else 0.0
    of_inodes = 100 * (1 - usage.free_inodes / usage.inodes) if usage.inodes else 0.0
    return max(of_bytes, of_inodes)


def begins(usage: Usage, thresholds: Thresholds) -> bool:
    """Say whether it is time to clear the disk."""
    return thresholds.high < 100 and taken(usage) >= thresholds.high


def is_enough(usage: Usage, thresholds: Thresholds) -> bool:
    """Say whether enough was cleared."""
    return taken(usage) < thresholds.low


def order(store: ImageStore, used: Collection[str]) -> list[str]:
    """Return the digests of the images that may go, those that were of use longest ago first.

    Args:
        used: digests of images that a container of the node has, whether it runs or not, or that are being fetched.
    """
    free = (image for image in store.images if image.digest not in used)
    return [image.digest for image in sorted(free, key=lambda image: (image.used_at, image.digest))]


def orphans(layers: Iterable[str], kept: Iterable[Collection[str]], pinned: Collection[str]) -> set[str]:
    """Return the layers that nothing needs.

    Args:
        layers: all that are here.
        kept: the layers of each image that stays.
        pinned: layers that a pull under way relies on.
    """
    needed = {layer for each in kept for layer in each}
    return {layer for layer in layers if layer not in needed and layer not in pinned}
