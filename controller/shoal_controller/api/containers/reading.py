"""Finding containers in the cache, which may be a few milliseconds behind what another controller has written."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from shoal_common.errors import InvalidSpec, NotFound
from shoal_common.ids import is_container_id
from shoal_controller.api.validation import fields
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.kv import KV
from shoal_controller.state.store import ContainerEntry
from shoal_proto.v1.container_pb2 import ContainerRef, ContainerSpec, DesiredState, Tombstone


def name_of(entry: ContainerEntry) -> str:
    """Return how messages call a container."""
    return entry.spec.value.name if entry.spec is not None else entry.id[:12]


class Finder:
    """Answers whether an object exists with the certainty of the store, at the price of the cache."""

    def __init__(self, kv: KV, cache: ClusterCache) -> None:
        self._kv = kv
        self._cache = cache

    async def fresh(self) -> None:
        """Wait until the cache has everything that was committed before this call.

        Raises:
            Unavailable: the store does not answer.
        """
        revision, _ = await self._kv.get(keys.cluster())
        await self._cache.reached(revision)

    async def container(self, ref: ContainerRef) -> ContainerEntry:
        """Return the container that is meant.

        Raises:
            NotFound: there is none, at any controller.
            InvalidSpec: `ref` fits several, or is empty.
        """
        namespace = fields.namespace(ref.namespace)
        if not ref.ref:
            raise InvalidSpec("no container was named (give a name or an id)")
        try:
            return self._cache.resolve(namespace, ref.ref)
        except NotFound:
            await self.fresh()
        return self._cache.resolve(namespace, ref.ref)

    async def container_or_tombstone(self, ref: ContainerRef) -> ContainerEntry | Tombstone:
        """Return the container that is meant, or what is left of it for an hour after it was removed.

        Raises:
            NotFound: there is neither.
            InvalidSpec: `ref` fits several, or is empty.
        """
        try:
            return await self.container(ref)
        except NotFound:
            found = self.tombstone(fields.namespace(ref.namespace), ref.ref)
            if found is None:
                raise
            return found

    def renamed(self, ref: ContainerRef, request_id: str) -> ContainerEntry | None:
        """Return the container that a request with this id has given another name.

        Args:
            ref: as in that request. A name in it leads there no more, and what has it now is not meant.
        """
        namespace = fields.namespace(ref.namespace)
        if not request_id or not ref.ref:
            return None
        for entry in self._cache.containers.values():
            if entry.spec is not None and entry.spec.value.last_request_id == request_id:
                meant = ref.ref == entry.spec.value.old_name or entry.id.startswith(ref.ref)
                if meant and entry.namespace == namespace:
                    return entry
        return None

    def removed(self, ref: ContainerRef, request_id: str) -> str | None:
        """Return the id of the container that a request with this id has removed, or begun to remove.

        Args:
            ref: as in that request. It need not lead there any more: a forced removal frees the name at once, and what
                has it now must not be removed by a repeat.
        """
        namespace = fields.namespace(ref.namespace)
        if not request_id or not ref.ref:
            return None
        removing = (
            entry.spec.value
            for entry in self._cache.containers.values()
            if entry.spec is not None and entry.spec.value.desired == DesiredState.DESIRED_STATE_REMOVED
        )
        buried = (stored.value for stored in self._cache.tombstones.values())
        traces = itertools.chain[ContainerSpec | Tombstone](removing, buried)
        for each in traces:
            same = each.last_request_id == request_id and each.namespace == namespace
            if same and (ref.ref == each.name or each.id.startswith(ref.ref)):
                return each.id
        return None

    def removed_by(self, namespace: str, request_id: str) -> Iterator[str]:
        """Yield the ids of the containers that a request has removed, or begun to remove."""
        for entry in self._cache.containers.values():
            if entry.spec is None or entry.namespace != namespace:
                continue
            spec = entry.spec.value
            if spec.last_request_id == request_id and spec.desired == DesiredState.DESIRED_STATE_REMOVED:
                yield entry.id
        for (of, container), stored in self._cache.tombstones.items():
            if of == namespace and stored.value.last_request_id == request_id:
                yield container

    def tombstone(self, namespace: str, ref: str) -> Tombstone | None:
        """Return the tombstone that an id, the beginning of one, or a name means; of one name the newest."""
        if is_container_id(ref):
            exact = self._cache.tombstones.get((namespace, ref))
            return None if exact is None else exact.value
        fitting = [
            stored
            for (of, container), stored in self._cache.tombstones.items()
            if of == namespace and (stored.value.name == ref or container.startswith(ref))
        ]
        named = [stored for stored in fitting if stored.value.name == ref]
        if not named and len(fitting) > 1:
            return None
        newest = max(named or fitting, key=lambda stored: stored.revision, default=None)
        return None if newest is None else newest.value
