"""The cluster in memory, fed by one watch: what every list, plan and wait reads."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Final

from shoal_common.errors import Compacted, InvalidSpec, NotFound, Unavailable
from shoal_common.ids import SHORT_ID, is_container_id
from shoal_controller.state import keys
from shoal_controller.state.changes import Change, Subscription
from shoal_controller.state.cluster_state import ClusterState
from shoal_controller.state.deltas import Delta
from shoal_controller.state.kv import KV, Batch, Listing, SetBack
from shoal_controller.state.store import ContainerEntry, NodeEntry, Stored, VolumeEntry
from shoal_proto.v1.cluster_pb2 import Cluster, ClusterPolicy, Controller, JoinToken, Leader, Revocation
from shoal_proto.v1.container_pb2 import Tombstone

__all__ = ["Change", "ClusterCache", "Subscription"]

_log: Final = logging.getLogger(__name__)

#: Seconds that the watch gets to bring a revision before it is fetched by listing.
_CATCH_UP: Final = 1.0
#: Seconds between attempts to list while the store does not answer.
_RETRY: Final = 0.5
#: Entries decoded before others get the event loop: about 10 ms.
_CHUNK: Final = 500


class ClusterCache:
    """A copy of everything below `keys.PREFIX`, a few milliseconds behind the store.

    Entries and objects that it gives out are never changed, only replaced; the mappings are live. What a reader takes
    between two awaits is of one revision.
    """

    def __init__(self, kv: KV) -> None:
        #: Set once the first listing is in.
        self.synced = asyncio.Event()
        self._kv = kv
        self._state = ClusterState()
        self._subscriptions: set[Subscription] = set()
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []
        self._waiter_numbers = itertools.count()
        self._listing = asyncio.Lock()
        self._observe: Callable[[Delta], None] | None = None
        self._set_back = ""

    async def run(self) -> None:
        """Follow the store until cancelled: list, watch from there, list again when the history is gone."""
        silent = False
        while True:
            try:
                listed = await self._list()
                self._swap(listed)
                if silent:
                    _log.info("following the cluster's state again")
                silent = False
                self.synced.set()
                async with aclosing(self._kv.watch(keys.PREFIX, after=listed.revision)) as batches:
                    async for batch in batches:
                        self._apply(batch)
            except SetBack as error:
                _log.error("listing the cluster's state anew: %s", error)
                self._set_back = str(error)
            except Compacted as error:
                _log.warning("listing the cluster's state anew: %s", error)
            except Unavailable as error:
                # Once for an outage, which may last for hours.
                if not silent:
                    _log.warning("can't follow the cluster's state, and goes on trying: %s", error)
                silent = True
                await asyncio.sleep(_RETRY)

    def take_set_back(self) -> str:
        """Return, once, how the store was found to have lost something, a line; empty if it wasn't since."""
        said, self._set_back = self._set_back, ""
        return said

    async def reached(self, revision: int) -> None:
        """Wait until the cache has everything up to `revision`: read your own writes.

        Raises:
            Unavailable: the watch brings nothing and the store can't be listed either.
        """
        if self.revision >= revision and self.synced.is_set():
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiters, (revision, next(self._waiter_numbers), waiter))
        try:
            async with asyncio.timeout(_CATCH_UP):
                await waiter
        except TimeoutError:
            # Nobody tells of revisions that touch nothing of ours, and a watch may be reconnecting just now.
            await self._catch_up(revision)

    def subscribe(self) -> Subscription:
        """Return a subscription to all changes from now on; close it when done."""
        subscription = Subscription(self._subscriptions.discard)
        self._subscriptions.add(subscription)
        return subscription

    def observe(self, observe: Callable[[Delta], None]) -> None:
        """Have the one observer told of every revision, with what was before it; it must be quick."""
        self._observe = observe

    def resolve(self, namespace: str, ref: str) -> ContainerEntry:
        """Return the container that `ref` names: by its id, its name, or the beginning of its id.

        Raises:
            NotFound: there is none.
            InvalidSpec: `ref` is empty, or the beginning of several ids.
        """
        if not ref:
            raise InvalidSpec("no container was named (give a name or an id)")
        if is_container_id(ref):
            entry = self.containers.get(ref)
            if entry is not None and entry.namespace == namespace:
                return entry
        named = self.names.get((namespace, "container", ref))
        if named is not None and named.value in self.containers:
            return self.containers[named.value]
        matching = (self.containers[container] for container in self._state.ids_with_prefix(ref))
        found = list(itertools.islice((entry for entry in matching if entry.namespace == namespace), 3))
        if not found:
            raise NotFound(f'container "{ref[:80]}" not found (shoal ps -a lists them)')
        if len(found) > 1:
            examples = ", ".join(entry.id[: max(SHORT_ID, len(ref) + 1)] for entry in found[:2])
            raise InvalidSpec(
                f'"{ref}" is the beginning of several container ids, such as {examples} (give more digits)'
            )
        return found[0]

    def resolve_node(self, ref: str) -> NodeEntry:
        """Return the joined node that `ref` names: by its id, its name, or the beginning of its id.

        Raises:
            NotFound: there is none.
            InvalidSpec: `ref` is empty, or the beginning of several ids.
        """
        if not ref:
            raise InvalidSpec("no node was named (give a name or an id)")
        joined = [entry for entry in self.nodes.values() if entry.spec is not None]
        for exact in (
            [entry for entry in joined if entry.id == ref],
            [entry for entry in joined if entry.spec is not None and entry.spec.value.name == ref],
        ):
            if exact:
                return exact[0]
        found = [entry for entry in joined if entry.id.startswith(ref)]
        if not found:
            raise NotFound(f'node "{ref[:80]}" not found (shoal node ls lists them)')
        if len(found) > 1:
            raise InvalidSpec(f'"{ref}" is the beginning of {len(found)} node ids (give more digits)')
        return found[0]

    def holders(self, container: str) -> frozenset[str]:
        """Return the ids of the nodes that hold a container, whatever the hold's role."""
        return self._state.holders(container)

    @property
    def revision(self) -> int:
        """The store's revision up to which everything is in; 0 before the first listing."""
        return self._state.revision

    @property
    def cluster(self) -> Stored[Cluster] | None:
        """The cluster's object; None: it was never made, or the store was emptied."""
        return self._state.cluster

    @property
    def leader(self) -> Stored[Leader] | None:
        """Who leads; None: nobody now."""
        return self._state.leader

    @property
    def policy(self) -> Stored[ClusterPolicy] | None:
        """What containers may ask for; None: nothing was ever allowed."""
        return self._state.policy

    @property
    def containers(self) -> Mapping[str, ContainerEntry]:
        """Containers by id."""
        return self._state.containers

    @property
    def nodes(self) -> Mapping[str, NodeEntry]:
        """Nodes by id, those of which only holds are left included."""
        return self._state.nodes

    @property
    def volumes(self) -> Mapping[str, VolumeEntry]:
        """Volumes by id."""
        return self._state.volumes

    @property
    def names(self) -> Mapping[tuple[str, str, str], Stored[str]]:
        """Ids by (namespace, kind, name)."""
        return self._state.names

    @property
    def addresses(self) -> Mapping[tuple[str, str], Stored[str]]:
        """Container ids by (network, ip)."""
        return self._state.addresses

    @property
    def tombstones(self) -> Mapping[tuple[str, str], Stored[Tombstone]]:
        """Tombstones by (namespace, container id)."""
        return self._state.tombstones

    @property
    def tokens(self) -> Mapping[str, Stored[JoinToken]]:
        """Join tokens by id."""
        return self._state.tokens

    @property
    def controllers(self) -> Mapping[str, Stored[Controller]]:
        """Controllers that run, by the name of their process."""
        return self._state.controllers

    @property
    def revoked(self) -> Mapping[tuple[str, str], Stored[Revocation]]:
        """Whose certificates count no more, by role and id."""
        return self._state.revoked

    async def _list(self) -> ClusterState:
        listing = await self._kv.list(keys.PREFIX)
        return await _decoded(listing)

    async def _catch_up(self, revision: int) -> None:
        async with self._listing:
            if self.revision >= revision:
                return
            listed = await self._list()
            # The watch may have come further while the listing was decoded; it must not go back.
            if listed.revision > self.revision:
                self._swap(listed)

    def _swap(self, state: ClusterState) -> None:
        if state.revision < self.revision:
            self._set_back = f"etcd was set back: it is at revision {state.revision} and was at {self.revision}"
        older, self._state = self._state, state
        if self._observe is not None and self.synced.is_set():
            self._observe(state.since(older))
        self._publish(Change(state.revision, everything=True))

    def _apply(self, batch: Batch) -> None:
        if batch.revision <= self.revision:
            return  # A listing in `reached` was ahead of the watch.
        change = self._state.apply(batch, observe=self._observe)
        if batch.events:
            self._publish(change)
        else:
            self._wake()

    def _publish(self, change: Change) -> None:
        self._wake()
        for subscription in self._subscriptions:
            subscription.publish(change)

    def _wake(self) -> None:
        while self._waiters and self._waiters[0][0] <= self.revision:
            _, _, waiter = heapq.heappop(self._waiters)
            if not waiter.done():
                waiter.set_result(None)


async def _decoded(listing: Listing) -> ClusterState:
    state = ClusterState()
    for start in range(0, len(listing.entries), _CHUNK):
        state.load(listing.entries[start : start + _CHUNK])
        await asyncio.sleep(0)
    state.revision = listing.revision
    return state
