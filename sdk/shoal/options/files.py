"""Which files a container has beside its image's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypedDict

from shoal_common import units
from shoal_common.containers.mounts import Kind, Mount, check_targets, parse_mount, parse_tmpfs, parse_volume
from shoal_common.errors import InvalidSpec
from shoal_proto.v1 import container_pb2
from shoal_proto.v1.container_pb2 import ContainerConfig, MountKind

_KINDS: Final = {
    Kind.BIND: MountKind.MOUNT_KIND_BIND,
    Kind.VOLUME: MountKind.MOUNT_KIND_VOLUME,
    Kind.TMPFS: MountKind.MOUNT_KIND_TMPFS,
}


class FileOptions(TypedDict, total=False):
    """Of its file systems."""

    #: "[SOURCE:]TARGET[:OPTIONS]", as docker run -v: SOURCE a volume's name or an absolute path of the node.
    volumes: Iterable[str]
    #: `Mount`s, or "type=volume,source=data,target=/data", as docker run --mount.
    mounts: Iterable[Mount | str]
    #: "TARGET[:OPTIONS]", as docker run --tmpfs.
    tmpfs: Iterable[str]
    #: Nothing can be written but to what is mounted.
    read_only: bool
    #: Of /dev/shm, in bytes, or text such as "64m"; left out means 64 MiB.
    shm_size: int | str


def apply(config: ContainerConfig, options: FileOptions) -> None:
    """Put the options into a configuration.

    Raises:
        InvalidSpec: one of them can never be right.
    """
    mounts = [
        *(parse_volume(text) for text in options.get("volumes", ())),
        *(parse_mount(each) if isinstance(each, str) else each for each in options.get("mounts", ())),
        *(parse_tmpfs(text) for text in options.get("tmpfs", ())),
    ]
    check_targets(mounts)
    config.mounts.extend(_message(mount) for mount in mounts)
    config.read_only = options.get("read_only", False)
    if "shm_size" in options:
        size = options["shm_size"]
        config.shm_size_bytes = units.parse_bytes(size) if isinstance(size, str) else size
        if config.shm_size_bytes <= 0:
            raise InvalidSpec(f"shm size {size} is not valid (give more than 0, or leave it out for 64m)")


def _message(mount: Mount) -> container_pb2.Mount:
    return container_pb2.Mount(
        kind=_KINDS[mount.kind],
        source=mount.source,
        target=mount.target,
        read_only=mount.read_only,
        tmpfs_size_bytes=mount.tmpfs_size,
        tmpfs_mode=mount.tmpfs_mode,
        tmpfs_exec=mount.tmpfs_exec,
        no_copy=mount.no_copy,
    )
