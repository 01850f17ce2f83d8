"""A transaction of the leader while it is made: what each object becomes, and the revisions that are compared.

A draft is filled from one state of the cache, without a wait in between. Several decisions may change the same object
(a ledger, above all): each sees what the ones before it made of it, and the store sees one write.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, TypeVar, cast

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from shoal_common.errors import NotFound
from shoal_common.messages import copied
from shoal_controller.core.snapshot import Amounts
from shoal_controller.leader.projection import amounts
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.kv import MAX_TXN, Txn
from shoal_controller.state.leadership import Leadership
from shoal_controller.state.store import SCHEMA, ContainerEntry, NodeEntry, Stored, encode
from shoal_proto.v1.container_pb2 import ContainerSpec
from shoal_proto.v1.node_pb2 import Hold, NodeLedger, NodeStatus
from shoal_proto.v1.resources_pb2 import Resources

M = TypeVar("M", bound=Message)

#: Keys that one decision or report names at most.
_LARGEST: Final = 12

# What an object becomes: the message or id to put, or None to delete it.
New = Message | str | None


class BaseDraft:
    """A transaction of the leader under construction.

    Args:
        cache: the state on which everything is decided.
        now: for what people read.
        tombstone_lease: under which tombstones are put; 0 if none will be.
    """

    def __init__(self, cache: ClusterCache, *, now: datetime, tombstone_lease: int = 0) -> None:
        self._cache = cache
        self._now = Timestamp()
        self._now.FromDatetime(now)
        self._lease = tombstone_lease
        self._expected: dict[str, int] = {}
        self._new: dict[str, New] = {}
        self._leased: set[str] = set()

    @property
    def full(self) -> bool:
        """Whether another decision might not fit any more."""
        return len(self._expected) + 1 + _LARGEST > MAX_TXN

    def has_room(self, more: int) -> bool:
        """Say whether a decision fits that names so many keys more than one does at most."""
        return len(self._expected) + 1 + _LARGEST + more <= MAX_TXN

    @property
    def writes(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self._new)

    def txn(self, leadership: Leadership | None) -> Txn:
        """Return the transaction, fenced by the leader's term; None for what is not a leader's.

        Raises:
            NotLeader: the term is over.
        """
        txn = Txn()
        if leadership is not None:
            txn.fence(leadership)
        for key, revision in self._expected.items():
            if key not in self._new:
                txn.require(key, revision=revision)
                continue
            new = self._new[key]
            if new is None:
                txn.delete(key, expect=revision)
            else:
                value = encode(new) if isinstance(new, str) else encode(cast("NodeStatus", new))
                txn.put(key, value, expect=revision, lease=self._lease if key in self._leased else 0)
        return txn

    # Bookings

    def _reserve(self, node: str, container: str, amount: Amounts) -> None:
        """Make a hold reserve `amount`, and the ledger say so."""
        hold = copied(self._hold(node, container))
        before = amounts(hold.reserved)
        hold.reserved.CopyFrom(resources(amount))
        self._put(keys.hold(node, container), self._node(node).holds.get(container), hold)
        self._book(node, amount - before)

    def _book(self, node: str, more: Amounts) -> None:
        """Put the ledger of a node with `more` reserved; also with nothing more, since its revision is the fence."""
        ledger = self._ledger(node)
        ledger.reserved.CopyFrom(resources(amounts(ledger.reserved) + more))
        self._put(keys.node_ledger(node), self._node(node).ledger, ledger)

    def _set_ledger(self, node: str, reserved: Amounts) -> None:
        entry = self._node(node)
        self._require(keys.node_status(node), entry.status)
        ledger = self._ledger(node)
        ledger.reserved.CopyFrom(resources(reserved))
        if entry.status is not None:
            ledger.capacity.CopyFrom(entry.status.value.description.capacity)
        self._put(keys.node_ledger(node), entry.ledger, ledger)

    def _ledger(self, node: str) -> NodeLedger:
        current = self._current(keys.node_ledger(node), self._node(node).ledger)
        return copied(cast("NodeLedger", current)) if current is not None else NodeLedger(schema=SCHEMA)

    # Names and addresses

    def _free(self, entry: ContainerEntry, spec: Stored[ContainerSpec]) -> None:
        """Delete the keys by which a container has its name and its addresses, as far as they are still its own."""
        for address in entry.placement.value.addresses if entry.placement is not None else ():
            taken = self._cache.addresses.get((address.network, address.ip))
            if taken is not None and taken.value == entry.id:
                self._put(keys.address(address.network, address.ip), taken, None)
        self._free_name(entry.namespace, "container", spec.value.name, entry.id)

    def _free_name(self, namespace: str, kind: str, name: str, holder: str) -> None:
        """Delete the key of a name if it is still its holder's; a forced removal frees it, and it may be taken anew."""
        taken = self._cache.names.get((namespace, kind, name))
        if taken is not None and taken.value == holder:
            self._put(keys.name(namespace, kind, name), taken, None)

    # Objects as this draft has them

    def _container(self, container: str) -> tuple[ContainerEntry, Stored[ContainerSpec]]:
        entry = self._cache.containers.get(container)
        if entry is None or entry.spec is None:
            raise NotFound(f"container {container} is gone")
        return entry, entry.spec

    def _node(self, node: str) -> NodeEntry:
        return self._cache.nodes.get(node) or NodeEntry(node)

    def _node_name(self, entry: ContainerEntry) -> str:
        """Return the name of the node where a container is placed; nothing if there is none."""
        if entry.placement is None:
            return ""
        node = self._cache.nodes.get(entry.placement.value.node)
        return node.spec.value.name if node is not None and node.spec is not None else entry.placement.value.node

    def _hold(self, node: str, container: str) -> Hold:
        """Return a hold as it will be: one that this draft places counts as well."""
        current = self._current(keys.hold(node, container), self._node(node).holds.get(container))
        if current is None:
            raise NotFound(f"node {node} does not hold container {container} any more")
        return cast("Hold", current)

    def _current(self, key: str, stored: Stored[M] | Stored[str] | None) -> New:
        if key in self._new:
            return self._new[key]
        return stored.value if stored is not None else None

    def _require(self, key: str, stored: Stored[M] | Stored[str] | None) -> None:
        self._expected.setdefault(key, stored.revision if stored is not None else 0)

    def _put(self, key: str, stored: Stored[M] | Stored[str] | None, new: New) -> None:
        self._require(key, stored)
        if new is None and stored is None:
            self._new.pop(key, None)
        else:
            self._new[key] = new


def resources(amount: Amounts) -> Resources:
    return Resources(memory_bytes=amount.memory, cpu_millis=amount.cpu)
