"""Under which conditions controllers may write: a rule for each kind of key. Pure.

A transaction that lacks a compare is wrong whether or not anything came of it this time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from shoal_controller.state import keys
from shoal_controller.state.keys import (
    AddressKey,
    ContainerKey,
    ContainerPart,
    ControllerKey,
    HoldKey,
    LeaderKey,
    NameKey,
    NodeKey,
    NodePart,
    TombstoneKey,
)
from shoal_proto.etcd import rpc_pb2
from tests.soak.found import CONTAINER
from tests.soak.violation import Violation
from tests.soak.wal import Proposal

#: What only the leader writes.
_LEADERS: Final = (AddressKey, HoldKey, TombstoneKey)
_LEADERS_PARTS: Final = frozenset({ContainerPart.PLACEMENT, ContainerPart.STATUS})
_LEADERS_NODE_PARTS: Final = frozenset({NodePart.STATUS, NodePart.SESSION, NodePart.LEDGER})


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a transaction compares, and what it writes if that holds.

    Attributes:
        known: revisions at which keys are expected, 0: absent.
        term: creation revision of the leader key that it is fenced by; 0: it is not.
        puts: value and lease by key.
    """

    known: dict[str, int] = field(default_factory=dict)
    term: int = 0
    puts: dict[str, bytes] = field(default_factory=dict)
    deletes: frozenset[str] = frozenset()

    @property
    def writes(self) -> frozenset[str]:
        """All keys that it writes."""
        return self.deletes | self.puts.keys()


def conditions(txn: rpc_pb2.TxnRequest) -> Conditions:
    """Return what a request for a transaction says. A range counts as its first key."""
    known: dict[str, int] = {}
    term = 0
    for compare in txn.compare:
        if compare.result != rpc_pb2.Compare.EQUAL:
            continue
        key = compare.key.decode(errors="replace")
        if compare.target == rpc_pb2.Compare.MOD:
            known[key] = compare.mod_revision
        elif compare.target == rpc_pb2.Compare.CREATE and key == keys.leader():
            term = compare.create_revision
    puts = {op.request_put.key.decode(): op.request_put.value for op in txn.success if op.HasField("request_put")}
    deletes = {op.request_delete_range.key.decode() for op in txn.success if op.HasField("request_delete_range")}
    return Conditions(known, term, puts, frozenset(deletes))


def check(proposal: Proposal) -> list[Violation]:
    """Return what is wrong with one proposal."""
    asked = conditions(proposal.txn)
    parsed = {key: found for key in asked.writes if (found := keys.parse(key)) is not None}
    # Under a lease, each by the one process that it is of.
    ours = {key: found for key, found in parsed.items() if not isinstance(found, LeaderKey | ControllerKey)}
    wrong: list[str] = []
    if proposal.bare:
        wrong += [f"{_shown(key)} is written without a transaction" for key in ours]
    else:
        wrong += [f"{_shown(key)} is written without a compare on itself" for key in ours if key not in asked.known]
        if not asked.term:
            booked = _booked_with_its_spec(ours, asked)
            wrong += [
                f"{_shown(key)} is written without the leader's term"
                for key in ours
                if _is_leaders(ours[key]) and key not in booked
            ]
        for key, found in ours.items():
            wrong += _missing(key, found, asked)
    return [Violation("proposals", f"entry {proposal.index}: {each}") for each in wrong]


def _is_leaders(key: keys.Key) -> bool:
    match key:
        case ContainerKey():
            return key.part in _LEADERS_PARTS
        case NodeKey():
            return key.part in _LEADERS_NODE_PARTS
    return isinstance(key, _LEADERS)


def _booked_with_its_spec(ours: Mapping[str, keys.Key], asked: Conditions) -> frozenset[str]:
    """Return the hold and the ledger that any controller may write: with the spec whose limits they are booked for."""
    found: set[str] = set()
    for key, hold in ours.items():
        if not isinstance(hold, HoldKey) or key not in asked.puts or not asked.known.get(key):
            continue
        ledger = keys.node_ledger(hold.node)
        specs = [
            each
            for each in ours.values()
            if isinstance(each, ContainerKey) and each.part is ContainerPart.SPEC and each.id == hold.container
        ]
        if ledger in asked.puts and any(
            keys.container_placement(each.namespace, each.id) in asked.known for each in specs
        ):
            found |= {key, ledger}
    return frozenset(found)


def _missing(key: str, found: keys.Key, asked: Conditions) -> Iterator[str]:
    """Yield which compares a write of one key lacks, beside its own and the leader's."""
    match found:
        case HoldKey(node, _):
            if keys.node_ledger(node) not in asked.known:
                yield f"{_shown(key)} is written past the node's ledger"
        case ContainerKey(namespace, id_, ContainerPart.STATUS) if key in asked.puts:
            sessions = [each for each in asked.known if each.startswith(_NODES) and each.endswith("/session")]
            holds = [each for each in asked.known if each.startswith(_NODES) and each.endswith(f"/holds/{id_}")]
            if not sessions or not holds:
                yield f"{_shown(key)} is written without the session and the hold that it is told by"
            if keys.container_placement(namespace, id_) not in asked.known:
                yield f"{_shown(key)} is written without the placement that it is of"
        case ContainerKey(namespace, id_, ContainerPart.SPEC) if asked.known.get(key) == 0:
            if asked.known.get(keys.tombstone(namespace, id_)) != 0:
                yield f"{_shown(key)} is made, tombstone or not"
            if not any(isinstance(keys.parse(each), NameKey) and not asked.known.get(each) for each in asked.puts):
                yield f"{_shown(key)} is made without taking a {CONTAINER}'s name"
        case ContainerKey(namespace, id_, ContainerPart.SPEC) if key in asked.deletes:
            if keys.tombstone(namespace, id_) not in asked.puts:
                yield f"{_shown(key)} is deleted without a tombstone"


_NODES: Final = f"{keys.PREFIX}nodes/"


def _shown(key: str) -> str:
    """Return a key with its long ids cut."""
    return "/".join(each[:12] for each in key.removeprefix(keys.PREFIX).split("/"))
