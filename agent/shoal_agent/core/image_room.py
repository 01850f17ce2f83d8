"""What the images of a node take of its disk, and which of them may go first. Layers are shared: each counts once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image that is here.

    Attributes:
        repository: that it came from, with its registry.
        layers: the digests of its layers, none twice.
        used_at: when a container last began or ended with it, or it was fetched; seconds since 1970.
    """

    digest: str
    repository: str
    layers: frozenset[str]
    used_at: float


@dataclass(frozen=True, slots=True)
class ImageStore:
    """All that is here.

    Attributes:
        layers: bytes of each layer, with the archive that it came from; also of those that no image has.
    """

    images: tuple[StoredImage, ...]
    layers: Mapping[str, int]

    @property
    def size(self) -> int:
        """Bytes of all layers."""
        return sum(self.layers.values())


@dataclass(frozen=True, slots=True)
class Room:
    """What one image takes.

    Attributes:
        bytes: of its layers.
        unique: of those that no other image here has.
    """

    bytes: int
    unique: int


def rooms(store: ImageStore) -> dict[str, Room]:
    """Return what each image takes, by its digest."""
    users = Counter(layer for image in store.images for layer in image.layers)
    return {
        image.digest: Room(
            bytes=sum(store.layers.get(layer, 0) for layer in image.layers),
            unique=sum(store.layers.get(layer, 0) for layer in image.layers if users[layer] == 1),
        )
        for image in store.images
    }


def reclaimable(store: ImageStore, used: Collection[str]) -> int:
    """Return the bytes of layers that no image in use has.

    Args:
        used: digests of images that containers have.
    """
    kept = {layer for image in store.images if image.digest in used for layer in image.layers}
    return sum(size for layer, size in store.layers.items() if layer not in kept)
