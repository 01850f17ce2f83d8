"""What a node has that no hold of the cluster names: listed, made the cluster's again, or removed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from shoal_common.errors import InvalidSpec, NotFound, ShoalError, Unavailable
from shoal_common.ids import DEFAULT_NAMESPACE, SHORT_ID
from shoal_common.sealing import Sealer
from shoal_controller.api.streams.relay import Agents
from shoal_controller.api.views import node_name
from shoal_controller.core.adoption import Adoption, Found, Inventories, World, plan_adoption
from shoal_controller.recovery.health import StoreHealth
from shoal_controller.recovery.importing import AdoptionDraft, Importer
from shoal_controller.recovery.inventory import inventory
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.kv import KV, CompareFailed, OutcomeUnknown
from shoal_controller.state.store import NodeEntry
from shoal_proto.v1.node_pb2 import (
    ListStraysRequest,
    ListStraysResponse,
    ResolvedStray,
    ResolveStraysRequest,
    ResolveStraysResponse,
    Stray,
    StrayAction,
)

#: Times that a hold is written against others.
_ATTEMPTS = 10


class Strays:
    """Serves `ListStrays` and `ResolveStrays`."""

    def __init__(self, kv: KV, cache: ClusterCache, sealer: Sealer, health: StoreHealth, agents: Agents) -> None:
        self._kv = kv
        self._cache = cache
        self._health = health
        self._agents = agents
        self._importer = Importer(kv, cache, sealer)

    async def list(self, request: ListStraysRequest) -> ListStraysResponse:
        """Return the strays of a node.

        Raises:
            NotFound: there is no such node.
            Unavailable: it does not answer.
        """
        entry = self._cache.resolve_node(request.ref)
        ids, found = await self._ask(entry)
        return ListStraysResponse(strays=[_stray(id_, found.get(id_)) for id_ in ids])

    async def resolve(self, request: ResolveStraysRequest) -> ResolveStraysResponse:
        """Adopt or remove strays; what went wrong with one is told, and holds up none of the others.

        Raises:
            NotFound: there is no such node, or an id is no stray's.
            InvalidSpec: it isn't said what to do, or the beginning of an id fits several.
            Conflict: the cluster is to be recovered first.
            Unavailable: the node or the store does not answer.
        """
        if request.action not in (StrayAction.STRAY_ACTION_ADOPT, StrayAction.STRAY_ACTION_REMOVE):
            raise InvalidSpec("it isn't said what to do with strays (use --adopt or --rm)")
        self._health.check()
        entry = self._cache.resolve_node(request.ref)
        ids, found = await self._ask(entry)
        chosen = _chosen(node_name(entry), ids, request.ids)
        if request.action == StrayAction.STRAY_ACTION_ADOPT:
            errors = await self._adopt(entry, {id_: found.get(id_) for id_ in chosen})
        else:
            errors = {id_: await self._remove(entry, id_, found.get(id_)) for id_ in chosen}
        names = {id_: copy.assignment.name for id_, copy in found.items()}
        for id_ in chosen:
            stored = self._cache.containers.get(id_)
            if stored is not None and stored.spec is not None:
                names[id_] = stored.spec.value.name
        return ResolveStraysResponse(
            strays=[ResolvedStray(id=id_, name=names.get(id_, ""), error=errors.get(id_, "")) for id_ in chosen]
        )

    async def _ask(self, entry: NodeEntry) -> tuple[Sequence[str], dict[str, Found]]:
        """Return the ids of a node's strays as the cluster sees it now, and those that can be told about."""
        told = set(entry.status.value.strays) if entry.status is not None else set()
        if not told:
            return (), {}
        agent = self._agents.agent(entry, "its strays can't be looked at")
        items = {copy.assignment.id: copy for copy in await inventory(entry.id, agent, sorted(told))}
        held = (self._cache.nodes.get(entry.id) or entry).holds
        return sorted(told - held.keys()), {id_: copy for id_, copy in items.items() if id_ not in held}

    async def _adopt(self, entry: NodeEntry, chosen: dict[str, Found | None]) -> dict[str, str]:
        found = [copy for copy in chosen.values() if copy is not None]
        errors = {id_: "its node has no record of it that can be read" for id_, copy in chosen.items() if copy is None}

        def plan(world: World) -> Adoption:
            now = Timestamp()
            now.FromDatetime(datetime.now(UTC))
            # What it was told last is from before it became a stray: what the store wrote since is news to it.
            horizon = self._cache.cluster.revision if self._cache.cluster is not None else 0
            return plan_adoption(world, Inventories(found, {entry.id: horizon}), now)

        _, refused = await self._importer.adopt(plan, leadership=None)
        return errors | dict(refused)

    async def _remove(self, entry: NodeEntry, container: str, copy: Found | None) -> str:
        """Put the hold that tells the node to remove a stray; return what went wrong."""
        namespace = copy.assignment.namespace if copy is not None else DEFAULT_NAMESPACE
        generation = copy.assignment.generation if copy is not None else 1
        for _ in range(_ATTEMPTS):
            draft = AdoptionDraft(self._cache, now=datetime.now(UTC))
            try:
                draft.remove_stray(entry.id, namespace, container, generation)
                if draft.writes:
                    await self._cache.reached(await self._kv.commit(draft.txn(None)))
                return ""
            except CompareFailed as error:
                await self._cache.reached(error.revision)
            except OutcomeUnknown:
                await self._cache.reached((await self._kv.get(keys.cluster()))[0])
            except ShoalError as error:
                return error.message
        return Unavailable("others write the same all the time (try again)").message


def _chosen(node: str, ids: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Return the strays that are meant: by id or the beginning of it; all if none is named."""
    chosen: list[str] = []
    for ref in wanted:
        fitting = [id_ for id_ in ids if ref and id_.startswith(ref)]
        if not fitting:
            raise NotFound(f'node {node} has no stray "{ref[:80]}" (shoal node strays {node} lists them)')
        if len(fitting) > 1:
            raise InvalidSpec(
                f'"{ref[:80]}" is the beginning of {len(fitting)} strays of node {node} (give more digits)'
            )
        chosen += fitting
    return list(dict.fromkeys(chosen)) if wanted else list(ids)


def _stray(container: str, copy: Found | None) -> Stray:
    if copy is None:
        return Stray(id=container)
    assignment = copy.assignment
    return Stray(
        id=container,
        namespace=assignment.namespace,
        name=assignment.name or container[:SHORT_ID],
        generation=assignment.generation,
        image=assignment.config.image,
        status=copy.status,
    )
