"""Bringing back a cluster whose store was emptied, restored or replaced: its nodes say what there is."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import AsyncGenerator, Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from shoal_common.errors import Conflict, InvalidSpec, NotLeader, Unavailable
from shoal_common.messages import copied
from shoal_common.sealing import Sealer
from shoal_controller.api.streams.relay import Agents
from shoal_controller.core.adoption import Adopted, Adoption, Found, Inventories, Outcome, World, plan_adoption
from shoal_controller.core.snapshot import DEFAULT_NETWORK
from shoal_controller.core.store_health import ACCEPT_RESTORE, FROM_NODES, horizon
from shoal_controller.initialise import check_subnet
from shoal_controller.leader.loop import Leader
from shoal_controller.recovery.health import StoreHealth
from shoal_controller.recovery.importing import Importer
from shoal_controller.recovery.inventory import inventory
from shoal_controller.recovery.roll import Present, Roll
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.kv import KV, MAX_TXN, CompareFailed, OutcomeUnknown, Txn
from shoal_controller.state.leadership import Leadership
from shoal_controller.state.store import SCHEMA, encode
from shoal_proto.v1.cluster_pb2 import Cluster, RecoverClusterRequest, RecoverClusterResponse, RecoverySource

_log: Final = logging.getLogger(__name__)

#: Seconds that nodes are waited for, unless asked otherwise, and at most.
_WAIT: Final = 30
_LONGEST_WAIT: Final = 3600
#: Nodes that are asked at a time, and notes that are told.
_AT_ONCE: Final = 16
_NOTES: Final = 50
#: Times that the cluster's own object is written against others.
_ATTEMPTS: Final = 5


class Recovery:
    """Serves `RecoverCluster`, on the leader; and takes over one node's part that came late.

    Args:
        leader: of this controller.
        agents: connections to nodes.
    """

    def __init__(self, kv: KV, cache: ClusterCache, sealer: Sealer, health: StoreHealth, agents: Agents) -> None:
        self._kv = kv
        self._cache = cache
        self._health = health
        self._agents = agents
        self._importer = Importer(kv, cache, sealer)
        self._running = asyncio.Lock()
        self.leader: Leader | None = None

    async def recover(self, request: RecoverClusterRequest) -> AsyncGenerator[RecoverClusterResponse, None]:
        """Bring the cluster back, telling how far it is. Broken off and begun again, it ends the same.

        Raises:
            Conflict: the store is well, or the other way to recover is the one.
            NotLeader: another controller leads.
            Unavailable: nodes or the store don't answer.
        """
        if self._running.locked():
            raise Conflict("a recovery is under way already (see: shoal cluster info)")
        async with self._running:
            leadership, roll = self._leading()
            self._check(request)
            present = await self._muster(request, roll)
            names = {node: each.description.name or node[:12] for node, each in present.items()}
            yield _said(f"{len(present)} nodes are there: {', '.join(names.values())}")
            found = await self._ask(present.values())
            yield _said(f"They have {len({each.assignment.id for each in found})} containers")
            if self._foreign():
                yield _said(f"Clearing what etcd has of {self._foreign()}")
                await self._wipe(leadership)
            epoch = await self._begin(request, present, found, leadership)
            yield _said(f"The cluster is at epoch {epoch} now, and takes over what its nodes have")
            await self._importer.admit(
                {node: each.description for node, each in present.items()}, leadership=leadership
            )
            done, refused = await self._importer.adopt(
                lambda world: self._plan(world, present, found), leadership=leadership
            )
            for line in _notes(done, refused):
                yield _said(line)
            await self._importer.call_down(frozenset(self._cache.nodes) - present.keys(), leadership=leadership)
            for node in present:
                self._health.account_for(node)
            await self._end(leadership)
            adopted = sum(each.outcome is Outcome.ADOPTED for each in done.values())
            missing = sum(each.outcome is Outcome.LOST for each in done.values())
            yield RecoverClusterResponse(
                message=f"The cluster is back: {len(present)} nodes, {adopted} containers adopted, {missing} lost",
                done=True,
                nodes=len(present),
                adopted=adopted,
                missing=missing,
            )

    async def reconcile(self, node: Present) -> None:
        """Take over what a node has that was away when the cluster was recovered, before it is told anything.

        Raises:
            Unavailable: the node or the store does not answer.
            NotLeader: this controller does not lead any more.
        """
        leadership = self.leader.term if self.leader is not None else None
        if leadership is None:
            raise NotLeader("this controller does not lead (try again)")
        found = await self._ask([node])
        await self._importer.adopt(lambda world: self._plan(world, {node.node: node}, found), leadership=leadership)
        _log.info("took over what node %s has, which had followed epoch %d", node.node, node.epoch)

    # Inside.

    def _leading(self) -> tuple[Leadership, Roll]:
        leadership = self.leader.term if self.leader is not None else None
        if self.leader is None or leadership is None or not leadership.valid():
            address = "" if self._cache.leader is None else self._cache.leader.value.address
            raise NotLeader(
                f"this controller does not lead{f', {address} does' if address else ''} (try again)",
                metadata={"leader": address} if address else {},
            )
        if not self._health.problem:
            raise Conflict("the store is well: there is nothing to recover (shoal cluster info)")
        if self.leader.roll is None:
            raise Unavailable("the leader is about to see that the store has lost something (try again)")
        return leadership, self.leader.roll

    def _foreign(self) -> str:
        """Return how to call the other cluster whose store this is; empty if it isn't."""
        cluster = self._cache.cluster
        if cluster is None or cluster.value.id == self._health.cluster:
            return ""
        return f"cluster {cluster.value.id}"

    def _check(self, request: RecoverClusterRequest) -> None:
        if request.source not in (RecoverySource.RECOVERY_SOURCE_NODES, RecoverySource.RECOVERY_SOURCE_RESTORED):
            raise InvalidSpec(f"it must be said from what to recover (use: {FROM_NODES}, or {ACCEPT_RESTORE})")
        if request.wait_seconds > _LONGEST_WAIT:
            raise InvalidSpec(f"{request.wait_seconds} s is too long to wait for nodes (use up to {_LONGEST_WAIT})")
        restored = self._cache.cluster is not None and not self._foreign()
        if request.source == RecoverySource.RECOVERY_SOURCE_RESTORED and not restored:
            what = self._foreign() or "nothing"
            raise Conflict(
                f"etcd holds {what}, not a restored state of cluster {self._health.cluster} (restore a snapshot into "
                f"it first, or use: {FROM_NODES})"
            )

    async def _muster(self, request: RecoverClusterRequest, roll: Roll) -> Mapping[str, Present]:
        """Wait for nodes."""
        known = frozenset() if self._foreign() else self._members()
        seconds = request.wait_seconds or _WAIT

        def enough(present: Mapping[str, Present]) -> bool:
            if request.nodes:
                return len(present) >= request.nodes
            return bool(known) and known <= present.keys()

        present = await roll.until(enough, seconds=seconds)
        if not present:
            raise Unavailable(
                f"no node asked to be let in within {seconds} s (are agents running? try a longer --wait)"
            )
        if request.nodes and not enough(present):
            there = ", ".join(each.description.name for each in present.values())
            raise Unavailable(
                f"{len(present)} of {request.nodes} nodes are there within {seconds} s: {there} (wait longer, or go on "
                f"with these: --nodes {len(present)})"
            )
        if known and not request.nodes and (away := known - present.keys()):
            names = ", ".join(sorted(self._name(node) for node in away))
            raise Unavailable(
                f"not there within {seconds} s: {names} (start their agents, wait longer, or go on with the "
                f"{len(present)} that are there: --nodes {len(present)}; the others are taken over when they come)"
            )
        return present

    def _members(self) -> frozenset[str]:
        return frozenset(node for node, entry in self._cache.nodes.items() if entry.spec is not None)

    def _name(self, node: str) -> str:
        entry = self._cache.nodes.get(node)
        return entry.spec.value.name if entry is not None and entry.spec is not None else node

    async def _ask(self, nodes: Iterable[Present]) -> list[Found]:
        """Return everything that these nodes have."""
        turns = asyncio.Semaphore(_AT_ONCE)

        async def ask(present: Present) -> list[Found]:
            description = present.description
            async with turns:
                agent = self._agents.at(present.node, description.name or present.node[:12], description.address)
                return await inventory(present.node, agent)

        tasks = [asyncio.create_task(ask(each), name=f"inventory-{each.node[:12]}") for each in nodes]
        try:
            return [found for each in await asyncio.gather(*tasks) for found in each]
        finally:
            for task in tasks:
                task.cancel()

    def _plan(self, world: World, present: Mapping[str, Present], found: list[Found]) -> Adoption:
        cluster = self._cache.cluster
        if cluster is None:
            raise Unavailable("the cluster's own object went away while it was being recovered (begin again)")
        horizons = {
            node: horizon(
                epoch=cluster.value.epoch,
                cluster_revision=cluster.revision,
                recovering=cluster.value.recovering,
                followed_epoch=each.epoch,
                followed_revision=each.revision,
            )
            for node, each in present.items()
        }
        inventories = Inventories(
            found,
            horizons,
            complete=frozenset(present),
            whole=self._members() <= present.keys(),
            cluster_wide=cluster.value.recovering,
            own_only=not cluster.value.recovering,
        )
        now = Timestamp()
        now.FromDatetime(datetime.now(UTC))
        return plan_adoption(world, inventories, now)

    async def _begin(
        self,
        request: RecoverClusterRequest,
        present: Mapping[str, Present],
        found: list[Found],
        leadership: Leadership,
    ) -> int:
        """Write that a recovery is under way, at an epoch above all that is known, and return that."""
        followed = max(each.epoch for each in present.values())
        for _ in range(_ATTEMPTS):
            stored = self._cache.cluster
            cluster = Cluster(schema=SCHEMA, id=self._health.cluster)
            if stored is not None:
                cluster.CopyFrom(stored.value)
                if cluster.recovering and cluster.epoch > followed and not self._health.suspects(cluster.epoch):
                    return cluster.epoch  # It was broken off after this.
            else:
                cluster.subnet = _subnet(request.subnet, found)
                cluster.created_at.FromDatetime(datetime.now(UTC))
            cluster.epoch = max(self._health.newest_epoch, followed) + 1
            cluster.recovering = True
            if await self._put_cluster(cluster, stored.revision if stored is not None else 0, leadership):
                return cluster.epoch
        raise Unavailable("others write the cluster's own object all the time (begin again)")

    async def _end(self, leadership: Leadership) -> None:
        for _ in range(_ATTEMPTS):
            stored = self._cache.cluster
            if stored is None or not stored.value.recovering:
                return
            cluster = copied(stored.value)
            cluster.recovering = False
            if await self._put_cluster(cluster, stored.revision, leadership):
                return
        raise Unavailable("others write the cluster's own object all the time (begin again)")

    async def _put_cluster(self, cluster: Cluster, expect: int, leadership: Leadership) -> bool:
        txn = Txn()
        txn.fence(leadership)
        txn.put(keys.cluster(), encode(cluster), expect=expect)
        try:
            await self._cache.reached(await self._kv.commit(txn))
        except CompareFailed as error:
            if keys.leader() in error.keys:
                raise NotLeader("another controller leads (begin again there)") from error
            await self._cache.reached(error.revision)
            return False
        except OutcomeUnknown:
            await self._cache.reached((await self._kv.get(keys.cluster()))[0])
            return False
        return True

    async def _wipe(self, leadership: Leadership) -> None:
        """Delete everything of another cluster, its own object last: broken off, it is still known as another's."""
        spared = (keys.leader(), f"{keys.PREFIX}controllers/")
        while True:
            listing = await self._kv.list(keys.PREFIX)
            doomed = [entry for entry in listing.entries if not entry.key.startswith(spared)]
            doomed.sort(key=lambda entry: entry.key == keys.cluster())
            if not doomed:
                await self._cache.reached(listing.revision)
                return
            txn = Txn()
            txn.fence(leadership)
            for entry in doomed[: MAX_TXN - 1]:
                txn.delete(entry.key, expect=entry.mod_revision)
            try:
                await self._kv.commit(txn)
            except (CompareFailed, OutcomeUnknown) as error:
                if isinstance(error, CompareFailed) and keys.leader() in error.keys:
                    raise NotLeader("another controller leads (begin again there)") from error


