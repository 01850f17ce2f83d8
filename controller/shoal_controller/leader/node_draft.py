"""What becomes of nodes in a draft: sessions, descriptions, states, and their way out of the cluster."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, cast

from shoal_common.errors import NotFound
from shoal_common.ids import DEFAULT_NAMESPACE
from shoal_common.messages import copied
from shoal_controller.core.snapshot import NOTHING
from shoal_controller.leader.draft import BaseDraft
from shoal_controller.state import keys
from shoal_controller.state.store import SCHEMA
from shoal_proto.v1.node_pb2 import NodeDescription, NodeSession, NodeState, NodeStatus

#: Strays that a node's status names.
_STRAYS: Final = 1000


class NodeDraft(BaseDraft):
    """The part of a draft that concerns nodes."""

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
            opened = NodeSession() if session is None else copied(session)
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
        if self._node(node).spec is None:
            return  # It was removed while its agent's news waited; nothing of it may come back.
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

    # Out of the cluster

    def give_up(self, container: str, node: str) -> None:
        """Delete the hold of a node that is removed by force; a container that is placed there is lost.

        Raises:
            NotFound: the node does not hold it any more.
        """
        hold = self._hold(node, container)
        self._require(keys.node_spec(node), self._node(node).spec)
        self._reserve(node, container, NOTHING)
        self._put(keys.hold(node, container), self._node(node).holds[container], None)
        entry = self._cache.containers.get(container)
        if entry is None:
            return
        placement, spec = entry.placement, entry.spec
        self._require(keys.container_spec(entry.namespace, container), spec)
        self._require(keys.container_placement(entry.namespace, container), placement)
        if placement is None or spec is None:
            return
        if (placement.value.node, placement.value.generation) != (node, hold.generation):
            return  # A copy that was superseded.
        lost = copied(placement.value)
        lost.lost_at.CopyFrom(self._now)
        self._put(keys.container_placement(entry.namespace, container), placement, lost)
        self._free(entry, spec)

    def depart(self, node: str) -> None:
        """Delete all that is stored of a node. Its revocation stays."""
        entry = self._node(node)
        if entry.spec is None:
            raise NotFound(f"node {node} is gone")
        if entry.holds:
            raise NotFound(f"node {node} holds containers again")
        self._put(keys.node_spec(node), entry.spec, None)
        self._put(keys.node_session(node), entry.session, None)
        self._put(keys.node_status(node), entry.status, None)
        # Whatever is booked meanwhile raises its revision.
        self._put(keys.node_ledger(node), entry.ledger, None)
        self._free_name(DEFAULT_NAMESPACE, "node", entry.spec.value.name, node)

    def _node_status(self, node: str) -> NodeStatus:
        """Return a copy of a node's status; without a schema if it has none yet."""
        current = cast("NodeStatus | None", self._current(keys.node_status(node), self._node(node).status))
        return copied(current) if current is not None else NodeStatus()
