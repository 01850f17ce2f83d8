"""Giving a container another name: its spec and both names' keys change in one transaction."""

from __future__ import annotations

import time

from shoal_common.errors import AlreadyExists, InvalidSpec, NotFound
from shoal_common.ids import SHORT_ID, check_name
from shoal_controller.api.containers import stopping
from shoal_controller.api.containers.reading import Finder, name_of
from shoal_controller.api.containers.updating import SpecUpdates
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.kv import Txn
from shoal_controller.state.store import ContainerEntry, encode
from shoal_proto.v1.container_pb2 import ContainerSpec, RenameContainerRequest

_KIND = "container"


class Renaming:
    """Serves `RenameContainer`."""

    def __init__(self, cache: ClusterCache, finder: Finder, updates: SpecUpdates) -> None:
        self._cache = cache
        self._finder = finder
        self._updates = updates

    async def rename(self, request: RenameContainerRequest) -> ContainerEntry:
        """Give a container another name, and return it. A repeat, which still has the old one, is answered the same.

        Raises:
            InvalidSpec: it can't be a name, or is its own.
            AlreadyExists: another container has it.
            NotFound: there is no such container.
            Conflict: it is being removed, or lost.
        """
        name = check_name("container", request.name)

        def change(spec: ContainerSpec, entry: ContainerEntry) -> None:
            stopping.refuse_gone(entry, "renamed")
            if spec.name == name:
                raise InvalidSpec(f'container "{name}" has that name already (choose another)')
            self._refuse_taken(entry, name)
            spec.old_name, spec.name = spec.name, name
            spec.renamed_at.FromNanoseconds(time.time_ns())

        def move(txn: Txn, entry: ContainerEntry) -> None:
            held = self._cache.names.get((entry.namespace, _KIND, name_of(entry)))
            if held is not None and held.value == entry.id:
                txn.delete(keys.name(entry.namespace, _KIND, name_of(entry)), expect=held.revision)
            txn.put(keys.name(entry.namespace, _KIND, name), encode(entry.id), expect=0)

        done = self._finder.renamed(request.container, request.request_id)
        if done is not None:
            return done
        try:
            return await self._updates.update(request.container, request.request_id, change, also=move)
        except NotFound:
            # This controller's cache has only just heard of what the first request did, at another one.
            done = self._finder.renamed(request.container, request.request_id)
            if done is None:
                raise
            return done

    def _refuse_taken(self, entry: ContainerEntry, name: str) -> None:
        taken = self._cache.names.get((entry.namespace, _KIND, name))
        if taken is not None:
            raise AlreadyExists(
                f'container name "{name}" is taken by container {taken.value[:SHORT_ID]} '
                f"(choose another, or rename that one: shoal rename {name} NAME)"
            )
