"""What of its node's a container mounts, made ready beside its root file system before it starts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from shoal_agent.runtime.mounts import DEFAULT_SHM_BYTES, Attached, FileSystems, tmpfs_of
from shoal_agent.sandbox.rootfs import RootFilesystems
from shoal_agent.sandbox.sandboxes import Sandbox
from shoal_agent.volumes import binds
from shoal_agent.volumes.binds import AllowedBind
from shoal_agent.volumes.store import VolumeStore
from shoal_common.ids import SHORT_ID
from shoal_proto.v1.container_pb2 import ContainerConfig, Mount, MountKind


class ContainerMounts:
    """Makes volumes and binds ready for containers.

    Args:
        rootfs: beside whose trees they are attached, and with which they go.
        volumes: of this node.
        allowed: of the node's own paths, those that containers may mount.
    """

    def __init__(self, rootfs: RootFilesystems, volumes: VolumeStore, allowed: Iterable[AllowedBind]) -> None:
        self._rootfs = rootfs
        self._volumes = volumes
        self._allowed = tuple(allowed)

    async def attach(self, key: str, config: ContainerConfig, *, sandbox: Sandbox, root: Path) -> None:
        """Attach all volumes and binds of a placement; what is attached already stays.

        Args:
            key: names the placement; its root file system is mounted.
            config: of the container.
            sandbox: whose ids they appear with.
            root: its root file system, from which empty volumes are filled.

        Raises:
            Conflict: the node does not let containers mount a path, or has no such file.
            ShoalError: one of them can't be mounted or filled; the message says which.
        """
        for number, mount in enumerate(config.mounts):
            if mount.kind == MountKind.MOUNT_KIND_VOLUME:
                await self._attach_volume(key, number, mount, sandbox, root)
            elif mount.kind == MountKind.MOUNT_KIND_BIND:
                await self._attach_bind(key, number, mount, sandbox)

    async def renew(self, key: str, config: ContainerConfig, *, sandbox: Sandbox) -> None:
        """Attach the node's own paths as they are now, before a start: what was replaced since is seen.

        Raises:
            Conflict: one of them is not there any more.
            ShoalError: it can't be mounted.
        """
        for number, mount in enumerate(config.mounts):
            if mount.kind == MountKind.MOUNT_KIND_BIND:
                await self._rootfs.detach(key, number)
                await self._attach_bind(key, number, mount, sandbox)

    async def _attach_bind(self, key: str, number: int, mount: Mount, sandbox: Sandbox) -> None:
        top, way = binds.find(self._allowed, mount.source, read_only=mount.read_only)
        await self._rootfs.attach(key, number, Path(top), way, read_only=mount.read_only, sandbox=sandbox)

    async def _attach_volume(self, key: str, number: int, mount: Mount, sandbox: Sandbox, root: Path) -> None:
        volume = mount.volume_id
        data = await self._volumes.make(volume)
        # Filled through this mount, so it can be written to: the container's own is read-only where it is asked for.
        await self._rootfs.attach(key, number, data, ".", read_only=False, sandbox=sandbox)
        if mount.no_copy:
            await self._volumes.leave_empty(volume)
            return
        await self._volumes.fill(
            volume,
            name=mount.source or volume[:SHORT_ID],
            root=root,
            target=mount.target,
            mounted=self._rootfs.attachment(key, number),
            sandbox=sandbox,
        )

    def systems(self, key: str, config: ContainerConfig) -> FileSystems:
        """Return what a container mounts beside its root file system, everything attached."""
        kinds = (MountKind.MOUNT_KIND_VOLUME, MountKind.MOUNT_KIND_BIND)
        return FileSystems(
            attached=tuple(
                Attached(self._rootfs.attachment(key, number), mount.target, mount.read_only)
                for number, mount in enumerate(config.mounts)
                if mount.kind in kinds
            ),
            tmpfs=tmpfs_of(config.mounts),
            read_only=config.read_only,
            shm_bytes=config.shm_size_bytes or DEFAULT_SHM_BYTES,
        )
