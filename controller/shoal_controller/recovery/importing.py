"""From a plan of adoption to transactions: bounded, with all compares, until nothing is left to write."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, TypeVar

from google.protobuf.message import Message

from shoal_common.containers.environment import seal_env, unseal_env
from shoal_common.errors import Conflict, Internal, InvalidSpec, Unavailable
from shoal_common.ids import DEFAULT_NAMESPACE, SHORT_ID, check_name
from shoal_common.messages import copied
from shoal_common.sealing import Sealer
from shoal_controller.core.adoption import Adopted, Adoption, Known, World
from shoal_controller.core.snapshot import NOTHING
from shoal_controller.leader.projection import amounts
from shoal_controller.leader.volume_draft import VolumeDraft
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.kv import KV, MAX_TXN, CompareFailed, OutcomeUnknown
from shoal_controller.state.leadership import Leadership
from shoal_controller.state.store import SCHEMA, ContainerEntry, Stored
from shoal_proto.v1.container_pb2 import ContainerSpec
from shoal_proto.v1.node_pb2 import Hold, HoldRole, NodeDescription, NodeSpec, NodeState

M = TypeVar("M", bound=Message)

_log: Final = logging.getLogger(__name__)

#: Bytes of values in one transaction: etcd takes 1.5 MiB in a request.
_BYTES: Final = 512 << 10
#: Transactions refused in a row after which somebody else has to look.
_PATIENCE: Final = 20
_NODE: Final = "node"


def world_of(cache: ClusterCache, sealer: Sealer) -> World:
    """Return what the store has, as the core sees it."""
    holds: dict[str, dict[str, Hold]] = {}
    for node in cache.nodes.values():
        for container, hold in node.holds.items():
            holds.setdefault(container, {})[node.id] = hold.value
    return World(
        subnet=cache.cluster.value.subnet if cache.cluster is not None else "",
        containers={container: _known(entry, sealer) for container, entry in cache.containers.items()},
        holds=holds,
        names={(space, name): id_.value for (space, kind, name), id_ in cache.names.items() if kind == "container"},
        addresses={key: id_.value for key, id_ in cache.addresses.items()},
        tombstones=frozenset(cache.tombstones),
    )


def _known(entry: ContainerEntry, sealer: Sealer) -> Known:
    spec = None
    if entry.spec is not None:
        spec = copied(entry.spec.value)
        spec.config.env[:] = _opened(sealer, entry.spec.value)
        spec.ClearField("sealed_env")
    return Known(
        spec=spec,
        placement=entry.placement.value if entry.placement is not None else None,
        status=entry.status.value if entry.status is not None else None,
        spec_revision=entry.spec.revision if entry.spec is not None else 0,
        placement_revision=entry.placement.revision if entry.placement is not None else 0,
    )


def _opened(sealer: Sealer, spec: ContainerSpec) -> list[str]:
    try:
        return unseal_env(sealer, spec.id, spec.sealed_env)
    except Internal as error:
        _log.warning("environment of container %s in etcd: %s", spec.id, error)
        return []


class Importer:
    """Writes adoptions.

    Args:
        sealer: with the cluster's key.
    """

    def __init__(self, kv: KV, cache: ClusterCache, sealer: Sealer) -> None:
        self._kv = kv
        self._cache = cache
        self._sealer = sealer

    async def adopt(
        self, plan: Callable[[World], Adoption], *, leadership: Leadership | None
    ) -> tuple[Mapping[str, Adopted], Mapping[str, str]]:
        """Write what a plan says, planning anew after each transaction, until nothing is left to write.

        Broken off anywhere and begun again, it ends the same: what was written is what the next plan finds.

        Args:
            plan: from the store as it is.
            leadership: that fences each transaction; None for what is not a leader's.

        Returns:
            What became of each container, and why some were refused.

        Raises:
            Unavailable: the store does not answer, or others write the same all the time.
            NotLeader: the term is over.
        """
        done: dict[str, Adopted] = {}
        refusals = 0
        while True:
            adoption = plan(world_of(self._cache, self._sealer))
            for adopted in adoption.containers:
                done.setdefault(adopted.id, adopted)
            draft = AdoptionDraft(self._cache, now=datetime.now(UTC))
            for adopted in adoption.containers:
                if draft.is_full_for(adopted):
                    break
                draft.adopt(adopted, adoption, self._sealer)
            if not draft.writes:
                return done, adoption.refused
            try:
                await self._cache.reached(await self._kv.commit(draft.txn(leadership)))
                refusals = 0
            except (CompareFailed, OutcomeUnknown) as error:
                refusals += 1
                if refusals >= _PATIENCE:
                    raise Unavailable(
                        f"others write what is being adopted all the time (try again): {error}"
                    ) from error
                await self._cache.reached(
                    error.revision if isinstance(error, CompareFailed) else (await self._kv.get(keys.cluster()))[0]
                )

    async def admit(self, nodes: Mapping[str, NodeDescription], *, leadership: Leadership) -> None:
        """Make nodes the cluster's that the store does not know: their certificates say that they are.

        Raises:
            Unavailable: the store does not answer.
            NotLeader: the term is over.
        """
        for node, description in nodes.items():
            while True:
                draft = AdoptionDraft(self._cache, now=datetime.now(UTC))
                draft.admit(node, description)
                if not draft.writes:
                    break
                try:
                    await self._cache.reached(await self._kv.commit(draft.txn(leadership)))
                except CompareFailed as error:
                    await self._cache.reached(error.revision)
                except OutcomeUnknown:
                    await self._cache.reached((await self._kv.get(keys.cluster()))[0])

    async def call_down(self, nodes: frozenset[str], *, leadership: Leadership) -> None:
        """Note that nodes which the store thinks ready have not been heard of.

        Raises:
            Unavailable: the store does not answer.
            CompareFailed: somebody else writes.
            NotLeader: the term is over.
        """
        draft = AdoptionDraft(self._cache, now=datetime.now(UTC))
        for node in sorted(nodes):
            draft.set_state(node, NodeState.NODE_STATE_DOWN, reason="not heard of since the cluster was recovered")
            if draft.full:
                await self._cache.reached(await self._kv.commit(draft.txn(leadership)))
                draft = AdoptionDraft(self._cache, now=datetime.now(UTC))
        if draft.writes:
            await self._cache.reached(await self._kv.commit(draft.txn(leadership)))


def _node_name(node: str, description: NodeDescription) -> str:
    """Return the name that a node says it has, if that is one."""
    try:
        return check_name(_NODE, description.name)
    except InvalidSpec:
        return node[:SHORT_ID]


class AdoptionDraft(VolumeDraft):
    """A transaction that makes what nodes have the store's."""

    def is_full_for(self, adopted: Adopted) -> bool:
        """Say whether what one container takes might not fit any more."""
        addresses = len(adopted.placement.addresses) if adopted.placement is not None else 0
        most = 8 + 2 * addresses + 2 * len(adopted.holds) + 3 * len(adopted.spec.config.mounts)
        size = sum(len(new) if isinstance(new, str) else new.ByteSize() for new in self._new.values() if new)
        return self.writes and (len(self._expected) + most > MAX_TXN or size > _BYTES)

    def adopt(self, adopted: Adopted, adoption: Adoption, sealer: Sealer) -> None:
        """Add a container, if the store does not have it like this already."""
        entry = self._cache.containers.get(adopted.id) or ContainerEntry(adopted.spec.namespace, adopted.id)
        before = dict(self._new)
        namespace = entry.namespace
        self._differ(keys.container_spec(namespace, adopted.id), entry.spec, self._sealed(adopted, entry, sealer))
        if adopted.placement is not None:
            self._differ(keys.container_placement(namespace, adopted.id), entry.placement, adopted.placement)
        if adopted.status is not None:
            self._differ(keys.container_status(namespace, adopted.id), entry.status, adopted.status)
        for node, hold in adopted.holds.items():
            stored = self._node(node).holds.get(adopted.id)
            was = amounts(stored.value.reserved) if stored is not None else amounts(Hold().reserved)
            if stored is None or stored.value != hold:
                self._put(keys.hold(node, adopted.id), stored, hold)
                self._book(node, amounts(hold.reserved) - was)
        self._claim(adopted, entry, adoption)
        if adopted.placement is not None and not adopted.placement.HasField("lost_at"):
            self.adopt_volumes(adopted.spec, adopted.placement.node)
        if self._new != before:
            # A recovery that begins meanwhile, or another one's end, makes all of this void.
            self._require(keys.cluster(), self._cache.cluster)

    def admit(self, node: str, description: NodeDescription) -> None:
        """Add a node that the store does not know, under its own name if that is free."""
        entry = self._node(node)
        if entry.spec is not None:
            return
        name = _node_name(node, description)
        taken = self._cache.names.get((DEFAULT_NAMESPACE, _NODE, name))
        if taken is not None and taken.value != node and self._node(taken.value).spec is not None:
            name = f"{name[:100]}-{node[:6]}"
            taken = self._cache.names.get((DEFAULT_NAMESPACE, _NODE, name))
        self._require(keys.cluster(), self._cache.cluster)
        self._put(keys.node_spec(node), None, NodeSpec(schema=SCHEMA, id=node, name=name, joined_at=self._now))
        self._put(keys.name(DEFAULT_NAMESPACE, _NODE, name), taken, node)

    def remove_stray(self, node: str, namespace: str, container: str, generation: int) -> None:
        """Add the hold that has a node remove what no container of the cluster is.

        Raises:
            Conflict: it has become one of the cluster's meanwhile.
        """
        entry = self._cache.containers.get(container)
        if entry is not None and entry.spec is not None and self._node(node).holds.get(container) is not None:
            raise Conflict("it is a container of the cluster by now (shoal ps -a)")
        stored = self._node(node).holds.get(container)
        hold = Hold(
            schema=SCHEMA,
            namespace=namespace,
            container=container,
            generation=generation,
            role=HoldRole.HOLD_ROLE_REMOVE,
        )
        self._require(keys.cluster(), self._cache.cluster)
        self._put(keys.hold(node, container), stored, hold)
        self._book(node, NOTHING)

    def _sealed(self, adopted: Adopted, entry: ContainerEntry, sealer: Sealer) -> ContainerSpec:
        """Return a spec as it is stored. What is sealed already is not sealed anew: it would differ each time."""
        spec = copied(adopted.spec)
        env = list(spec.config.env)
        spec.config.ClearField("env")
        stored = entry.spec.value if entry.spec is not None else None
        if stored is not None and (not env or _opened(sealer, stored) == env):
            spec.sealed_env = stored.sealed_env
        else:
            spec.sealed_env = seal_env(sealer, spec.id, env)
        return spec

    def _claim(self, adopted: Adopted, entry: ContainerEntry, adoption: Adoption) -> None:
        """Take the names and addresses that are this container's, and give up those that it had."""
        namespace, container = entry.namespace, adopted.id
        wanted: dict[str, Stored[str] | None] = {}
        for (space, name), owner in adoption.names.items():
            if owner == container:
                wanted[keys.name(space, "container", name)] = self._cache.names.get((space, "container", name))
        for (network, ip), owner in adoption.addresses.items():
            if owner == container:
                wanted[keys.address(network, ip)] = self._cache.addresses.get((network, ip))
        for key, stored in wanted.items():
            if stored is None or stored.value != container:
                self._put(key, stored, container)
        had: dict[str, Stored[str] | None] = {}
        if entry.spec is not None and entry.spec.value.name != adopted.spec.name:
            name = entry.spec.value.name
            had[keys.name(namespace, "container", name)] = self._cache.names.get((namespace, "container", name))
        for address in entry.placement.value.addresses if entry.placement is not None else ():
            had[keys.address(address.network, address.ip)] = self._cache.addresses.get((address.network, address.ip))
        for key, stored in had.items():
            if key not in wanted and key not in self._new and stored is not None and stored.value == container:
                self._put(key, stored, None)

    def _differ(self, key: str, stored: Stored[M] | None, new: M) -> None:
        if stored is None or stored.value != new:
            self._put(key, stored, new)
        else:
            self._require(key, stored)
