"""Containers and nodes as the API shows them: what is stored, joined, without what is nobody's business."""

from __future__ import annotations

import time
from typing import Final

from shoal_common.containers.environment import unseal_env
from shoal_common.identity import Role
from shoal_common.sealing import Sealer
from shoal_controller.api.containers.phases import (
    has_known_state,
    is_admitted,
    is_live,
    is_wanted,
    phase_of,
    present_status,
)
from shoal_controller.api.containers.reasons import PendingReasons
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.store import ContainerEntry, NodeEntry
from shoal_proto.v1.container_pb2 import Container, ContainerPhase, ContainerState
from shoal_proto.v1.node_pb2 import HoldRole, Node, NodeState
from shoal_proto.v1.resources_pb2 import Reach

#: Phases of which the node may say why: why it ended so, or what keeps it from being prepared.
_EXPLAINED: Final = (
    ContainerPhase.CONTAINER_PHASE_PREPARING,
    ContainerPhase.CONTAINER_PHASE_EXITED,
    ContainerPhase.CONTAINER_PHASE_FAILED,
    ContainerPhase.CONTAINER_PHASE_RESTARTING,
)


class Views:
    """Joins what the cache has.

    Args:
        sealer: opens environments.
    """

    def __init__(self, cache: ClusterCache, sealer: Sealer) -> None:
        self._cache = cache
        self._sealer = sealer
        self._reasons = PendingReasons(cache)

    def container(self, entry: ContainerEntry) -> Container:
        """Return a container as the API answers it.

        Raises:
            Internal: its environment was sealed with another key.
        """
        view = Container(phase=phase_of(entry), detail=self.detail(entry), node_name=self.node_name(entry))
        if entry.spec is not None:
            view.spec.CopyFrom(entry.spec.value)
            view.spec.config.env[:] = unseal_env(self._sealer, entry.id, entry.spec.value.sealed_env)
            view.spec.sealed_env = b""
            view.spec.request_mac = b""
        if entry.placement is not None:
            view.placement.CopyFrom(entry.placement.value)
            for address in view.placement.addresses:
                address.reach = Reach.REACH_NODE
            view.node_address = self._address_of(entry)
        if entry.status is not None:
            view.status.CopyFrom(entry.status.value)
        view.revision = revision_of(entry)
        node = self.node_of(entry)
        if node is not None and is_down(node) and node.status is not None:
            view.node_down_since.CopyFrom(node.status.value.since)
        return view

    def detail(self, entry: ContainerEntry, *, ages: bool = True) -> str:
        """Return the one line that says what phase and node leave open; empty if nothing.

        Args:
            ages: say for how long; without, the line stays the same until something happens.
        """
        phase = phase_of(entry)
        said = ""
        if entry.placement is None or phase == ContainerPhase.CONTAINER_PHASE_PENDING:
            said = self._reasons.of(entry)
        elif phase == ContainerPhase.CONTAINER_PHASE_RUNNING and is_wanted(entry) and not is_admitted(entry):
            said = f"its restart waits: {self._reasons.of(entry)}"
        elif phase in _EXPLAINED:
            said = _why(entry)
            if phase == ContainerPhase.CONTAINER_PHASE_PREPARING and not said:
                # A full disk may keep the node from telling the container's own story.
                said = self._problem_of(entry)
            if phase == ContainerPhase.CONTAINER_PHASE_RESTARTING and ages:
                said = ": ".join(filter(None, (_when(entry), said)))
        elif phase == ContainerPhase.CONTAINER_PHASE_LOST:
            return "its node was removed from the cluster by force"
        elif (status := present_status(entry)) is not None and not has_known_state(status):
            said = f"state {status.state} of a newer version of Shoal"

        node = self.node_of(entry)
        if node is not None and is_down(node):
            # What has ended needs its node no more, but to be started again or removed.
            down = f"node down {age(node)} s" if ages else "node down"
            if phase == ContainerPhase.CONTAINER_PHASE_REMOVING:
                down = f"waits for node {node_name(node)}, which is down"
            said = f"{said}; {down}" if said else down
        return said

    def _address_of(self, entry: ContainerEntry) -> str:
        """Return the address by which the node of a container is reached from outside; nothing if it is not known."""
        node = self.node_of(entry)
        described = node.status.value.description.address if node is not None and node.status is not None else ""
        return described.rpartition(":")[0].strip("[]")

    def _problem_of(self, entry: ContainerEntry) -> str:
        node = self.node_of(entry)
        if node is None or node.status is None:
            return ""
        return "; ".join(each.message or each.kind for each in node.status.value.description.problems)

    def node_of(self, entry: ContainerEntry) -> NodeEntry | None:
        """Return the node where a container is placed, if that is still known."""
        return None if entry.placement is None else self._cache.nodes.get(entry.placement.value.node)

    def node_name(self, entry: ContainerEntry) -> str:
        """Return the name of the node where a container is or was placed; its id if no name is known; else nothing."""
        node = self.node_of(entry)
        if node is not None and node.spec is not None:
            return node_name(node)
        if entry.placement is None:
            return ""
        removed = self._cache.revoked.get((Role.NODE, entry.placement.value.node))
        return (removed.value.name if removed is not None else "") or entry.placement.value.node


