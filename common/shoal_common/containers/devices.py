"""Devices of a node as people write them: "/dev/fuse", "/dev/fuse:r", "/dev/fuse:/dev/own", "/dev/fuse:/dev/own:rw"."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import Final

from shoal_common.errors import InvalidSpec

_LETTERS: Final = frozenset("rwm")
_ALL: Final = "rwm"
#: What every container has there of its own.
_TAKEN: Final = ("/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/ptmx", "/dev/console", "/dev/fd")
_MOST: Final = 4095


@dataclass(frozen=True, slots=True)
class Device:
    """A device, and as what the container has it.

    Attributes:
        source: path on the node.
        target: path in the container.
        permissions: of "r", "w" and "m" (make nodes).
    """

    source: str
    target: str
    permissions: str = _ALL


def parse_device(text: str) -> Device:
    """Return the device that SOURCE[:TARGET][:PERMISSIONS] stands for.

    Raises:
        InvalidSpec: it is none.
    """
    match text.split(":"):
        case [source]:
            device = Device(source, source)
        case [source, permissions] if _is_permissions(permissions):
            device = Device(source, source, permissions)
        case [source, target]:
            device = Device(source, target)
        case [source, target, permissions]:
            device = Device(source, target, permissions)
        case _:
            device = Device("", "")
    return checked_device(device)


def checked_device(device: Device) -> Device:
    """Return a device with its paths in the shortest form, and what was left out filled in.

    Raises:
        InvalidSpec: it can never be right.
    """
    source, target = device.source, device.target or device.source
    permissions = device.permissions or _ALL
    if not all(_is_path(path) for path in (source, target)):
        raise InvalidSpec(f"device {source[:60]!a} is not valid (write /dev/NAME[:/dev/NAME][:rwm])")
    if not _is_permissions(permissions):
        raise InvalidSpec(f"permissions {permissions[:20]!a} of device {source[:60]} are not valid (use r, w and m)")
    source, target = posixpath.normpath(source), posixpath.normpath(target)
    if not source.startswith("/dev/"):
        raise InvalidSpec(f"device {source[:60]} is not below /dev (name one that is)")
    if not target.startswith("/dev/") or any(target == own or target.startswith(f"{own}/") for own in _TAKEN):
        raise InvalidSpec(f"device {source[:60]} can't be at {target[:60]} (use another path below /dev)")
    return Device(source, target, "".join(letter for letter in _ALL if letter in permissions))


def _is_path(text: str) -> bool:
    return text.startswith("/") and not text.startswith("//") and text.isprintable() and len(text) <= _MOST


def _is_permissions(text: str) -> bool:
    return 0 < len(text) <= len(_ALL) and set(text) <= _LETTERS and len(set(text)) == len(text)
