"""What happened to nodes, and to the cluster as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from shoal_controller.core.events.telling import CLUSTER, NODE, event
from shoal_proto.v1.cluster_pb2 import Cluster, Controller, Leader, Revocation
from shoal_proto.v1.event_pb2 import Event
from shoal_proto.v1.node_pb2 import NodeSession, NodeSpec, NodeState, NodeStatus


@dataclass(frozen=True, slots=True)
class NodeParts:
    """What is stored of one node."""

    id: str
    spec: NodeSpec | None = None
    session: NodeSession | None = None
    status: NodeStatus | None = None


def node_events(before: NodeParts | None, after: NodeParts) -> Iterator[Event]:
    """Yield what happened to a node that is there; `before` None: everything that is stored of it is told."""
    spec = after.spec
    if spec is None:
        return
    old = before or NodeParts(after.id)
    name = spec.name
    if old.spec is None:
        yield event(NODE, after.id, "join", spec.joined_at, name=name, node=name)
    if spec is not old.spec and spec.HasField("cordoned_at"):
        at = spec.cordoned_at
        if old.spec is None or old.spec.cordoned_at != at:
            action = "cordon" if spec.cordoned else "uncordon"
            yield event(NODE, after.id, action, at, at.ToNanoseconds(), name=name, node=name)
    session = after.session
    if session is not None and (old.session is None or old.session.epoch != session.epoch):
        told = event(NODE, after.id, "agent-start", session.opened_at, session.epoch, name=name, node=name)
        told.attributes["boot_id"] = session.boot_id
        yield told
    if after.status is not None and after.status is not old.status:
        yield from _turned(name, after.id, old.status, after.status)
        yield from _cleaned(name, after.id, old.status, after.status)


def _turned(name: str, node: str, old: NodeStatus | None, status: NodeStatus) -> Iterator[Event]:
    actions = {NodeState.NODE_STATE_READY: "ready", NodeState.NODE_STATE_DOWN: "down"}
    action = actions.get(status.state)
    if action is None or (old is not None and (old.state, old.since) == (status.state, status.since)):
        return
    told = event(NODE, node, action, status.since, status.since.ToNanoseconds(), name=name, node=name)
    if status.reason and action == "down":
        told.attributes["reason"] = status.reason
    yield told


def _cleaned(name: str, node: str, old: NodeStatus | None, status: NodeStatus) -> Iterator[Event]:
    """Yield what an agent has cleared from its disk: the last times are in its description."""
    known = {(each.kind, each.at.ToNanoseconds()) for each in old.description.cleanings} if old is not None else set()
    for each in status.description.cleanings:
        at = each.at.ToNanoseconds()
        if (each.kind, at) in known:
            continue
        told = event(NODE, node, "clean", each.at, f"{each.kind}.{at}", name=name, node=name)
        told.attributes["kind"] = each.kind
        told.attributes["reason"] = each.reason
        told.attributes["count"] = str(each.count)
        told.attributes["names"] = ",".join(each.names)
        told.attributes["freed_bytes"] = str(each.freed_bytes)
        yield told


def revocation_events(revocation: Revocation) -> Iterator[Event]:
    """Yield that a node was removed: what is left of it is that its certificate counts no more."""
    if revocation.role != NODE:
        return
    name = revocation.name
    told = event(NODE, revocation.id, "remove", revocation.revoked_at, name=name, node=name)
    if revocation.reason:
        told.attributes["reason"] = revocation.reason
    yield told


def leader_event(leader: Leader, term: int) -> Event:
    """Return that a controller began to lead.

    Args:
        leader: as it is stored.
        term: the creation revision of what is stored, which no other term has.
    """
    return event(CLUSTER, leader.controller, "lead", leader.elected_at, term, name=leader.address)


def controller_event(controller: Controller) -> Event:
    """Return that a controller began to serve."""
    told = event(CLUSTER, controller.name, "serve", controller.started_at, name=controller.address)
    if controller.version:
        told.attributes["version"] = controller.version
    return told


def cluster_events(before: Cluster | None, after: Cluster) -> Iterator[Event]:
    """Yield that the cluster was made."""
    if before is None or before.id != after.id:
        yield event(CLUSTER, after.id, "create", after.created_at)
