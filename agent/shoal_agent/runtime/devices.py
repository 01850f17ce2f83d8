"""Devices of the node that a container is given: nodes of its own, on a small file system, bound where it wants them.

The container's root owns them there, which it never does the host's: a user namespace has no say over what others own,
and must have none. Source: OCI runtime specification, config-linux.md, "Devices"; mknod(2).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from shoal_agent.kernel import syscalls
from shoal_agent.kernel.syscalls import MountFlag
from shoal_common.errors import InvalidSpec
from shoal_proto.v1.container_pb2 import Device

Json: TypeAlias = dict[str, Any]

#: Nodes take no room; a container may be given so many, and the directory.
_INODES: Final = 300


@dataclass(frozen=True, slots=True)
class DeviceNode:
    """A device of this node, and as what a container has it.

    Attributes:
        target: path in the container.
        mode: kind (S_IFCHR or S_IFBLK) and permission bits, as on the node.
        number: as stat(2) tells it.
        permissions: of "r", "w" and "m".
    """

    target: str
    mode: int
    number: int
    permissions: str

    def rule(self) -> Json:
        """Return the entry of the section `linux.resources.devices`."""
        return {
            "allow": True,
            "type": "b" if stat.S_ISBLK(self.mode) else "c",
            "major": os.major(self.number),
            "minor": os.minor(self.number),
            "access": self.permissions,
        }


def find_devices(asked: Iterable[Device]) -> tuple[DeviceNode, ...]:
    """Look up devices on this node; links are followed.

    Raises:
        InvalidSpec: one is not there, or is no device.
    """
    found = []
    for device in asked:
        try:
            status = os.stat(device.source)
        except OSError as error:
            raise InvalidSpec(
                f"device {device.source} is not on this node: {error.strerror} (label the nodes that have it, and: "
                "--constraint node.labels.NAME==VALUE)"
            ) from None
        if not (stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)):
            raise InvalidSpec(f"{device.source} of this node is no device (mount directories with -v)")
        found.append(
            DeviceNode(device.target or device.source, status.st_mode, status.st_rdev, device.permissions or "rwm")
        )
    return tuple(found)


def make_nodes(nodes: Sequence[DeviceNode], directory: Path, owner: int) -> None:
    """Mount a small file system at a new directory, and make nodes in it: `0`, `1`, ... Nothing to make: no directory.

    Args:
        nodes: what to make.
        directory: whom others of the host can't get to.
        owner: user and group of all of them.
    """
    if not nodes:
        return
    directory.mkdir(mode=0o700)
    flags = MountFlag.NOSUID | MountFlag.NOEXEC
    syscalls.mount("shoal-devices", directory, "tmpfs", flags, f"mode=0755,size=4k,nr_inodes={_INODES}")
    for index, node in enumerate(nodes):
        path = directory / str(index)
        os.mknod(path, node.mode, node.number)
        os.chown(path, owner, owner)
        # Not lessened by the agent's umask.
        os.chmod(path, stat.S_IMODE(node.mode))


def device_mounts(nodes: Sequence[DeviceNode], directory: Path) -> list[Json]:
    """Return what belongs into the section `mounts`, after /dev."""
    options = ["bind", "rprivate", "nosuid", "noexec"]
    return [
        {"destination": node.target, "type": "bind", "source": str(directory / str(index)), "options": options}
        for index, node in enumerate(nodes)
    ]
