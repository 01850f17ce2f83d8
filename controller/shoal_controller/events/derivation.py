"""From what the cache has, or from what a revision made of it, to events."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from shoal_controller.core.events import cluster, containers
from shoal_controller.core.events.cluster import NodeParts
from shoal_controller.core.events.containers import Parts
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.deltas import Delta
from shoal_controller.state.store import ContainerEntry, NodeEntry
from shoal_proto.v1.event_pb2 import Event


def derive(delta: Delta, node_name: Callable[[str], str]) -> Iterator[Event]:
    """Yield what happened in one revision, containers' attempts in their order."""
    if delta.cluster[1] is not None:
        before = delta.cluster[0]
        yield from cluster.cluster_events(before.value if before is not None else None, delta.cluster[1].value)
    old, leader = delta.leader
    if leader is not None and (old is None or old.create_revision != leader.create_revision):
        yield cluster.leader_event(leader.value, leader.create_revision)
    for controller in delta.controllers:
        yield cluster.controller_event(controller)
    for node_before, node in delta.nodes:
        if node is not None:
            yield from cluster.node_events(None if node_before is None else node_parts(node_before), node_parts(node))
    for revocation in delta.revoked:
        yield from cluster.revocation_events(revocation)
    gone: dict[str, Parts] = {}
    for container_before, container in delta.containers:
        parts = None if container_before is None else container_parts(container_before)
        if container is not None:
            yield from containers.container_events(parts, container_parts(container), node_name)
        elif parts is not None:
            gone[parts.id] = parts
    for tombstone in delta.tombstones:
        yield from containers.removal_events(gone.get(tombstone.id), tombstone)


def history(cache: ClusterCache, *, after: int = 0) -> Iterator[Iterator[Event]]:
    """Yield, object by object, all that stored objects tell of what happened.

    Args:
        after: leave out objects of which nothing was written after this revision.
    """
    node_name = names(cache)
    if cache.cluster is not None and cache.cluster.revision > after:
        yield cluster.cluster_events(None, cache.cluster.value)
    if cache.leader is not None and cache.leader.revision > after:
        yield iter((cluster.leader_event(cache.leader.value, cache.leader.create_revision),))
    for controller in list(cache.controllers.values()):
        if controller.revision > after:
            yield iter((cluster.controller_event(controller.value),))
    for revocation in list(cache.revoked.values()):
        if revocation.revision > after:
            yield cluster.revocation_events(revocation.value)
    for node in list(cache.nodes.values()):
        if _newest(node.spec, node.session, node.status) > after:
            yield cluster.node_events(None, node_parts(node))
    for tombstone in list(cache.tombstones.values()):
        if tombstone.revision > after:
            yield containers.removal_events(None, tombstone.value)
    for container in list(cache.containers.values()):
        if _newest(container.spec, container.placement, container.status) > after:
            yield containers.container_events(None, container_parts(container), node_name)


def names(cache: ClusterCache) -> Callable[[str], str]:
    """Return what gives a node's name by its id; its id once it is gone."""

    def name(node: str) -> str:
        entry = cache.nodes.get(node)
        return entry.spec.value.name if entry is not None and entry.spec is not None else node

    return name


def container_parts(entry: ContainerEntry) -> Parts:
    """Return a container as the derivation takes it."""
    return Parts(
        entry.namespace,
        entry.id,
        None if entry.spec is None else entry.spec.value,
        None if entry.placement is None else entry.placement.value,
        None if entry.status is None else entry.status.value,
    )


def node_parts(entry: NodeEntry) -> NodeParts:
    """Return a node as the derivation takes it."""
    return NodeParts(
        entry.id,
        None if entry.spec is None else entry.spec.value,
        None if entry.session is None else entry.session.value,
        None if entry.status is None else entry.status.value,
    )


def _newest(*parts: object) -> int:
    return max((getattr(part, "revision", 0) for part in parts if part is not None), default=0)
