"""Lists of containers by page, and watches that go on from them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

from shoal_common.containers.filters import parse_filter
from shoal_common.errors import InvalidSpec
from shoal_common.filters import Filter, parsed
from shoal_common.ids import check_container_id
from shoal_controller.api.containers.filters import Named, Place, place, shows
from shoal_controller.api.nodes.disk_usage import NodeDisks
from shoal_controller.api.validation import fields
from shoal_controller.api.views import Views, revision_of
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.changes import Change
from shoal_controller.state.keys import ContainerKey, ContainerPart
from shoal_controller.state.kv import KV
from shoal_proto.v1.container_pb2 import (
    ListContainersRequest,
    ListContainersResponse,
    WatchContainersRequest,
    WatchContainersResponse,
)

_FIRST: Final[Place] = (0, "")


class Lister:
    """Serves `ListContainers` and `WatchContainers`."""

    def __init__(self, kv: KV, cache: ClusterCache, views: Views, disks: NodeDisks) -> None:
        self._kv = kv
        self._cache = cache
        self._views = views
        self._disks = disks

    async def page(self, request: ListContainersRequest) -> ListContainersResponse:
        """Return a page of containers in the order of their creation, which is that of the store's revisions.

        Only where sizes are asked for are nodes; of one that does not answer they are left out.

        Raises:
            InvalidSpec: a filter or the page's token is malformed.
            NotFound: the namespace or the node does not exist.
        """
        namespace = fields.namespace(request.namespace)
        size = fields.page_size(request.page_size)
        after = _place_in(request.page_token)
        filters = _filters(request)
        named = Named(
            node=lambda ref: self._cache.resolve_node(ref).id,
            place=lambda ref: place(self._cache.resolve(namespace, ref)),
        )
        shown = shows(filters, named, everything=request.all or request.last > 0)
        found = sorted(
            (
                entry
                for entry in self._cache.containers.values()
                if entry.spec is not None and entry.namespace == namespace and shown(entry)
            ),
            key=place,
        )
        newest = found[-request.last :] if request.last else found
        left = [entry for entry in newest if place(entry) > after]
        response = ListContainersResponse(
            containers=[self._views.container(entry) for entry in left[:size]],
            next_page_token=_token(place(left[size - 1])) if len(left) > size else "",
            revision=self._cache.revision,
            selected=True,
        )
        if request.size:
            await self._disks.add_sizes(left[:size], response.containers)
        return response

    async def watch(self, request: WatchContainersRequest) -> AsyncGenerator[WatchContainersResponse, None]:
        """Yield every container that changes, and the id of every one that is removed.

        Changes that follow each other quickly may be told as one. A container also changes when its node goes down or
        comes back.

        Raises:
            Compacted: what was there at the given revision is not known any more: list again.
            InvalidSpec: the id is malformed.
            NotFound: the namespace does not exist.
        """
        namespace = fields.namespace(request.namespace)
        only = check_container_id(request.id) if request.id else ""
        after = request.after_revision
        with self._cache.subscribe() as changes:
            # Who lists at one controller may watch at another, which is a little behind.
            await self._cache.reached(after)
            known: set[str] = set()
            if 0 < after < self._cache.revision:
                known = await self._ids_at(namespace, after)
            elif after:
                known = set(self._cache.containers)
            seen_nodes = self._node_states()
            for response in self._news(namespace, only, known, after, frozenset(), everything=True):
                yield response
            told = self._cache.revision
            async for change in changes:
                states = self._node_states()
                turned = frozenset(node for node in states if states[node] != seen_nodes.get(node))
                seen_nodes = states
                touched = self._touched(change, turned)
                for response in self._news(namespace, only, known, told, touched, everything=change.everything):
                    yield response
                told = max(told, change.revision)

    def _touched(self, change: Change, turned: frozenset[str]) -> frozenset[str]:
        """Return the ids of the containers whose view a change may have altered."""
        on_turned = {
            entry.id
            for entry in (self._cache.containers.values() if turned else ())
            if entry.placement is not None and entry.placement.value.node in turned
        }
        return change.containers | change.removed_containers | on_turned

    def _news(
        self,
        namespace: str,
        only: str,
        known: set[str],
        after: int,
        touched: frozenset[str],
        *,
        everything: bool,
    ) -> list[WatchContainersResponse]:
        """Return what a watcher that knows `known` has to be told, and note that it knows it.

        Args:
            after: revision up to which it was told already.
            touched: ids to look at.
            everything: look at all, and tell those that were written after `after`.
        """
        revision = self._cache.revision
        ids = set(touched)
        if everything:
            present = self._cache.containers.items()
            ids |= {id_ for id_, entry in present if revision_of(entry) > after or id_ not in known}
            ids |= known - self._cache.containers.keys()
        news = []
        for id_ in sorted(ids, key=self._order):
            if only and id_ != only:
                continue
            entry = self._cache.containers.get(id_)
            if entry is not None and entry.spec is not None and entry.namespace == namespace:
                known.add(id_)
                news.append(WatchContainersResponse(revision=revision, container=self._views.container(entry)))
            elif id_ in known:
                known.discard(id_)
                news.append(WatchContainersResponse(revision=revision, removed=id_))
        return news

    def _order(self, container: str) -> tuple[int, str]:
        entry = self._cache.containers.get(container)
        return (0 if entry is None else revision_of(entry), container)

    def _node_states(self) -> dict[str, int]:
        return {id_: entry.status.value.state for id_, entry in self._cache.nodes.items() if entry.status is not None}

    async def _ids_at(self, namespace: str, revision: int) -> set[str]:
        """Return the ids of the containers that had a spec at a revision.

        Raises:
            Compacted: the store does not know any more.
        """
        listing = await self._kv.list(keys.PREFIX + "containers/", revision=revision)
        found = (keys.parse(entry.key) for entry in listing.entries)
        return {
            key.id
            for key in found
            if isinstance(key, ContainerKey) and key.part is ContainerPart.SPEC and key.namespace == namespace
        }


def _filters(request: ListContainersRequest) -> list[Filter]:
    """Return all filters of a request, however they are said.

    Raises:
        InvalidSpec: one of them is malformed, or they are too many.
    """
    texts = [*(f"label={label}" for label in request.labels), *request.filters]
    filters = parsed(texts, parse_filter)
    return [*filters, Filter("node", request.node)] if request.node else filters


def _token(after: Place) -> str:
    return f"{after[0]}.{after[1]}"


def _place_in(token: str) -> Place:
    if not token:
        return _FIRST
    revision, dot, container = token.partition(".")
    if not dot or not (revision.isascii() and revision.isdigit()):
        raise InvalidSpec(f'page token "{token[:80]}" is not one (use next_page_token of the page before, unchanged)')
    return int(revision), container
