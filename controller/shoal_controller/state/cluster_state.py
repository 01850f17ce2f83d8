"""The cluster's state in memory: entries and events in, objects and indexes out. No I/O and no waiting."""

from __future__ import annotations

import logging
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, TypeVar

from google.protobuf.message import Message

from shoal_common.errors import Internal
from shoal_controller.state import keys
from shoal_controller.state.changes import Change
from shoal_controller.state.deltas import Delta
from shoal_controller.state.keys import ContainerPart, NodePart, VolumePart
from shoal_controller.state.kv import Batch, Entry, Event
from shoal_controller.state.store import ContainerEntry, NodeEntry, Stored, VolumeEntry, decode, decode_id
from shoal_proto.v1.cluster_pb2 import Cluster, ClusterPolicy, Controller, JoinToken, Leader, Revocation
from shoal_proto.v1.container_pb2 import ContainerPlacement, ContainerSpec, ContainerStatus, Tombstone
from shoal_proto.v1.node_pb2 import Hold, NodeLedger, NodeSession, NodeSpec, NodeStatus
from shoal_proto.v1.volume_pb2 import VolumePlacement, VolumeSpec

P = TypeVar("P", bound=Message)
K = TypeVar("K")
V = TypeVar("V")
E = TypeVar("E", ContainerEntry, NodeEntry)

_log: Final = logging.getLogger(__name__)
_NOBODY: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class _Write:
    """One key's newest value; None: it was deleted."""

    key: str
    value: bytes | None
    revision: int
    create_revision: int

    def of(self, type_: type[P]) -> Stored[P] | None:
        if self.value is None:
            return None
        return Stored(decode(type_, self.key, self.value), self.revision, self.create_revision)

    def id(self) -> Stored[str] | None:
        if self.value is None:
            return None
        return Stored(decode_id(self.key, self.value), self.revision, self.create_revision)


@dataclass(slots=True)
class _Touched:
    """What one revision wrote: containers and nodes with what they were before."""

    containers: dict[str, ContainerEntry | None] = field(default_factory=dict)
    nodes: dict[str, NodeEntry | None] = field(default_factory=dict)
    tombstones: list[tuple[str, str]] = field(default_factory=list)
    controllers: list[str] = field(default_factory=list)
    revoked: list[tuple[str, str]] = field(default_factory=list)
    volumes: set[str] = field(default_factory=set)
    membership: bool = False
    everything: bool = False


