"""Which volumes a new container mounts: those that it names, which it makes if need be, and those of its own.

Whoever creates a container writes the specs of its volumes as well, also where nothing in them changes: so a removal,
which found nobody to use the volume, can't pass it by.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from shoal_common.containers.mounts import check_target
from shoal_common.errors import Conflict, InvalidSpec
from shoal_controller.api.validation.files import MAX_MOUNTS
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.kv import Txn
from shoal_controller.state.store import LOCAL, SCHEMA, encode
from shoal_proto.v1.container_pb2 import ContainerConfig, ContainerSpec, MountKind
from shoal_proto.v1.volume_pb2 import VolumeSpec


def add_image_volumes(config: ContainerConfig, paths: Iterable[str]) -> None:
    """Add a volume of the container's own for every path that its image declares, unless something is mounted there.

    Raises:
        InvalidSpec: the image declares what can't be mounted, or too much.
    """
    taken = {mount.target for mount in config.mounts}
    for path in paths:
        try:
            target = check_target(path if path.startswith("/") else f"/{path}")
        except InvalidSpec as error:
            raise InvalidSpec(f'image "{config.image}" declares a volume that can\'t be: {error.message}') from None
        if target not in taken:
            taken.add(target)
            config.mounts.add(kind=MountKind.MOUNT_KIND_VOLUME, target=target)
    if len(config.mounts) > MAX_MOUNTS:
        raise InvalidSpec(
            f'a container of image "{config.image}" would have {len(config.mounts)} mounts, with the volumes that the '
            f"image declares ({MAX_MOUNTS} is the most)"
        )


def uses_volumes(spec: ContainerSpec) -> bool:
    """Say whether a container mounts any volume."""
    return any(mount.kind == MountKind.MOUNT_KIND_VOLUME for mount in spec.config.mounts)


def add_volumes(txn: Txn, cache: ClusterCache, spec: ContainerSpec) -> None:
    """Note in a container's spec which volumes it mounts, and write each with it.

    Raises:
        Conflict: a volume is just being removed.
    """
    named: dict[str, str] = {}
    for mount in spec.config.mounts:
        if mount.kind != MountKind.MOUNT_KIND_VOLUME:
            continue
        if mount.source:
            if mount.source not in named:
                named[mount.source] = _add_named(txn, cache, spec, mount.source)
            mount.volume_id = named[mount.source]
        else:
            # The same for every repeat of the request.
            mount.volume_id = _derived(spec.id, "target", mount.target)
            own = _new(spec, mount.volume_id, mount.volume_id)
            own.owner = spec.id
            txn.put(keys.volume_spec(spec.namespace, mount.volume_id), encode(own), expect=0)


def _add_named(txn: Txn, cache: ClusterCache, spec: ContainerSpec, name: str) -> str:
    known = cache.names.get((spec.namespace, "volume", name))
    if known is None:
        volume = _derived(spec.id, "name", name)
        txn.put(keys.volume_spec(spec.namespace, volume), encode(_new(spec, volume, name)), expect=0)
        txn.put(keys.name(spec.namespace, "volume", name), encode(volume), expect=0)
        return volume
    entry = cache.volumes.get(known.value)
    if entry is None or entry.spec is None or entry.spec.value.removed:
        raise Conflict(f'volume "{name}" is being removed (try again)')
    txn.put(keys.volume_spec(spec.namespace, entry.id), encode(entry.spec.value), expect=entry.spec.revision)
    return entry.id


def _new(spec: ContainerSpec, volume: str, name: str) -> VolumeSpec:
    return VolumeSpec(
        schema=SCHEMA, id=volume, namespace=spec.namespace, name=name, driver=LOCAL, created_at=spec.created_at
    )


def _derived(container: str, kind: str, text: str) -> str:
    return hashlib.sha256(f"volume\0{container}\0{kind}\0{text}".encode()).hexdigest()
