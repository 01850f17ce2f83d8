"""Which changes of one key etcd's history may have, given what the same revision changes besides. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from google.protobuf.message import Message

from shoal_common.status import TERMINAL
from shoal_controller.state.keys import (
    ClusterKey,
    ContainerKey,
    ContainerPart,
    HoldKey,
    Key,
    LeaderKey,
    NodeKey,
    NodePart,
    TombstoneKey,
)
from shoal_proto.v1.cluster_pb2 import Cluster
from shoal_proto.v1.container_pb2 import ContainerPlacement, ContainerSpec, ContainerStatus, DesiredState, Tombstone
from shoal_proto.v1.node_pb2 import Hold, HoldRole, NodeSession
from tests.soak.violation import Violation

_REMOVED = DesiredState.DESIRED_STATE_REMOVED


@dataclass(frozen=True, slots=True)
class Change:
    """One key before and after a revision, decoded; None: it does not exist. `lease` is of what was put."""

    key: Key
    before: Message | str | None
    after: Message | str | None
    lease: int = 0


@dataclass(slots=True)
class Past:
    """What has to be remembered of what is gone.

    Attributes:
        removed: ids of containers whose spec was deleted.
        generations: the highest generation of each container that was ever placed.
        ended: by (container, generation, attempt), the state in which an attempt was told to have ended.
    """

    removed: set[str] = field(default_factory=set)
    generations: dict[str, int] = field(default_factory=dict)
    ended: dict[tuple[str, int, int], int] = field(default_factory=dict)


def check(changes: Sequence[Change], past: Past) -> Iterator[Violation]:
    """Yield what is wrong with the changes of one revision, and note them."""
    together = {change.key: change for change in changes}
    for change in changes:
        match change.key, change.before, change.after:
            case ContainerKey(_, id_, ContainerPart.SPEC), before, None if isinstance(before, ContainerSpec):
                yield from _spec_deleted(change.key, before, together)
                past.removed.add(id_)
            case ContainerKey(_, id_, ContainerPart.SPEC), before, ContainerSpec() as after:
                if before is None and id_ in past.removed:
                    yield Violation("removed", "is made again after it was removed", id_)
                if isinstance(before, ContainerSpec):
                    yield from _spec_changed(before, after)
            case ContainerKey(_, id_, ContainerPart.PLACEMENT), before, ContainerPlacement() as after:
                yield from _placed(id_, before, after, past)
                past.generations[id_] = max(past.generations.get(id_, 0), after.generation)
            case ContainerKey(_, id_, ContainerPart.STATUS), before, ContainerStatus() as after:
                if isinstance(before, ContainerStatus):
                    yield from _status(id_, before, after)
                yield from _ends(id_, after, past)
            case HoldKey(node, id_), before, Hold() as after:
                yield from _held(node, id_, before, after, together)
            case HoldKey(node, id_), Hold() as before, None:
                yield from _dropped(change.key, before, together)
            case TombstoneKey(namespace, id_), before, Tombstone():
                spec = together.get(ContainerKey(namespace, id_, ContainerPart.SPEC))
                if before is None and (spec is None or spec.after is not None):
                    yield Violation("tombstones", "has a tombstone, though it was not removed", id_)
                if not change.lease:
                    yield Violation("tombstones", "has a tombstone for ever", id_)
            case NodeKey(node, NodePart.SESSION), NodeSession() as before, NodeSession() as after:
                if after.epoch <= before.epoch and after.process_id != before.process_id:
                    yield Violation("sessions", f"node {node[:12]} went from epoch {before.epoch} to {after.epoch}")
            case ClusterKey(), Cluster() as before, after:
                if not isinstance(after, Cluster) or after.id != before.id or after.epoch < before.epoch:
                    yield Violation("cluster", "its identity was changed")
            case LeaderKey(), before, after if before is not None and after is not None:
                yield Violation("terms", "a controller took the lead from another that had not lost it")


def _spec_deleted(key: ContainerKey, spec: ContainerSpec, together: dict[Key, Change]) -> Iterator[Violation]:
    if spec.desired != _REMOVED:
        yield Violation("removed", "is gone, and nobody wanted that", key.id)
    tombstone = together.get(TombstoneKey(key.namespace, key.id))
    after = tombstone.after if tombstone is not None else None
    if not isinstance(after, Tombstone):
        yield Violation("tombstones", "is removed without a tombstone", key.id)
    elif after.request_mac != spec.request_mac or not after.request_mac or after.run != spec.run:
        yield Violation("tombstones", "has a tombstone that does not tell what it was", key.id)


def _spec_changed(before: ContainerSpec, after: ContainerSpec) -> Iterator[Violation]:
    if after.run < before.run:
        yield Violation("runs", f"went from run {before.run} to {after.run}", after.id)
    if before.desired == _REMOVED != after.desired:
        yield Violation("removed", "is wanted again after its removal was", after.id)
    if (before.name, before.request_mac, before.image_digest) != (after.name, after.request_mac, after.image_digest):
        yield Violation("identity", "is another container now", after.id)
    # The node sets them once for every count.
    if after.limits_changed < before.limits_changed:
        what = f"counted {before.limits_changed} changes of its limits, then {after.limits_changed}"
        yield Violation("limits", what, after.id)
    elif before.config.resources != after.config.resources and after.limits_changed == before.limits_changed:
        yield Violation("limits", "has other limits, and its node is not told to set them", after.id)


def _placed(id_: str, before: Message | str | None, after: ContainerPlacement, past: Past) -> Iterator[Violation]:
    if not isinstance(before, ContainerPlacement):
        if after.generation <= past.generations.get(id_, 0):
            yield Violation("generations", f"generation {after.generation} is placed once more", id_)
        return
    if after.generation < before.generation:
        yield Violation("generations", f"went from generation {before.generation} to {after.generation}", id_)
    if after.generation == before.generation:
        if after.node != before.node or list(after.addresses) != list(before.addresses):
            yield Violation("generations", f"generation {after.generation} has changed its place", id_)
        if after.run_admitted < before.run_admitted:
            yield Violation("runs", f"admitted run {before.run_admitted}, then {after.run_admitted}", id_)


def _status(id_: str, before: ContainerStatus, after: ContainerStatus) -> Iterator[Violation]:
    """The order is written out here, so that a change of the product's own is noticed."""

    def order(status: ContainerStatus) -> tuple[int, int, int, int]:
        return (status.generation, status.attempt, status.state, status.report)

    if order(after) <= order(before):
        yield Violation("status order", f"went from {order(before)} to {order(after)}", id_)
    elif after.generation == before.generation:
        if after.report <= before.report:
            yield Violation("status order", f"report {after.report} followed report {before.report}", id_)
        if after.run_served < before.run_served:
            yield Violation("runs", f"served run {before.run_served}, then {after.run_served}", id_)


