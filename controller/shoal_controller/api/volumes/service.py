"""`VolumeService`: the volumes of the cluster."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

import grpc.aio

from shoal_common.errors import AlreadyExists, Conflict, InvalidSpec, NotFound, Unavailable
from shoal_common.ids import SHORT_ID, is_container_id, new_request_id
from shoal_common.messages import copied
from shoal_common.sealing import Sealer
from shoal_controller.api.containers.reading import Finder
from shoal_controller.api.nodes.disk_usage import BESIDE_MS, NodeDisks
from shoal_controller.api.validation import fields
from shoal_controller.api.validation import volumes as checks
from shoal_controller.api.volumes.views import volume_view
from shoal_controller.leader.volume_draft import users
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.kv import KV, CompareFailed, OutcomeUnknown, Txn
from shoal_controller.state.store import LOCAL, SCHEMA, Stored, VolumeEntry, encode, read
from shoal_proto.v1 import volume_pb2, volume_pb2_grpc
from shoal_proto.v1.volume_pb2 import Volume, VolumeRef, VolumeSpec

_Context = grpc.aio.ServicerContext[object, object]
_log: Final = logging.getLogger(__name__)

#: Times that a change is tried against others that change the same volume.
_ATTEMPTS: Final = 20
#: Containers that a refusal names.
_NAMED: Final = 3
#: Removals that are answered again when their answer was lost.
_REMEMBERED: Final = 1024
_LISTED: Final = ("name", "label", "label!", "dangling", "node", "driver")
_PRUNED: Final = ("label", "label!")


class VolumeService(volume_pb2_grpc.VolumeServiceServicer):
    """Answers from the cache; writes what users say of volumes. Their places are the leader's to choose."""

    def __init__(self, kv: KV, cache: ClusterCache, sealer: Sealer, disks: NodeDisks) -> None:
        self._kv = kv
        self._disks = disks
        self._cache = cache
        self._sealer = sealer
        self._finder = Finder(kv, cache)
        self._removed: OrderedDict[str, str] = OrderedDict()

    async def CreateVolume(self, request: volume_pb2.CreateVolumeRequest, context: _Context) -> Volume:
        """See volume.proto."""
        namespace = fields.namespace(request.namespace)
        mac = self._sealer.mac(request.SerializeToString(deterministic=True))
        request.name = request.name or request.id
        checks.create_request(request)
        spec = VolumeSpec(
            schema=SCHEMA,
            id=request.id,
            namespace=namespace,
            name=request.name,
            labels=request.labels,
            driver=LOCAL,
            constraints=request.constraints,
            request_mac=mac,
        )
        spec.created_at.FromNanoseconds(time.time_ns())
        for _ in range(_ATTEMPTS):
            if (known := self._known(spec)) is not None:
                return volume_view(self._cache, known, users(self._cache))
            txn = Txn()
            txn.put(keys.volume_spec(namespace, spec.id), encode(spec), expect=0)
            if spec.name != spec.id:
                txn.put(keys.name(namespace, "volume", spec.name), encode(spec.id), expect=0)
            revision = await self._commit(txn, spec.id, lambda stored: stored.request_mac == mac)
            if revision is not None:
                _log.info("created volume %s", spec.name)
                await self._cache.reached(revision)
                made = VolumeEntry(namespace, spec.id, Stored(spec, revision, revision))
                return volume_view(self._cache, self._cache.volumes.get(spec.id, made), {})
        raise Unavailable(f'volume "{spec.name}" is made and removed by others all the time (try again)')

    async def GetVolume(self, request: volume_pb2.GetVolumeRequest, context: _Context) -> Volume:
        """See volume.proto."""
        view = volume_view(self._cache, await self._volume(request.volume), users(self._cache))
        if request.size:
            await self._measure([view])
        return view

    async def ListVolumes(
        self, request: volume_pb2.ListVolumesRequest, context: _Context
    ) -> volume_pb2.ListVolumesResponse:
        """See volume.proto. A page's token is the name and id of its last volume."""
        namespace = fields.namespace(request.namespace)
        size = fields.page_size(request.page_size)
        found = self._fitting(namespace, request.filters, known=_LISTED)
        left = [volume for volume in found if _place(volume) > request.page_token]
        if request.size:
            await self._measure(left[:size])
        return volume_pb2.ListVolumesResponse(
            volumes=left[:size],
            next_page_token=_place(left[size - 1]) if len(left) > size else "",
            revision=self._cache.revision,
        )

    async def RemoveVolume(
        self, request: volume_pb2.RemoveVolumeRequest, context: _Context
    ) -> volume_pb2.RemoveVolumeResponse:
        """See volume.proto."""
        done = self._removed.get(request.request_id) if request.request_id else None
        return volume_pb2.RemoveVolumeResponse(id=done or await self._remove(request.volume, request.request_id))

    async def PruneVolumes(
        self, request: volume_pb2.PruneVolumesRequest, context: _Context
    ) -> volume_pb2.PruneVolumesResponse:
        """See volume.proto."""
        namespace = fields.namespace(request.namespace)
        await self._finder.fresh()
        unused = [
            volume
            for volume in self._fitting(namespace, request.filters, known=_PRUNED)
            if not volume.containers and (request.all or _is_nameless(volume.spec))
        ]
        await self._measure(unused, limit_ms=BESIDE_MS)
        names, freed = [], 0
        for volume in unused:
            try:
                await self._remove(VolumeRef(namespace=namespace, ref=volume.spec.id), request.request_id)
            except (Conflict, NotFound):
                continue  # Somebody began to use it meanwhile, or removed it.
            names.append(volume.spec.name)
            freed += volume.bytes
        return volume_pb2.PruneVolumesResponse(names=names, freed_bytes=freed)

    # Inside

    def _known(self, spec: VolumeSpec) -> VolumeEntry | None:
        """Return what an earlier request has come to, or the volume that has the name and is as it is asked for.

        Raises:
            AlreadyExists: it is not, or the id was used for another request.
        """
        entry = self._cache.volumes.get(spec.id)
        if entry is not None and entry.spec is not None:
            if entry.spec.value.request_mac != spec.request_mac:
                raise AlreadyExists(f"volume id {spec.id[:SHORT_ID]} was used for another request (propose a new id)")
            return entry
        named = self._cache.names.get((spec.namespace, "volume", spec.name))
        entry = self._cache.volumes.get(named.value) if named is not None else None
        if entry is None or entry.spec is None:
            return None
        found = entry.spec.value
        if not (spec.labels or spec.constraints):
            return entry
        if found.labels != spec.labels or list(found.constraints) != list(spec.constraints):
            raise AlreadyExists(
                f'volume "{spec.name}" exists with other labels or constraints (choose another name, or remove it: '
                f"shoal volume rm {spec.name})"
            )
        return entry

    async def _measure(self, volumes: Sequence[Volume], *, limit_ms: int = 0) -> None:
        """Note the bytes of volumes, as far as their nodes tell."""
        placed = [(each.spec.id, each.placement.node) for each in volumes if each.placement.node]
        sizes = await self._disks.volume_sizes(placed, limit_ms=limit_ms)
        for each in volumes:
            if not each.placement.node:
                each.bytes = 0
            elif each.spec.id in sizes:
                each.bytes = sizes[each.spec.id]

    async def _remove(self, ref: VolumeRef, request_id: str) -> str:
        own_id = request_id or new_request_id()
        for _ in range(_ATTEMPTS):
            entry = await self._volume(ref, removing=own_id)
            # The name may be another's by the next attempt.
            ref = VolumeRef(namespace=entry.namespace, ref=entry.id)
            assert entry.spec is not None
            if entry.spec.value.removed:
                return entry.id
            if names := users(self._cache).get(entry.id):
                raise _in_use(entry.spec.value.name, names)
            spec = copied(entry.spec.value)
            spec.removed = True
            spec.last_request_id = own_id
            txn = Txn()
            # Whoever creates a container with it writes it as well.
            txn.put(keys.volume_spec(entry.namespace, entry.id), encode(spec), expect=entry.spec.revision)
            named = self._cache.names.get((entry.namespace, "volume", spec.name))
            if named is not None and named.value == entry.id:
                txn.delete(keys.name(entry.namespace, "volume", spec.name), expect=named.revision)
            revision = await self._commit(txn, entry.id, lambda stored: stored.last_request_id == own_id)
            if revision is not None:
                _log.info("volume %s is to be removed", spec.name)
                await self._cache.reached(revision)
                self._removed[own_id] = entry.id
                if len(self._removed) > _REMEMBERED:
                    self._removed.popitem(last=False)
                return entry.id
        raise Unavailable(f'volume "{ref.ref}" is changed by others all the time (try again)')

    async def _commit(self, txn: Txn, volume: str, done: Callable[[VolumeSpec], bool]) -> int | None:
        """Commit a change of a volume and return its revision; None if it has to be tried anew."""
        try:
            return await self._kv.commit(txn)
        except CompareFailed as failure:
            await self._cache.reached(failure.revision)
            return None
        except OutcomeUnknown:
            key = next(key for key in txn.writes if key.endswith(f"/{volume}/spec"))
            revision, stored = await read(self._kv, VolumeSpec, key)
            if stored is None or not done(stored.value):
                raise
            return revision

    async def _volume(self, ref: VolumeRef, *, removing: str = "") -> VolumeEntry:
        """Return the volume that is meant.

        Args:
            removing: id of the request that removes it: one that it has removed is found as well.

        Raises:
            NotFound: there is none, at any controller.
            InvalidSpec: `ref` is empty, or fits several.
        """
        namespace = fields.namespace(ref.namespace)
        if not ref.ref:
            raise InvalidSpec("no volume was named (give a name or an id)")
        found = self._resolve(namespace, ref.ref, removing)
        if found is None:
            await self._finder.fresh()
            found = self._resolve(namespace, ref.ref, removing)
        if found is None:
            raise NotFound(f'volume "{ref.ref[:80]}" not found (shoal volume ls lists them)')
        return found

    def _resolve(self, namespace: str, ref: str, removing: str) -> VolumeEntry | None:
        named = self._cache.names.get((namespace, "volume", ref))
        if named is not None and (entry := self._cache.volumes.get(named.value)) is not None and entry.spec is not None:
            return entry
        found = []
        for entry in self._cache.volumes.values():
            if entry.spec is None or entry.namespace != namespace:
                continue
            spec = entry.spec.value
            if spec.removed and not (removing and spec.last_request_id == removing and ref in (spec.name, spec.id)):
                continue
            if spec.id.startswith(ref) or (spec.removed and spec.name == ref):
                found.append(entry)
        if len(found) > 1:
            raise InvalidSpec(f'"{ref}" is the beginning of {len(found)} volume ids (give more digits)')
        return found[0] if found else None

    def _fitting(self, namespace: str, filters: Sequence[str], *, known: tuple[str, ...]) -> list[Volume]:
        fits = checks.volume_filter(filters, known=known)
        named = users(self._cache)
        views = (
            volume_view(self._cache, entry, named)
            for entry in self._cache.volumes.values()
            if entry.namespace == namespace and entry.spec is not None and not entry.spec.value.removed
        )
        return sorted((view for view in views if fits(view)), key=_place)


def _is_nameless(spec: VolumeSpec) -> bool:
    """Say whether nobody gave a volume a name."""
    return bool(spec.name == spec.id)


def _in_use(name: str, containers: Sequence[str]) -> Conflict:
    count = len(containers)
    examples = ", ".join(sorted(containers)[:_NAMED]) + (", ..." if count > _NAMED else "")
    shown = name[:SHORT_ID] if is_container_id(name) else name
    return Conflict(
        f'volume "{shown}" is used by {count} container{"" if count == 1 else "s"}: {examples} '
        f"(remove {'it' if count == 1 else 'them'} first: shoal rm {min(containers)})"
    )


def _place(volume: Volume) -> str:
    """Return the key of the order of volumes: names have no blanks, so that none is the beginning of another's key."""
    return f"{volume.spec.name} {volume.spec.id}"
