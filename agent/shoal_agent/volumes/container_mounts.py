"""What of its node's a container mounts, made ready beside its root file system before it starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from shoal_agent.runtime.mounts import DEFAULT_SHM_BYTES, Attached, FileSystems, tmpfs_of
from shoal_agent.sandbox.rootfs import RootFilesystems
from shoal_agent.sandbox.sandboxes import Sandbox
from shoal_agent.volumes import binds
from shoal_agent.volumes.binds import AllowedBind
from shoal_agent.volumes.filling import copy_from_image
from shoal_agent.volumes.store import VolumeStore
from shoal_common.ids import SHORT_ID
from shoal_proto.v1.container_pb2 import ContainerConfig, Mount, MountKind, SharingMode

#: After the name of a mount: where what a volume is filled with is attached meanwhile.
_FILLING: Final = "-filling"


class ContainerMounts:
    """Makes volumes and binds ready for containers.

    Args:
        rootfs: beside whose trees they are attached, and with which they go.
        volumes: of this node.
        allowed: of the node's own paths, those that containers may mount.
        groups: gives `cgroup.procs` of the control groups that bound whoever fills volumes.
    """

    def __init__(
        self,
        rootfs: RootFilesystems,
        volumes: VolumeStore,
        allowed: Iterable[AllowedBind],
        *,
        groups: Callable[[], Sequence[Path]] = tuple,
    ) -> None:
        self._groups = groups
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
                await self._attach_volume(key, str(number), mount, sandbox, root)
            elif mount.kind == MountKind.MOUNT_KIND_BIND:
                await self._attach_bind(key, str(number), mount, sandbox)

    async def renew(self, key: str, config: ContainerConfig, *, sandbox: Sandbox) -> None:
        """Attach the node's own paths as they are now, before a start: what was replaced since is seen.

        Raises:
            Conflict: one of them is not there any more.
            ShoalError: it can't be mounted.
        """
        for number, mount in enumerate(config.mounts):
            if mount.kind == MountKind.MOUNT_KIND_BIND:
                await self._rootfs.detach(key, str(number))
                await self._attach_bind(key, str(number), mount, sandbox)

    async def _attach_bind(self, key: str, name: str, mount: Mount, sandbox: Sandbox) -> None:
        top, way = binds.find(self._allowed, mount.source, read_only=mount.read_only)
        await self._rootfs.attach(key, name, Path(top), way, read_only=mount.read_only, sandbox=sandbox)

    async def _attach_volume(self, key: str, name: str, mount: Mount, sandbox: Sandbox, root: Path) -> None:
        data = await self._volumes.make(mount.volume_id)
        await self._rootfs.attach(key, name, data, ".", read_only=False, sandbox=sandbox)
        if not mount.no_copy:
            await self._fill(key, name, mount, sandbox, root)

    async def _fill(self, key: str, name: str, mount: Mount, sandbox: Sandbox, root: Path) -> None:
        """Have an empty volume filled with what the image has at its target."""
        shown, beside = mount.source or mount.volume_id[:SHORT_ID], f"{name}{_FILLING}"
        async with self._volumes.filling(mount.volume_id) as place:
            if place is None:
                return
            # An agent that died may have left one that has since been thrown away.
            await self._rootfs.detach(key, beside)
            try:
                await self._rootfs.attach(key, beside, place, ".", read_only=False, sandbox=sandbox)
                mounted = self._rootfs.attachment(key, beside)
                groups = self._groups()
                await copy_from_image(root, mount.target, mounted, user_ns=sandbox.user_ns, volume=shown, groups=groups)
            finally:
                await self._rootfs.detach(key, beside)

    def systems(self, key: str, config: ContainerConfig) -> FileSystems:
        """Return what a container mounts beside its root file system, everything attached."""
        kinds = (MountKind.MOUNT_KIND_VOLUME, MountKind.MOUNT_KIND_BIND)
        no_shm = config.ipc.mode == SharingMode.SHARING_MODE_NONE
        return FileSystems(
            attached=tuple(
                Attached(self._rootfs.attachment(key, str(number)), mount.target, mount.read_only)
                for number, mount in enumerate(config.mounts)
                if mount.kind in kinds
            ),
            tmpfs=tmpfs_of(config.mounts),
            read_only=config.read_only,
            shm_bytes=0 if no_shm else config.shm_size_bytes or DEFAULT_SHM_BYTES,
        )
