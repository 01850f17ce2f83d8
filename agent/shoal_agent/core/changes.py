"""What a container has changed of its image: how each entry of its writable layer counts. Pure.

Source: Linux, Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

#: Where a runtime makes something to mount on, if an image has nothing there.
PLACEHOLDERS: Final = frozenset({b"dev", b"proc", b"sys", b"etc/hosts", b"etc/hostname", b"etc/resolv.conf"})


class Kind(StrEnum):
    """How an entry differs from the image's; the letters are those of `docker diff`."""

    MODIFIED = "C"
    ADDED = "A"
    DELETED = "D"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an entry.

    Attributes:
        whiteout: it only says that nothing of lower layers is to be seen here.
        empty: nothing is in it, file or directory.
    """

    directory: bool
    whiteout: bool
    mode: int
    uid: int
    gid: int
    empty: bool


def change(path: bytes, here: Facts, image: Facts | None) -> Kind | None:
    """Return how an entry of a writable layer differs from what the image has there; None if it doesn't.

    A directory is in a writable layer also when only something below it has changed: that is for whoever walks to see.

    Args:
        path: relative to the root.
        here: the entry of the writable layer.
        image: what the image shows at that place; None if nothing.
    """
    if here.whiteout:
        return Kind.DELETED if image is not None else None
    if image is None:
        return None if here.empty and path in PLACEHOLDERS else Kind.ADDED
    if here.directory and image.directory:
        same = (here.mode, here.uid, here.gid) == (image.mode, image.uid, image.gid)
        return None if same else Kind.MODIFIED
    return Kind.MODIFIED