def _ends(id_: str, after: ContainerStatus, past: Past) -> Iterator[Violation]:
    """An attempt that has ended goes on in no other state."""
    key = (id_, after.generation, after.attempt)
    ended = past.ended.get(key)
    if ended is not None and after.state != ended:
        yield Violation("status order", f"attempt {after.attempt} went on after its end", id_)
    if after.state in TERMINAL:
        past.ended[key] = after.state


def _held(
    node: str, id_: str, before: Message | str | None, after: Hold, together: dict[Key, Change]
) -> Iterator[Violation]:
    if isinstance(before, Hold) and before.role == HoldRole.HOLD_ROLE_REMOVE != after.role:
        yield Violation("holds", "is kept after all, though its node was told to remove it", id_)
    if before is not None:
        return
    change = together.get(ContainerKey(after.namespace, id_, ContainerPart.PLACEMENT))
    placement = change.after if change is not None else None
    if not isinstance(placement, ContainerPlacement) or placement.node != node:
        yield Violation("holds", f"node {node[:12]} holds it, and it was not placed there", id_)


def _dropped(key: HoldKey, hold: Hold, together: dict[Key, Change]) -> Iterator[Violation]:
    """A hold ends with its container, or with a newer place for it."""
    spec = together.get(ContainerKey(hold.namespace, key.container, ContainerPart.SPEC))
    placement = together.get(ContainerKey(hold.namespace, key.container, ContainerPart.PLACEMENT))
    lost = placement is not None and isinstance(placement.after, ContainerPlacement)
    if hold.role == HoldRole.HOLD_ROLE_CURRENT and not lost and (spec is None or spec.after is not None):
        yield Violation("holds", f"node {key.node[:12]} does not hold it any more", key.container)
