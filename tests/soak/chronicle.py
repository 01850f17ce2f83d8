"""All of etcd's history, revision by revision, and what must be true at each of them. Pure.

The rules of one change are in `transitions`; what has to fit together once a revision is complete is here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import reduce
from typing import Final, TypeVar, cast

from google.protobuf.message import Message

from shoal_controller.state import keys
from shoal_controller.state.keys import AddressKey, ContainerKey, ContainerPart, HoldKey, NameKey, NodeKey, NodePart
from shoal_controller.state.kv import Batch, Event
from shoal_proto.v1.cluster_pb2 import Cluster, Leader
from shoal_proto.v1.container_pb2 import ContainerPlacement, ContainerSpec, ContainerStatus, DesiredState, Tombstone
from shoal_proto.v1.node_pb2 import Hold, HoldRole, NodeLedger, NodeSession, NodeSpec, NodeStatus
from tests.soak import transitions
from tests.soak.found import CONTAINER, Amounts, amounts, limits
from tests.soak.history import Limits
from tests.soak.transitions import Change
from tests.soak.violation import Violation

K = TypeVar("K")
V = TypeVar("V")

#: Revisions within which a leader may place something on a node before it has heard that it takes nothing new.
_UNHEARD: Final = 50
_TYPES: Final[dict[str, type[Message]]] = {
    ContainerPart.SPEC: ContainerSpec,
    ContainerPart.PLACEMENT: ContainerPlacement,
    ContainerPart.STATUS: ContainerStatus,
}
_NODE_TYPES: Final[dict[str, type[Message]]] = {
    NodePart.SPEC: NodeSpec,
    NodePart.SESSION: NodeSession,
    NodePart.STATUS: NodeStatus,
    NodePart.LEDGER: NodeLedger,
}


@dataclass(frozen=True, slots=True)
class Started:
    """An attempt that some status told of: the run that it served, and who wanted it."""

    run: int
    by_policy: bool


@dataclass(slots=True)
class Chronicle:
    """What there is at `revision`, and what has been before.

    Attributes:
        values: all keys as they are, to compare with a listing.
        looked: how many objects each check has looked at.
        attempts: by container, then by generation and number.
        placed: the nodes that each (container, generation) was ever given to.
        limits: of each container, the first and all that it was given instead.
        terms: revisions at which a controller began to lead.
        cordoned: revision at which a node was told to take nothing new, by node.
    """

    revision: int = 0
    values: dict[str, bytes] = field(default_factory=dict)
    specs: dict[str, ContainerSpec] = field(default_factory=dict)
    placements: dict[str, ContainerPlacement] = field(default_factory=dict)
    statuses: dict[str, ContainerStatus] = field(default_factory=dict)
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    holds: dict[str, dict[str, Hold]] = field(default_factory=dict)
    ledgers: dict[str, NodeLedger] = field(default_factory=dict)
    nodes: dict[str, NodeSpec] = field(default_factory=dict)
    node_statuses: dict[str, NodeStatus] = field(default_factory=dict)
    tombstones: dict[str, Tombstone] = field(default_factory=dict)
    leader: Leader | None = None
    looked: Counter[str] = field(default_factory=Counter)
    attempts: dict[str, dict[tuple[int, int], Started]] = field(default_factory=dict)
    placed: dict[tuple[str, int], set[str]] = field(default_factory=dict)
    limits: dict[str, list[Limits]] = field(default_factory=dict)
    terms: list[int] = field(default_factory=list)
    cordoned: dict[str, int] = field(default_factory=dict)
    past: transitions.Past = field(default_factory=transitions.Past)

    def apply(self, batch: Batch) -> list[Violation]:
        """Go on to the next revision, and return what is wrong with it."""
        if not batch.events:
            return []
        self.revision = batch.revision
        changes = [change for event in batch.events if (change := self._change(event)) is not None]
        wrong = list(transitions.check(changes, self.past))
        self.looked["changes of a key"] += len(changes)
        for event in batch.events:
            self._note(event)
        for change in changes:
            self._take(change)
        wrong += self._state(changes)
        self.looked["revisions"] += 1
        return [Violation(each.check, f"revision {batch.revision}: {each.what}", each.container) for each in wrong]

    def node_name(self, node: str) -> str:
        """Return the name of a node, for people."""
        spec = self.nodes.get(node)
        return spec.name if spec is not None else node[:12]

    def holders(self, container: str) -> Iterator[tuple[str, Hold]]:
        """Yield the nodes that hold a container, with the hold."""
        for node, holds in self.holds.items():
            if container in holds:
                yield node, holds[container]

    # From events to changes

    def _change(self, event: Event) -> Change | None:
        key = keys.parse(event.key)
        if key is None:
            return None
        return Change(key, self._decode(key, self.values.get(event.key)), self._decode(key, event.value), event.lease)

    def _decode(self, key: keys.Key, value: bytes | None) -> Message | str | None:
        if value is None:
            return None
        match key:
            case ContainerKey():
                return _TYPES[key.part].FromString(value)
            case NodeKey():
                return _NODE_TYPES[key.part].FromString(value)
            case HoldKey():
                return Hold.FromString(value)
            case keys.TombstoneKey():
                return Tombstone.FromString(value)
            case keys.ClusterKey():
                return Cluster.FromString(value)
            case keys.LeaderKey():
                return Leader.FromString(value)
            case NameKey() | AddressKey():
                return value.decode()
        return ""

    def _note(self, event: Event) -> None:
        if event.value is None:
            self.values.pop(event.key, None)
        else:
            self.values[event.key] = event.value

    def _take(self, change: Change) -> None:
        """Make the change, in the tables by kind."""
        match change.key, change.after:
            case ContainerKey(_, id_, ContainerPart.SPEC), after:
                before = self.specs.get(id_)
                _set(self.specs, id_, after)
                if isinstance(after, ContainerSpec) and (
                    before is None or after.limits_changed != before.limits_changed
                ):
                    self.limits.setdefault(id_, []).append(limits(after.config.resources))
            case ContainerKey(_, id_, ContainerPart.PLACEMENT), after:
                _set(self.placements, id_, after)
                if isinstance(after, ContainerPlacement):
                    self.placed.setdefault((id_, after.generation), set()).add(after.node)
            case ContainerKey(_, id_, ContainerPart.STATUS), after:
                _set(self.statuses, id_, after)
                if isinstance(after, ContainerStatus):
                    self._note_attempts(id_, after)
            case NameKey(_, kind, name), after:
                _set(self.names, (kind, name), after)
            case AddressKey(_, ip), after:
                _set(self.addresses, ip, after)
            case HoldKey(node, id_), after:
                _set(self.holds.setdefault(node, {}), id_, after)
            case NodeKey(node, NodePart.LEDGER), after:
                _set(self.ledgers, node, after)
            case NodeKey(node, NodePart.SPEC), after:
                _set(self.nodes, node, after)
                if not (isinstance(after, NodeSpec) and after.cordoned):
                    self.cordoned.pop(node, None)
                else:
                    self.cordoned.setdefault(node, self.revision)
            case NodeKey(node, NodePart.STATUS), after:
                _set(self.node_statuses, node, after)
            case keys.TombstoneKey(_, id_), after:
                _set(self.tombstones, id_, after)
                if isinstance(after, Tombstone) and after.HasField("status"):
                    self._note_attempts(id_, after.status)
            case keys.LeaderKey(), after:
                if isinstance(after, Leader) and change.before is None:
                    self.terms.append(self.revision)
                self.leader = after if isinstance(after, Leader) else None

    def _note_attempts(self, container: str, status: ContainerStatus) -> None:
        known = self.attempts.setdefault(container, {})
        for attempt in status.attempts:
            known[status.generation, attempt.number] = Started(attempt.run, attempt.by_policy)

    # What must fit together

    def _state(self, changes: Iterable[Change]) -> Iterator[Violation]:
        containers: set[str] = set()
        nodes: set[str] = set()
        names: set[tuple[str, str]] = set()
        addresses: set[str] = set()
        for change in changes:
            match change.key:
                case ContainerKey(_, id_, _):
                    containers.add(id_)
                case HoldKey(node, id_):
                    containers.add(id_)
                    nodes.add(node)
                    if change.before is None and self.revision - self.cordoned.get(node, self.revision) > _UNHEARD:
                        where = f"{self.node_name(node)}, which takes nothing new"
                        yield Violation("cordons", f"was placed on {where}", id_)
                case NodeKey(node, NodePart.LEDGER):
                    nodes.add(node)
                case NameKey(_, kind, name):
                    names.add((kind, name))
                    containers.update(each for each in (change.before, change.after) if isinstance(each, str))
                case AddressKey(_, ip):
                    addresses.add(ip)
                    containers.update(each for each in (change.before, change.after) if isinstance(each, str))
        for node in nodes:
            yield from self._books(node)
        for container in containers:
            yield from self._container(container)
        for kind, name in names:
            yield from self._name(kind, name)
        for ip in addresses:
            yield from self._address(ip)

    def _books(self, node: str) -> Iterator[Violation]:
        """Booked is what the holds reserve, and no more than there is."""
        self.looked["books of a node"] += 1
        ledger, holds = self.ledgers.get(node), self.holds.get(node, {})
        if ledger is None:
            if holds:
                yield Violation("ledgers", f"{self.node_name(node)} holds {len(holds)} containers and has no ledger")
            return
        held = reduce(Amounts.__add__, (amounts(hold.reserved) for hold in holds.values()), Amounts(0, 0))
        reserved, capacity = amounts(ledger.reserved), amounts(ledger.capacity)
        if held != reserved:
            yield Violation("ledgers", f"{self.node_name(node)} has {reserved} booked, and holds of {held}")
        if reserved.memory > capacity.memory or reserved.cpu > capacity.cpu:
            yield Violation("ledgers", f"{self.node_name(node)} has {reserved} of {capacity} booked")

    def _container(self, id_: str) -> Iterator[Violation]:
        """A container is whole: its name is its own, its placement is held, its addresses are booked."""
        self.looked["containers"] += 1
        spec, placement = self.specs.get(id_), self.placements.get(id_)
        holders = list(self.holders(id_))
        if spec is None:
            parts = [
                *(["placement"] if placement is not None else []),
                *(["status"] if id_ in self.statuses else []),
                *(f"hold of {self.node_name(node)}" for node, _ in holders),
            ]
            if parts:
                yield Violation("whole", f"has no spec, but a {' and a '.join(parts)}", id_)
            return
        removed = spec.desired == DesiredState.DESIRED_STATE_REMOVED
        if not removed and self.names.get((CONTAINER, spec.name)) != id_:
            yield Violation("names", f"{spec.name} is not its own", id_)
        current = [node for node, hold in holders if hold.role == HoldRole.HOLD_ROLE_CURRENT]
        if len(current) > 1:
            yield Violation("holds", f"{len(current)} nodes hold it as the current one", id_)
        if placement is None:
            if holders:
                yield Violation("holds", "is held and not placed", id_)
            return
        for node, hold in holders:
            if hold.generation > placement.generation:
                yield Violation("holds", f"generation {hold.generation} is held, {placement.generation} is placed", id_)
            if hold.generation == placement.generation and node != placement.node:
                where = f"{self.node_name(node)} holds, {self.node_name(placement.node)} has generation"
                yield Violation("holds", f"{where} {hold.generation}", id_)
        if not placement.HasField("lost_at"):
            own = self.holds.get(placement.node, {}).get(id_)
            if own is None or own.generation != placement.generation:
                yield Violation("holds", f"is placed on {self.node_name(placement.node)}, which does not hold it", id_)
            else:
                yield from self._booked(id_, spec, own)
            held = {each.ip for _, hold in holders for each in hold.addresses}
            for ip in held | {each.ip for each in placement.addresses}:
                self.looked["addresses"] += 1
                if self.addresses.get(ip) != id_:
                    yield Violation("addresses", f"{ip} is in use, and is not booked for it", id_)

    def _booked(self, id_: str, spec: ContainerSpec, hold: Hold) -> Iterator[Violation]:
        """Once something is booked for it, a container has no more than that, nor is it to have more."""
        booked = amounts(hold.reserved)
        if booked == Amounts(0, 0):
            return
        self.looked["bookings of a container"] += 1
        wanted = {"is to have": amounts(spec.config.resources)}
        status = self.statuses.get(id_)
        if status is not None and status.generation == hold.generation and status.pid:
            wanted["has"] = amounts(status.limits)
        for how, need in wanted.items():
            if need.memory > booked.memory or need.cpu > booked.cpu:
                yield Violation("bookings", f"{how} {need}, and {booked} is booked for it", id_)

    def _name(self, kind: str, name: str) -> Iterator[Violation]:
        self.looked["names"] += 1
        owner = self.names.get((kind, name))
        if owner is None or kind != CONTAINER:
            return
        spec = self.specs.get(owner)
        if spec is None or spec.name != name:
            yield Violation("names", f"{name} is that of a container which is not there", owner)

    def _address(self, ip: str) -> Iterator[Violation]:
        owner = self.addresses.get(ip)
        if owner is None:
            return
        placement = self.placements.get(owner)
        used = [each.ip for each in placement.addresses] if placement is not None else []
        used += [each.ip for _, hold in self.holders(owner) for each in hold.addresses]
        if ip not in used:
            yield Violation("addresses", f"{ip} is booked for one that does not use it", owner)


def _set(table: dict[K, V], key: K, value: object) -> None:
    if value is None:
        table.pop(key, None)
    else:
        # `_decode` made it by the kind of the key, which the table goes with.
        table[key] = cast("V", value)