def node_view(cache: ClusterCache, entry: NodeEntry) -> Node:
    """Return a node as the API answers it."""
    view = Node()
    parts = (entry.spec, entry.session, entry.status, entry.ledger)
    if entry.spec is not None:
        view.spec.CopyFrom(entry.spec.value)
    if entry.session is not None:
        view.session.CopyFrom(entry.session.value)
    if entry.status is not None:
        view.status.CopyFrom(entry.status.value)
    if entry.ledger is not None:
        view.ledger.CopyFrom(entry.ledger.value)
    current = [id_ for id_, hold in entry.holds.items() if hold.value.role == HoldRole.HOLD_ROLE_CURRENT]
    view.containers = len(current)
    running = [cache.containers[id_] for id_ in current if id_ in cache.containers and is_live(cache.containers[id_])]
    view.running = len(running)
    view.stopping = sum(phase_of(each) == ContainerPhase.CONTAINER_PHASE_STOPPING for each in running)
    view.revision = max((part.revision for part in parts if part is not None), default=0)
    return view


def node_name(entry: NodeEntry) -> str:
    """Return a node's name; its id if it has none."""
    return entry.spec.value.name if entry.spec is not None else entry.id


def is_down(entry: NodeEntry) -> bool:
    """Say whether the node hasn't been heard of for too long."""
    return entry.status is not None and entry.status.value.state == NodeState.NODE_STATE_DOWN


def is_ready(entry: NodeEntry) -> bool:
    """Say whether the node answers."""
    return entry.status is not None and entry.status.value.state == NodeState.NODE_STATE_READY


def age(entry: NodeEntry) -> int:
    """Return for how many seconds a node has been in its state."""
    return 0 if entry.status is None else max(0, int(time.time() - entry.status.value.since.ToNanoseconds() / 1e9))


def revision_of(entry: ContainerEntry) -> int:
    """Return the highest revision among the parts of a container."""
    parts = (entry.spec, entry.placement, entry.status)
    return max((part.revision for part in parts if part is not None), default=0)


def _when(entry: ContainerEntry) -> str:
    status = present_status(entry)
    left = 0.0 if status is None else status.restart_at.ToNanoseconds() / 1e9 - time.time()
    return f"again in {left:.0f} s" if left >= 1 else "again in a moment"


def _why(entry: ContainerEntry) -> str:
    status = present_status(entry)
    if status is None:
        return ""
    if status.oom_killed and status.state == ContainerState.CONTAINER_STATE_EXITED:
        return status.reason or "killed: out of memory"
    return status.reason
