"""From decisions and reports to one transaction, with every compare that makes them safe.

A draft is filled from one state of the cache, without a wait in between. Several decisions may change the same object
(a ledger, above all): each sees what the ones before it made of it, and the store sees one write.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final, TypeVar, cast

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from shoal_common.errors import NotFound
from shoal_common.status import is_terminal, order
from shoal_controller.core import orchestrate
from shoal_controller.core.snapshot import NOTHING, Amounts, StatusView
from shoal_controller.core.statuses import Verdict, frees, judge_removed, judge_status
from shoal_controller.leader.projection import amounts
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.kv import MAX_TXN, Txn
from shoal_controller.state.leadership import Leadership
from shoal_controller.state.store import SCHEMA, ContainerEntry, NodeEntry, Stored, encode
from shoal_proto.v1.container_pb2 import ContainerPlacement, ContainerSpec, ContainerStatus, DesiredState, Tombstone
from shoal_proto.v1.dispatcher_pb2 import StatusReport
from shoal_proto.v1.node_pb2 import Hold, HoldRole, NodeDescription, NodeLedger, NodeSession, NodeState, NodeStatus
from shoal_proto.v1.resources_pb2 import Address, Resources

M = TypeVar("M", bound=Message)

#: Keys that one decision or report names at most.
_LARGEST: Final = 12
#: Attempts that a status keeps.
_ATTEMPTS: Final = 16
#: Strays that a node's status names.
_STRAYS: Final = 1000

# What an object becomes: the message or id to put, or None to delete it.
_New = Message | str | None


class Draft:
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
        self._new: dict[str, _New] = {}
        self._leased: set[str] = set()

    @property
    def full(self) -> bool:
        """Whether another decision might not fit any more."""
        return len(self._expected) + 1 + _LARGEST > MAX_TXN

    @property
    def writes(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self._new)

    def txn(self, leadership: Leadership) -> Txn:
        """Return the transaction, fenced by the leader's term.

        Raises:
            NotLeader: the term is over.
        """
        txn = Txn()
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

    # Decisions

    def decide(self, decision: orchestrate.Decision) -> None:
        """Add a decision of the core's plan.

        Raises:
            NotFound: an object that the decision needs is gone from the cache: plan anew.
        """
        match decision:
            case orchestrate.Place():
                self._place(decision)
            case orchestrate.Admit():
                self._admit(decision)
            case orchestrate.Release(container, node):
                entry, spec = self._container(container)
                self._require(keys.container_spec(entry.namespace, container), spec)
                self._require(keys.container_status(entry.namespace, container), entry.status)
                self._reserve(node, container, NOTHING)
            case orchestrate.SetRemoved(container):
                entry, spec = self._container(container)
                self._require(keys.container_status(entry.namespace, container), entry.status)
                removed = _copy(spec.value)
                removed.desired = DesiredState.DESIRED_STATE_REMOVED
                self._put(keys.container_spec(entry.namespace, container), spec, removed)
            case orchestrate.SetRole(container, node, role):
                entry, spec = self._container(container)
                self._require(keys.container_spec(entry.namespace, container), spec)
                self._require(keys.container_placement(entry.namespace, container), entry.placement)
                hold = _copy(self._hold(node, container))
                hold.role = role
                self._put(keys.hold(node, container), self._node(node).holds[container], hold)
                # Every transaction that concerns holds goes by the ledger, so that two can't pass each other.
                self._require(keys.node_ledger(node), self._node(node).ledger)
            case orchestrate.Finish(container):
                entry, spec = self._container(container)
                self._finish(entry, spec, final=entry.status.value if entry.status is not None else None)
            case orchestrate.SetLedger(node, _, reserved):
                self._set_ledger(node, reserved)

    def _place(self, decision: orchestrate.Place) -> None:
        entry, spec = self._container(decision.container)
        namespace, container, node = entry.namespace, decision.container, decision.node
        self._require(keys.cluster(), self._cache.cluster)
        self._require(keys.container_spec(namespace, container), spec)
        self._require(keys.container_status(namespace, container), entry.status)
        generation = (entry.status.value.generation if entry.status is not None else 0) + 1
        addresses = []
        if decision.address is not None:
            found = decision.address
            addresses.append(
                Address(
                    network=found.network,
                    ip=found.ip,
                    prefix_length=found.prefix_length,
                    gateway=found.gateway,
                    mac=found.mac,
                )
            )
            self._put(keys.address(found.network, found.ip), None, container)
        placement = ContainerPlacement(
            schema=SCHEMA,
            node=node,
            generation=generation,
            addresses=addresses,
            run_admitted=decision.run_admitted,
            placed_at=self._now,
        )
        self._put(keys.container_placement(namespace, container), None, placement)
        hold = Hold(
            schema=SCHEMA,
            namespace=namespace,
            container=container,
            generation=generation,
            role=HoldRole.HOLD_ROLE_CURRENT,
            addresses=addresses,
            reserved=_resources(decision.reserve),
        )
        self._put(keys.hold(node, container), None, hold)
        self._book(node, decision.reserve)

    def _admit(self, decision: orchestrate.Admit) -> None:
        entry, spec = self._container(decision.container)
        if entry.placement is None:
            raise NotFound(f"container {decision.container} is not placed any more")
        self._require(keys.container_spec(entry.namespace, entry.id), spec)
        self._require(keys.container_status(entry.namespace, entry.id), entry.status)
        placement = _copy(entry.placement.value)
        placement.run_admitted = decision.run
        self._put(keys.container_placement(entry.namespace, entry.id), entry.placement, placement)
        self._reserve(decision.node, entry.id, decision.reserve)

    # Reports

    def report(self, node: str, session: Stored[NodeSession], report: StatusReport) -> Verdict:
        """Add what a node reports of one container, if it is news.

        Args:
            node: that reports.
            session: of the agent process that reports; the transaction holds only as long as no newer one took over.
            report: a status, or the news that nothing of a generation is left.
        """
        holds = self._node(node).holds
        hold = cast("Hold | None", self._current(keys.hold(node, report.id), holds.get(report.id)))
        entry = self._cache.containers.get(report.id)
        spec = entry.spec if entry is not None else None
        if entry is None or spec is None:
            # A hold whose spec was lost: what becomes of it is for `cluster recover`, not for a status without a spec.
            return Verdict.OUTDATED if hold is None else Verdict.REFUSE
        status_key = keys.container_status(entry.namespace, entry.id)
        stored = cast("ContainerStatus | None", self._current(status_key, entry.status))
        if report.removed:
            verdict = judge_removed(report.status.generation, hold=hold, desired=spec.value.desired)
            if verdict is Verdict.STORE and hold is not None:
                self._require(keys.node_session(node), session)
                self._drop_hold(node, entry, spec, _newest(stored, report.status))
            return verdict
        verdict = judge_status(report.status, hold=hold, stored=stored)
        if verdict is Verdict.STORE and hold is not None:
            self._require(keys.node_session(node), session)
            self._require(keys.hold(node, entry.id), holds[entry.id])
            self._require(keys.container_placement(entry.namespace, entry.id), entry.placement)
            status = _copy(report.status)
            status.schema = SCHEMA
            del status.attempts[:-_ATTEMPTS]
            self._put(status_key, entry.status, status)
            if amounts(hold.reserved) and entry.placement is not None and _frees(entry, spec.value, status):
                self._require(keys.container_spec(entry.namespace, entry.id), spec)
                self._reserve(node, entry.id, NOTHING)
        return verdict

    def _drop_hold(
        self, node: str, entry: ContainerEntry, spec: Stored[ContainerSpec], final: ContainerStatus | None
    ) -> None:
        self._reserve(node, entry.id, NOTHING)
        self._put(keys.hold(node, entry.id), self._node(node).holds[entry.id], None)
        if spec.value.desired != DesiredState.DESIRED_STATE_REMOVED:
            # A superseded copy was pruned; the container lives on elsewhere.
            self._require(keys.container_spec(entry.namespace, entry.id), spec)
            return
        others = self._cache.holders(entry.id) - {node}
        if any(self._current(keys.hold(other, entry.id), self._node(other).holds[entry.id]) for other in others):
            self._require(keys.container_spec(entry.namespace, entry.id), spec)
            return
        self._finish(entry, spec, final=final)

    def _finish(self, entry: ContainerEntry, spec: Stored[ContainerSpec], *, final: ContainerStatus | None) -> None:
        """Delete a container that nobody holds any more, and put its tombstone."""
        namespace, container = entry.namespace, entry.id
        self._put(keys.container_spec(namespace, container), spec, None)
        self._put(keys.container_status(namespace, container), entry.status, None)
        placement = entry.placement
        self._put(keys.container_placement(namespace, container), placement, None)
        for address in placement.value.addresses if placement is not None else ():
            taken = self._cache.addresses.get((address.network, address.ip))
            if taken is not None and taken.value == container:
                self._put(keys.address(address.network, address.ip), taken, None)
        name = self._cache.names.get((namespace, "container", spec.value.name))
        if name is not None and name.value == container:
            # Otherwise it was freed by a forced removal, and may be another's by now.
            self._put(keys.name(namespace, "container", spec.value.name), name, None)
        tombstone = Tombstone(
            schema=SCHEMA,
            id=container,
            namespace=namespace,
            name=spec.value.name,
            status=final,
            request_mac=spec.value.request_mac,
            run=spec.value.run,
            removed_at=self._now,
            last_request_id=spec.value.last_request_id,
        )
        key = keys.tombstone(namespace, container)
        self._put(key, self._cache.tombstones.get((namespace, container)), tombstone)
        self._leased.add(key)

    # Nodes

    def open_session(self, node: str, *, process_id: str, description: NodeDescription) -> int:
        """Note that an agent process speaks for a node from now on, and return its session's epoch.

        Nothing is written for a process that is known and has nothing new to say: a change of leader costs no write.

        Raises:
            NotFound: the node has not joined, or was removed.
        """
        entry = self._node(node)
        if entry.spec is None:
            raise NotFound(f"node {node} is not part of this cluster (shoal agent reset, then join again)")
        self._require(keys.node_spec(node), entry.spec)
        key = keys.node_session(node)
        session = cast("NodeSession | None", self._current(key, entry.session))
        if session is None or (session.process_id, session.boot_id) != (process_id, description.boot_id):
            opened = NodeSession() if session is None else _copy(session)
            opened.schema = SCHEMA
            opened.epoch += 1
            opened.process_id = process_id
            opened.boot_id = description.boot_id
            opened.opened_at.CopyFrom(self._now)
            self._put(key, entry.session, opened)
            session = opened
        self.describe(node, description)
        self.set_state(node, NodeState.NODE_STATE_READY, reason="")
        return session.epoch

    def describe(self, node: str, description: NodeDescription) -> None:
        """Store what an agent says of its host; its capacity goes into the ledger at once."""
        status = self._node_status(node)
        if status.description == description and status.schema:
            return
        status.schema = SCHEMA
        status.description.CopyFrom(description)
        self._put(keys.node_status(node), self._node(node).status, status)
        ledger = self._ledger(node)
        ledger.capacity.CopyFrom(description.capacity)
        self._put(keys.node_ledger(node), self._node(node).ledger, ledger)

    def set_state(self, node: str, state: NodeState, *, reason: str) -> None:
        """Store that a node became ready, or is down."""
        status = self._node_status(node)
        if status.state == state or not status.schema:
            return
        status.state = state
        status.since.CopyFrom(self._now)
        status.reason = reason
        self._put(keys.node_status(node), self._node(node).status, status)

    def set_strays(self, node: str, strays: Iterable[str]) -> None:
        """Store which containers a node has that no hold names."""
        status = self._node_status(node)
        found = sorted(set(strays))[:_STRAYS]
        if list(status.strays) == found or not status.schema:
            return
        status.strays[:] = found
        self._put(keys.node_status(node), self._node(node).status, status)

    def _node_status(self, node: str) -> NodeStatus:
        """Return a copy of a node's status; without a schema if it has none yet."""
        current = cast("NodeStatus | None", self._current(keys.node_status(node), self._node(node).status))
        return _copy(current) if current is not None else NodeStatus()

    # Bookings

    def _reserve(self, node: str, container: str, amount: Amounts) -> None:
        """Make a hold reserve `amount`, and the ledger say so."""
        hold = _copy(self._hold(node, container))
        before = amounts(hold.reserved)
        hold.reserved.CopyFrom(_resources(amount))
        self._put(keys.hold(node, container), self._node(node).holds.get(container), hold)
        self._book(node, amount - before)

    def _book(self, node: str, more: Amounts) -> None:
        """Put the ledger of a node with `more` reserved; also with nothing more, since its revision is the fence."""
        ledger = self._ledger(node)
        ledger.reserved.CopyFrom(_resources(amounts(ledger.reserved) + more))
        self._put(keys.node_ledger(node), self._node(node).ledger, ledger)

    def _set_ledger(self, node: str, reserved: Amounts) -> None:
        entry = self._node(node)
        self._require(keys.node_status(node), entry.status)
        ledger = self._ledger(node)
        ledger.reserved.CopyFrom(_resources(reserved))
        if entry.status is not None:
            ledger.capacity.CopyFrom(entry.status.value.description.capacity)
        self._put(keys.node_ledger(node), entry.ledger, ledger)

    def _ledger(self, node: str) -> NodeLedger:
        current = self._current(keys.node_ledger(node), self._node(node).ledger)
        return _copy(cast("NodeLedger", current)) if current is not None else NodeLedger(schema=SCHEMA)

    # Objects as this draft has them

    def _container(self, container: str) -> tuple[ContainerEntry, Stored[ContainerSpec]]:
        entry = self._cache.containers.get(container)
        if entry is None or entry.spec is None:
            raise NotFound(f"container {container} is gone")
        return entry, entry.spec

    def _node(self, node: str) -> NodeEntry:
        return self._cache.nodes.get(node) or NodeEntry(node)

    def _hold(self, node: str, container: str) -> Hold:
        """Return a hold as it will be: one that this draft places counts as well."""
        current = self._current(keys.hold(node, container), self._node(node).holds.get(container))
        if current is None:
            raise NotFound(f"node {node} does not hold container {container} any more")
        return cast("Hold", current)

    def _current(self, key: str, stored: Stored[M] | Stored[str] | None) -> _New:
        if key in self._new:
            return self._new[key]
        return stored.value if stored is not None else None

    def _require(self, key: str, stored: Stored[M] | Stored[str] | None) -> None:
        self._expected.setdefault(key, stored.revision if stored is not None else 0)

    def _put(self, key: str, stored: Stored[M] | Stored[str] | None, new: _New) -> None:
        self._require(key, stored)
        if new is None and stored is None:
            self._new.pop(key, None)
        else:
            self._new[key] = new


def _copy(message: M) -> M:
    """Return a copy to change: fields of a newer version stay in it."""
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def _resources(amount: Amounts) -> Resources:
    return Resources(memory_bytes=amount.memory, cpu_millis=amount.cpu)


def _newest(stored: ContainerStatus | None, reported: ContainerStatus) -> ContainerStatus | None:
    """Return the last thing that is known of a container: the report of its removal may bring how it ended."""
    if not reported.state or (stored is not None and order(reported) <= order(stored)):
        return stored
    return reported


def _frees(entry: ContainerEntry, spec: ContainerSpec, status: ContainerStatus) -> bool:
    placement = entry.placement
    return placement is not None and frees(
        StatusView(status.generation, is_terminal(status), status.run_served),
        generation=placement.value.generation,
        run_admitted=placement.value.run_admitted,
        desired=spec.desired,
    )
