"""What a request may say of a container's files."""

from __future__ import annotations

from typing import Final

from shoal_common.containers.mounts import check_bind_source, check_target
from shoal_common.errors import InvalidSpec
from shoal_common.ids import check_name
from shoal_common.units import format_bytes
from shoal_proto.v1.container_pb2 import ContainerConfig, Mount, MountKind

#: Each volume among them is two keys of the transaction that places its container; etcd takes 128.
MAX_MOUNTS: Final = 32
_MOST_BYTES: Final = 1 << 50
_MOST_MODE: Final = 0o7777


def files(config: ContainerConfig) -> None:
    """Check a configuration's mounts, and put their paths into the shortest form.

    Raises:
        InvalidSpec: one of them can never be right.
    """
    if not 0 <= config.shm_size_bytes <= _MOST_BYTES:
        raise InvalidSpec(f"shm size of {format_bytes(config.shm_size_bytes)} is not possible (64m is usual)")
    if len(config.mounts) > MAX_MOUNTS:
        raise InvalidSpec(f"a container can't have {len(config.mounts)} mounts (use {MAX_MOUNTS} at most)")
    seen: set[str] = set()
    for mount in config.mounts:
        _mount(mount)
        if mount.target in seen:
            raise InvalidSpec(f'two mounts have the target "{mount.target[:200]}" (leave one out)')
        seen.add(mount.target)


def _mount(mount: Mount) -> None:
    mount.target = check_target(mount.target)
    where = f'mount at "{mount.target[:200]}"'
    if mount.volume_id:
        raise InvalidSpec(f"{where} names the id of a volume (give its name as the source)")
    tmpfs = mount.kind == MountKind.MOUNT_KIND_TMPFS
    if not tmpfs and (mount.tmpfs_size_bytes or mount.tmpfs_mode or mount.tmpfs_exec):
        raise InvalidSpec(f"{where} has options of a tmpfs and is none (leave them out)")
    if mount.no_copy and mount.kind != MountKind.MOUNT_KIND_VOLUME:
        raise InvalidSpec(f"{where} is no volume, so nothing is copied into it (leave nocopy out)")
    match mount.kind:
        case MountKind.MOUNT_KIND_BIND:
            mount.source = check_bind_source(mount.source)
        case MountKind.MOUNT_KIND_VOLUME:
            if mount.source:
                check_name("volume", mount.source)
        case MountKind.MOUNT_KIND_TMPFS:
            if mount.source:
                raise InvalidSpec(f"{where} is a tmpfs and has a source (leave the source out)")
            if not 0 <= mount.tmpfs_size_bytes <= _MOST_BYTES or mount.tmpfs_mode > _MOST_MODE:
                raise InvalidSpec(f"{where} has a size or mode that no tmpfs can have")
        case _:
            raise InvalidSpec(f"{where} is of kind {int(mount.kind)}, which is not known (bind, volume or tmpfs)")