class ClusterState:
    """Every object below `keys.PREFIX` as of one revision, with the indexes that lists need."""

    def __init__(self) -> None:
        self.revision = 0
        self.cluster: Stored[Cluster] | None = None
        self.leader: Stored[Leader] | None = None
        self.policy: Stored[ClusterPolicy] | None = None
        self._containers: dict[str, ContainerEntry] = {}
        self._nodes: dict[str, NodeEntry] = {}
        self._volumes: dict[str, VolumeEntry] = {}
        self._names: dict[tuple[str, str, str], Stored[str]] = {}
        self._addresses: dict[tuple[str, str], Stored[str]] = {}
        self._tombstones: dict[tuple[str, str], Stored[Tombstone]] = {}
        self._tokens: dict[str, Stored[JoinToken]] = {}
        self._controllers: dict[str, Stored[Controller]] = {}
        self._revoked: dict[tuple[str, str], Stored[Revocation]] = {}
        #: Nodes that hold each container.
        self._holders: dict[str, frozenset[str]] = {}
        #: Ids of containers, sorted, for look-ups by the beginning of an id.
        self._sorted_ids: list[str] = []
        self.containers: Mapping[str, ContainerEntry] = MappingProxyType(self._containers)
        self.nodes: Mapping[str, NodeEntry] = MappingProxyType(self._nodes)
        self.volumes: Mapping[str, VolumeEntry] = MappingProxyType(self._volumes)
        self.names: Mapping[tuple[str, str, str], Stored[str]] = MappingProxyType(self._names)
        self.addresses: Mapping[tuple[str, str], Stored[str]] = MappingProxyType(self._addresses)
        self.tombstones: Mapping[tuple[str, str], Stored[Tombstone]] = MappingProxyType(self._tombstones)
        self.tokens: Mapping[str, Stored[JoinToken]] = MappingProxyType(self._tokens)
        #: Controllers that run, by the name of their process.
        self.controllers: Mapping[str, Stored[Controller]] = MappingProxyType(self._controllers)
        #: Whose certificates count no more, by role and id.
        self.revoked: Mapping[tuple[str, str], Stored[Revocation]] = MappingProxyType(self._revoked)

    def load(self, entries: Iterable[Entry]) -> None:
        """Add a part of a listing to an empty state; set `revision` when all of it is in."""
        touched = _Touched()
        for entry in entries:
            self._accept(_Write(entry.key, entry.value, entry.mod_revision, entry.create_revision), touched)

    def apply(self, batch: Batch, *, observe: Callable[[Delta], None] | None = None) -> Change:
        """Apply one revision and return what it changed.

        Args:
            observe: told what everything was before, and is now.
        """
        touched = _Touched()
        leader, cluster = self.leader, self.cluster
        known = {key.id for event in batch.events if isinstance(key := keys.parse(event.key), keys.ContainerKey)}
        known &= self._containers.keys()
        for event in batch.events:
            self._accept(_as_write(event), touched)
        self.revision = batch.revision
        if observe is not None and batch.events:
            observe(self._delta(touched, leader, cluster))
        present = frozenset(container for container in touched.containers if container in self._containers)
        return Change(
            batch.revision,
            containers=present,
            nodes=frozenset(touched.nodes),
            removed_containers=frozenset(known - present),
            membership=touched.membership,
            everything=touched.everything,
            volumes=frozenset(touched.volumes),
        )

    def since(self, older: ClusterState) -> Delta:
        """Return what became of an older state, as far as both of them tell: what turned twice between is not seen."""
        touched = _Touched(
            containers=_differing(older.containers, self.containers),
            nodes=_differing(older.nodes, self.nodes),
            tombstones=[key for key in self.tombstones if key not in older.tombstones],
            controllers=[name for name in self.controllers if name not in older.controllers],
            revoked=[key for key in self.revoked if key not in older.revoked],
        )
        return self._delta(touched, older.leader, older.cluster)

    def _delta(self, touched: _Touched, leader: Stored[Leader] | None, cluster: Stored[Cluster] | None) -> Delta:
        tombstones = (self._tombstones.get(key) for key in touched.tombstones)
        controllers = (self._controllers.get(name) for name in touched.controllers)
        revoked = (self._revoked.get(key) for key in touched.revoked)
        return Delta(
            self.revision,
            containers=tuple((before, self._containers.get(id_)) for id_, before in touched.containers.items()),
            nodes=tuple((before, self._nodes.get(id_)) for id_, before in touched.nodes.items()),
            tombstones=tuple(each.value for each in tombstones if each is not None),
            controllers=tuple(each.value for each in controllers if each is not None),
            revoked=tuple(each.value for each in revoked if each is not None),
            leader=(leader, self.leader),
            cluster=(cluster, self.cluster),
        )

    def holders(self, container: str) -> frozenset[str]:
        """Return the ids of the nodes that hold a container, whatever the role."""
        return self._holders.get(container, _NOBODY)

    def ids_with_prefix(self, prefix: str) -> Iterable[str]:
        """Yield the ids of all containers that begin with `prefix`, sorted."""
        for index in range(bisect_left(self._sorted_ids, prefix), len(self._sorted_ids)):
            if not self._sorted_ids[index].startswith(prefix):
                return
            yield self._sorted_ids[index]

    def _accept(self, write: _Write, touched: _Touched) -> None:
        try:
            self._store(write, touched)
        except Internal as error:
            # One unreadable value must not blind the controller for all others. It counts as absent; no transaction
            # can overwrite it by mistake, since its revision is not 0.
            _log.error("ignoring a value in etcd: %s", error)
            self._store(replace(write, value=None), touched)

    def _store(self, write: _Write, touched: _Touched) -> None:
        match keys.parse(write.key):
            case keys.ContainerKey(namespace, container, part):
                touched.containers.setdefault(container, self._containers.get(container))
                self._store_container(namespace, container, part, write)
            case keys.NodeKey(node, part):
                touched.nodes.setdefault(node, self._nodes.get(node))
                self._store_node(_with_part(self._nodes.get(node, NodeEntry(node)), part, write))
            case keys.HoldKey(node, container):
                touched.nodes.setdefault(node, self._nodes.get(node))
                touched.containers.setdefault(container, self._containers.get(container))
                self._store_hold(node, container, write.of(Hold))
            case keys.VolumeKey(namespace, volume, part):
                touched.volumes.add(volume)
                self._store_volume(namespace, volume, part, write)
            case keys.NameKey(namespace, kind, name):
                _set(self._names, (namespace, kind, name), write.id())
            case keys.AddressKey(network, ip):
                _set(self._addresses, (network, ip), write.id())
            case keys.TombstoneKey(namespace, container):
                touched.tombstones.append((namespace, container))
                _set(self._tombstones, (namespace, container), write.of(Tombstone))
            case keys.TokenKey(token):
                _set(self._tokens, token, write.of(JoinToken))
            case keys.ControllerKey(name):
                touched.membership = True
                touched.controllers.append(name)
                _set(self._controllers, name, write.of(Controller))
            case keys.RevocationKey(role, holder):
                touched.membership = True
                touched.revoked.append((role, holder))
                _set(self._revoked, (role, holder), write.of(Revocation))
            case keys.ClusterKey():
                touched.everything = True
                self.cluster = write.of(Cluster)
            case keys.LeaderKey():
                self.leader = write.of(Leader)
            case keys.PolicyKey():
                self.policy = write.of(ClusterPolicy)
            case None:
                # A newer version's key, while controllers are being upgraded one by one.
                pass

    def _store_container(self, namespace: str, container: str, part: ContainerPart, write: _Write) -> None:
        old = self._containers.get(container)
        entry = old or ContainerEntry(namespace, container)
        match part:
            case ContainerPart.SPEC:
                entry = replace(entry, spec=write.of(ContainerSpec))
            case ContainerPart.PLACEMENT:
                entry = replace(entry, placement=write.of(ContainerPlacement))
            case ContainerPart.STATUS:
                entry = replace(entry, status=write.of(ContainerStatus))
        if entry.spec or entry.placement or entry.status:
            self._containers[container] = entry
            if old is None:
                insort(self._sorted_ids, container)
        elif old is not None:
            del self._containers[container]
            del self._sorted_ids[bisect_left(self._sorted_ids, container)]

    def _store_volume(self, namespace: str, volume: str, part: VolumePart, write: _Write) -> None:
        entry = self._volumes.get(volume) or VolumeEntry(namespace, volume)
        match part:
            case VolumePart.SPEC:
                entry = replace(entry, spec=write.of(VolumeSpec))
            case VolumePart.PLACEMENT:
                entry = replace(entry, placement=write.of(VolumePlacement))
        _set(self._volumes, volume, entry if entry.spec or entry.placement else None)

    def _store_hold(self, node: str, container: str, hold: Stored[Hold] | None) -> None:
        entry = self._nodes.get(node, NodeEntry(node))
        holds = dict(entry.holds)
        _set(holds, container, hold)
        holders = self.holders(container)
        holders = holders - {node} if hold is None else holders | {node}
        _set(self._holders, container, holders or None)
        self._store_node(replace(entry, holds=holds))

    def _store_node(self, entry: NodeEntry) -> None:
        if entry.spec or entry.session or entry.status or entry.ledger or entry.holds:
            self._nodes[entry.id] = entry
        else:
            self._nodes.pop(entry.id, None)