def _said(message: str) -> RecoverClusterResponse:
    return RecoverClusterResponse(message=message)


def _notes(done: Mapping[str, Adopted], refused: Mapping[str, str]) -> list[str]:
    lines = [f'Container {id_[:12]} "{each.spec.name}": {each.note}' for id_, each in done.items() if each.note]
    lines += [f"Container {id_[:12]} is left alone: {why}" for id_, why in refused.items()]
    if len(lines) > _NOTES:
        lines = [*lines[:_NOTES], f"... and {len(lines) - _NOTES} more of that kind (shoal ps -a)"]
    return lines


def _subnet(asked: str, found: Iterable[Found]) -> str:
    """Return the flat network's subnet, from the addresses that containers have or as it was asked.

    Raises:
        InvalidSpec: it can't be told, or is another.
    """
    seen = {
        str(ipaddress.ip_network(f"{address.ip}/{address.prefix_length}", strict=False))
        for each in found
        for address in each.assignment.addresses
        if address.network == DEFAULT_NETWORK and address.ip
    }
    if asked:
        seen.add(check_subnet(asked))
    if len(seen) != 1:
        what = f"more than one is in use: {', '.join(sorted(seen))}" if seen else "no container has an address"
        raise InvalidSpec(
            f"the subnet of the cluster's containers can't be told, {what} (say it: --subnet 10.88.0.0/16)"
        )
    return check_subnet(seen.pop())
