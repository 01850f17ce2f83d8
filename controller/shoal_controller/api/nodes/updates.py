"""Changing what operators say of a node, up to its removal: compare-and-swap on its spec, once however often asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from shoal_common.errors import Conflict, NotFound, Unavailable
from shoal_common.identity import Role
from shoal_common.ids import new_request_id
from shoal_common.messages import copied
from shoal_controller.api.containers.reading import Finder
from shoal_controller.api.views import node_name
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.kv import KV, CompareFailed, OutcomeUnknown, Txn
from shoal_controller.state.store import SCHEMA, NodeEntry, Stored, encode, read
from shoal_proto.v1.cluster_pb2 import Revocation
from shoal_proto.v1.container_pb2 import DesiredState
from shoal_proto.v1.node_pb2 import NodeRemoval, NodeSpec, RemoveNodeRequest, RemoveNodeResponse

#: Times that an update is tried against a spec that others change at the same time.
_ATTEMPTS: Final = 10
#: Seconds for the leader to delete what is stored of a removed node, before the answer that it will.
_DEPARTURE: Final = 10.0
#: Containers that a refusal names.
_NAMED: Final = 3


class NodeUpdates:
    """Updates nodes for all calls that do."""

    def __init__(self, kv: KV, cache: ClusterCache, finder: Finder) -> None:
        self._kv = kv
        self._cache = cache
        self._finder = finder

    async def update(self, ref: str, request_id: str, change: Callable[[NodeSpec, NodeEntry], None]) -> NodeEntry:
        """Change a node's spec, and return the node as this controller sees it afterwards.

        Args:
            ref: name, id or beginning of the id.
            request_id: of the client; a repeat of the last update of a node answers it as it is.
            change: sets fields of a copy; raises if it can't be done.

        Raises:
            NotFound: there is no such node.
            Conflict: it is being removed.
            Unavailable: the store does not answer, or others change the node all the time.
        """
        own_id = request_id or new_request_id()
        for _ in range(_ATTEMPTS):
            entry, stored = await self._node(ref)
            # A name may be another node's by the next attempt.
            ref = entry.id
            if stored.value.last_request_id == own_id:
                return entry
            if stored.value.removal:
                raise Conflict(f"node {node_name(entry)} is being removed from the cluster")
            spec = copied(stored.value)
            change(spec, entry)
            spec.last_request_id = own_id
            if spec.cordoned != stored.value.cordoned:
                spec.cordoned_at.FromNanoseconds(time.time_ns())
            txn = Txn()
            txn.put(keys.node_spec(entry.id), encode(spec), expect=stored.revision)
            revision = await self._commit(txn, entry.id, own_id)
            if revision is None:
                continue
            await self._cache.reached(revision)
            changed = self._cache.nodes.get(entry.id)
            if changed is not None and changed.spec is not None:
                return changed
            return NodeEntry(entry.id, spec=Stored(spec, revision, stored.create_revision))
        raise Unavailable(f'node "{ref}" is changed by others all the time (try again)')

    async def remove(self, request: RemoveNodeRequest) -> RemoveNodeResponse:
        """Take a node out of the cluster: its certificate counts no more at once, the leader does the rest.

        Answers when nothing of the node is left, or after some time without a leader; a repeat is answered the same.

        Raises:
            NotFound: there is no such node.
            Conflict: it holds containers and `force` isn't set.
            Unavailable: the store does not answer, or others change the node all the time.
        """
        own_id = request.request_id or new_request_id()
        node = await self._revoke(request, own_id)
        with self._cache.subscribe() as changes, suppress(TimeoutError):
            async with asyncio.timeout(_DEPARTURE):
                while node in self._cache.nodes:
                    await anext(changes)
        return RemoveNodeResponse(id=node, lost=self._lost(node))

    async def _revoke(self, request: RemoveNodeRequest, own_id: str) -> str:
        """Have a node's certificate count no more, and the leader remove the node; return its id."""
        ref = request.ref
        for _ in range(_ATTEMPTS):
            if (done := self._removed(request)) is not None:
                return done
            try:
                entry, stored = await self._node(ref)
            except NotFound:
                # This controller's cache has only just heard of what the first request did, at another one.
                if (done := self._removed(request)) is not None:
                    return done
                raise
            ref = entry.id
            if stored.value.removal == NodeRemoval.NODE_REMOVAL_FORCED:
                return entry.id
            if entry.holds and not request.force:
                raise self._held(entry)
            if (volumes := self._volumes(entry.id)) and not request.force:
                raise _keeps(node_name(entry), volumes)
            txn = Txn()
            spec = copied(stored.value)
            spec.last_request_id = own_id
            if request.force:
                spec.removal = NodeRemoval.NODE_REMOVAL_FORCED
            else:
                spec.removal = NodeRemoval.NODE_REMOVAL_EMPTY
                # Whatever is placed there meanwhile raises its revision.
                txn.require(keys.node_ledger(entry.id), revision=entry.ledger.revision if entry.ledger else 0)
            txn.put(keys.node_spec(entry.id), encode(spec), expect=stored.revision)
            key = keys.revocation(Role.NODE, entry.id)
            known = self._cache.revoked.get((Role.NODE, entry.id))
            revocation = Revocation(
                schema=SCHEMA,
                role=Role.NODE,
                id=entry.id,
                reason=f"node {spec.name} was removed from the cluster",
                request_id=own_id,
                name=spec.name,
            )
            revocation.revoked_at.FromNanoseconds(time.time_ns())
            txn.put(key, encode(revocation), expect=known.revision if known is not None else 0)
            revision = await self._commit(txn, entry.id, own_id)
            if revision is not None:
                await self._cache.reached(revision)
                return entry.id
        raise Unavailable(f'node "{ref}" is changed by others all the time (try again)')

    async def _commit(self, txn: Txn, node: str, own_id: str) -> int | None:
        """Commit a change of a node's spec and return its revision; None if it has to be tried anew."""
        try:
            return await self._kv.commit(txn)
        except CompareFailed as failure:
            await self._cache.reached(failure.revision)
            return None
        except OutcomeUnknown:
            revision, stored = await read(self._kv, NodeSpec, keys.node_spec(node))
            if stored is not None and stored.value.last_request_id == own_id:
                return revision
            await self._cache.reached(revision)
            revocation = self._cache.revoked.get((Role.NODE, node))
            if stored is None and revocation is not None and revocation.value.request_id == own_id:
                return revision
            raise

    async def _node(self, ref: str) -> tuple[NodeEntry, Stored[NodeSpec]]:
        try:
            entry = self._cache.resolve_node(ref)
        except NotFound:
            await self._finder.fresh()
            entry = self._cache.resolve_node(ref)
        if entry.spec is None:
            raise NotFound(f'node "{ref[:80]}" not found (shoal node ls lists them)')
        return entry, entry.spec

    def _removed(self, request: RemoveNodeRequest) -> str | None:
        """Return the id of the node that a request with this id has removed, or begun to remove."""
        if not request.request_id or not request.ref:
            return None
        for (role, node), stored in self._cache.revoked.items():
            same = role == Role.NODE and stored.value.request_id == request.request_id
            if same and (request.ref == stored.value.name or node.startswith(request.ref)):
                return node
        return None

    def _lost(self, node: str) -> list[str]:
        """Return the ids of the containers that are lost with a node."""
        return sorted(
            entry.id
            for entry in self._cache.containers.values()
            if entry.placement is not None
            and entry.placement.value.node == node
            and entry.spec is not None
            and entry.spec.value.desired != DesiredState.DESIRED_STATE_REMOVED
        )

    def _volumes(self, node: str) -> list[str]:
        """Return the names of the volumes whose data is on a node."""
        return sorted(
            volume.spec.value.name
            for volume in self._cache.volumes.values()
            if volume.placement is not None
            and volume.placement.value.node == node
            and volume.spec is not None
            and not volume.spec.value.removed
        )

    def _held(self, entry: NodeEntry) -> Conflict:
        containers = (self._cache.containers.get(each) for each in sorted(entry.holds))
        names = [each.spec.value.name for each in containers if each is not None and each.spec is not None]
        examples = f", such as {', '.join(names[:_NAMED])}" if len(names) > _NAMED else f": {', '.join(names)}"
        count = len(entry.holds)
        name = node_name(entry)
        return Conflict(
            f"node {name} holds {count} container{'' if count == 1 else 's'}{examples if names else ''} (remove them "
            f"first, or give them up for lost: shoal node rm --force {name})"
        )


def _keeps(node: str, volumes: list[str]) -> Conflict:
    examples = ", ".join(volumes[:_NAMED]) + (", ..." if len(volumes) > _NAMED else "")
    return Conflict(
        f"node {node} has the data of {len(volumes)} volume{'' if len(volumes) == 1 else 's'}: {examples} (remove them "
        f"first: shoal volume rm, or give them up for lost: shoal node rm --force {node})"
    )
