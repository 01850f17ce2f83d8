"""Changing what a user wants of a container: compare-and-swap on its spec, once however often it is asked."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from shoal_common.errors import Conflict, Unavailable
from shoal_common.ids import SHORT_ID, new_request_id
from shoal_common.log_context import bind
from shoal_common.messages import copied
from shoal_common.timings import phase
from shoal_common.tracing import current_trace
from shoal_controller.api.containers.reading import Finder
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.kv import KV, CompareFailed, OutcomeUnknown, Txn
from shoal_controller.state.store import ContainerEntry, Stored, encode, read
from shoal_proto.v1.container_pb2 import ContainerRef, ContainerSpec, DesiredState

_log: Final = logging.getLogger(__name__)

#: Times that an update is tried against a spec that others change at the same time.
_ATTEMPTS: Final = 10


class SpecUpdates:
    """Updates specs for all calls that do."""

    def __init__(self, kv: KV, cache: ClusterCache, finder: Finder) -> None:
        self._kv = kv
        self._cache = cache
        self._finder = finder

    async def update(
        self,
        ref: ContainerRef,
        request_id: str,
        change: Callable[[ContainerSpec, ContainerEntry], None],
        *,
        also: Callable[[Txn, ContainerEntry], None] = lambda txn, entry: None,
    ) -> ContainerEntry:
        """Change a spec by compare-and-swap, and return the container as this controller sees it afterwards.

        The request's id is stored even where nothing else changes: a repeat must not do what the first did not.

        Args:
            request_id: of the client; a repeat of the last update of a container answers it as it is.
            change: sets fields of a copy; raises if the container's state does not allow it.
            also: adds what must happen in the same transaction.

        Raises:
            NotFound: there is no such container.
            Unavailable: the store does not answer, or others change the container all the time.
        """
        own_id = request_id or new_request_id()
        meant = ref
        for _ in range(_ATTEMPTS):
            entry = await self._finder.container(meant)
            # A name may be another container's by the next attempt.
            meant = ContainerRef(namespace=entry.namespace, ref=entry.id)
            if entry.spec is None:
                raise Conflict(f"container {entry.id[:12]} is being removed")
            if entry.spec.value.last_request_id == own_id:
                return entry
            bind(container=entry.id[:SHORT_ID])
            spec = copied(entry.spec.value)
            change(spec, entry)
            spec.last_request_id = own_id
            spec.trace_id = current_trace()
            key = keys.container_spec(entry.namespace, entry.id)
            txn = Txn()
            txn.put(key, encode(spec), expect=entry.spec.revision)
            also(txn, entry)
            try:
                with phase("commit"):
                    revision = await self._kv.commit(txn)
            except CompareFailed as failure:
                await self._cache.reached(failure.revision)
                continue
            except OutcomeUnknown:
                revision, stored = await read(self._kv, ContainerSpec, key)
                if stored is None or stored.value.last_request_id != own_id:
                    raise
            wish = DesiredState.Name(spec.desired).removeprefix("DESIRED_STATE_").lower()
            _log.info("container %s is to be %s (run %d)", spec.name, wish, spec.run)
            with phase("cache"):
                await self._cache.reached(revision)
            # It may be gone by now: then what was written last is what there is to tell.
            gone = ContainerEntry(entry.namespace, entry.id, Stored(spec, revision, entry.spec.create_revision))
            return self._cache.containers.get(entry.id, gone)
        raise Unavailable(f'container "{ref.ref}" is changed by others all the time (try again)')
