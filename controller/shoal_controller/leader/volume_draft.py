"""What becomes of volumes in a draft: where their data is, and their end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from shoal_common.errors import NotFound
from shoal_common.messages import copied
from shoal_controller.leader.node_draft import NodeDraft
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.store import LOCAL, SCHEMA, Stored, VolumeEntry
from shoal_proto.v1.container_pb2 import ContainerConfig, ContainerSpec, MountKind
from shoal_proto.v1.volume_pb2 import VolumePlacement, VolumeSpec


class VolumeDraft(NodeDraft):
    """The part of a draft that concerns volumes."""

    def place_volumes(self, config: ContainerConfig, node: str) -> None:
        """Pin the volumes of a container that is placed on a node; those that have data elsewhere refuse it.

        Raises:
            NotFound: a volume is gone, or its data is on another node: plan anew.
        """
        for volume in volume_ids(config):
            entry, spec = self._volume(volume)
            self._require(keys.volume_spec(entry.namespace, volume), spec)
            key = keys.volume_placement(entry.namespace, volume)
            placed = cast("VolumePlacement | None", self._current(key, entry.placement))
            if placed is None:
                self._put(key, None, VolumePlacement(schema=SCHEMA, node=node, placed_at=self._now))
            elif placed.node != node or placed.HasField("lost_at"):
                raise NotFound(f"the data of volume {spec.value.name} is not on node {node}")
            else:
                self._require(key, entry.placement)

    def remove_volume(self, volume: str) -> None:
        """Have a volume go, and free its name."""
        entry, spec = self._volume(volume)
        removed = copied(spec.value)
        removed.removed = True
        self._put(keys.volume_spec(entry.namespace, volume), spec, removed)
        self._free_name(entry.namespace, "volume", spec.value.name, volume)

    def lose_volume(self, volume: str, node: str) -> None:
        """Note that a volume's data is lost with its node.

        Raises:
            NotFound: its data is not there.
        """
        entry, _ = self._volume(volume)
        if entry.placement is None or entry.placement.value.node != node:
            raise NotFound(f"volume {volume} is not on node {node}")
        self._require(keys.node_spec(node), self._node(node).spec)
        lost = copied(entry.placement.value)
        lost.lost_at.CopyFrom(self._now)
        self._put(keys.volume_placement(entry.namespace, volume), entry.placement, lost)

    def forget_volume(self, volume: str) -> None:
        """Delete all that is stored of a volume.

        Raises:
            NotFound: it is gone, or is not to go.
        """
        entry, spec = self._volume(volume)
        if not spec.value.removed:
            raise NotFound(f"volume {spec.value.name} is not to be removed")
        self._put(keys.volume_spec(entry.namespace, volume), spec, None)
        self._put(keys.volume_placement(entry.namespace, volume), entry.placement, None)
        self._free_name(entry.namespace, "volume", spec.value.name, volume)

    def volume_gone(self, node: str, volume: str) -> None:
        """Delete a volume of which a node says that it has nothing any more. What is not to go stays."""
        entry = self._cache.volumes.get(volume)
        if entry is None or entry.spec is None or entry.placement is None:
            return
        if entry.spec.value.removed and entry.placement.value.node == node and volume not in users(self._cache):
            self.forget_volume(volume)

    def adopt_volumes(self, spec: ContainerSpec, node: str) -> None:
        """Make the volumes of a container, as its node has them, the store's where it knows nothing of them."""
        for mount in spec.config.mounts:
            if mount.kind != MountKind.MOUNT_KIND_VOLUME:
                continue
            volume, namespace = mount.volume_id, spec.namespace
            entry = self._cache.volumes.get(volume) or VolumeEntry(namespace, volume)
            key = keys.volume_spec(namespace, volume)
            if self._current(key, entry.spec) is None:
                name = self._adopt_name(namespace, mount.source, volume) if mount.source else volume
                owner = "" if mount.source else spec.id
                made = VolumeSpec(schema=SCHEMA, id=volume, namespace=namespace, name=name, driver=LOCAL, owner=owner)
                made.created_at.CopyFrom(spec.created_at)
                self._put(key, None, made)
            key = keys.volume_placement(namespace, volume)
            if self._current(key, entry.placement) is None:
                self._put(key, None, VolumePlacement(schema=SCHEMA, node=node, placed_at=self._now))

    def _adopt_name(self, namespace: str, name: str, volume: str) -> str:
        """Take a volume's name, or another one if that is another's by now; return it."""
        key = keys.name(namespace, "volume", name)
        taken = self._cache.names.get((namespace, "volume", name))
        if self._current(key, taken) not in (None, volume):
            name = f"{name[:100]}-{volume[:6]}"
            key, taken = keys.name(namespace, "volume", name), self._cache.names.get((namespace, "volume", name))
        self._put(key, taken, volume)
        return name

    def _volume(self, volume: str) -> tuple[VolumeEntry, Stored[VolumeSpec]]:
        entry = self._cache.volumes.get(volume)
        if entry is None or entry.spec is None:
            raise NotFound(f"volume {volume} is gone")
        return entry, entry.spec


def volume_ids(config: ContainerConfig) -> list[str]:
    """Return the ids of the volumes that a container mounts."""
    return [mount.volume_id for mount in config.mounts if mount.kind == MountKind.MOUNT_KIND_VOLUME]


def users(cache: ClusterCache) -> Mapping[str, list[str]]:
    """Return the names of the containers that name each volume, by its id."""
    found: dict[str, list[str]] = {}
    for entry in cache.containers.values():
        if entry.spec is not None:
            for volume in dict.fromkeys(volume_ids(entry.spec.value.config)):
                found.setdefault(volume, []).append(entry.spec.value.name)
    return found


def removals(cache: ClusterCache) -> Mapping[str, tuple[str, ...]]:
    """Return the ids of the volumes that each node is to remove: none that a container still names."""
    leaving: dict[str, list[str]] = {}
    for volume, entry in cache.volumes.items():
        if entry.spec is not None and entry.spec.value.removed and entry.placement is not None:
            leaving.setdefault(entry.placement.value.node, []).append(volume)
    if not leaving:
        return {}
    named = users(cache)
    return {node: tuple(sorted(set(volumes) - named.keys())) for node, volumes in leaving.items()}