def _with_part(entry: NodeEntry, part: NodePart, write: _Write) -> NodeEntry:
    match part:
        case NodePart.SPEC:
            return replace(entry, spec=write.of(NodeSpec))
        case NodePart.SESSION:
            return replace(entry, session=write.of(NodeSession))
        case NodePart.STATUS:
            return replace(entry, status=write.of(NodeStatus))
        case NodePart.LEDGER:
            return replace(entry, ledger=write.of(NodeLedger))


def _differing(older: Mapping[str, E], newer: Mapping[str, E]) -> dict[str, E | None]:
    """Return, by id, what those were before of which another revision is there now."""
    found: dict[str, E | None] = {id_: entry for id_, entry in older.items() if id_ not in newer}
    for id_, entry in newer.items():
        before = older.get(id_)
        if before is None or _revisions(before) != _revisions(entry):
            found[id_] = before
    return found


def _revisions(entry: ContainerEntry | NodeEntry) -> tuple[int, ...]:
    second = entry.placement if isinstance(entry, ContainerEntry) else entry.session
    return tuple(0 if part is None else part.revision for part in (entry.spec, second, entry.status))


def _as_write(event: Event) -> _Write:
    return _Write(event.key, event.value, event.mod_revision, event.create_revision)


def _set(where: dict[K, V], key: K, value: V | None) -> None:
    if value is None:
        where.pop(key, None)
    else:
        where[key] = value
