"""The streams to the agents during one term: who is connected, what each was told, and what it has to be told next.

Nothing queues up for a slow agent. A session only remembers which holds changed; what it sends is made from the cache
at the moment it is sent.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from shoal_common.assignments import set_digest
from shoal_common.errors import Exhausted, Internal, ShoalError
from shoal_controller.leader.assignments import Assignments
from shoal_controller.leader.volume_draft import removals
from shoal_controller.state.cache import Change, ClusterCache
from shoal_proto.v1.dispatcher_pb2 import (
    AcceptedReport,
    Assignment,
    AssignmentChange,
    AssignmentSet,
    Controllers,
    LeaderToAgent,
    ReportsAccepted,
    VolumeRemovals,
)
from shoal_proto.v1.node_pb2 import Hold

_log: Final = logging.getLogger(__name__)

#: Assignments in one message: far below the limit on messages, whatever their size.
_AT_ONCE: Final = 500
#: Acknowledgements that wait for an agent which goes on reporting without reading them.
_UNREAD: Final = 20_000


def _fingerprint(assignment: Assignment) -> bytes:
    return hashlib.blake2b(assignment.SerializeToString(deterministic=True), digest_size=16).digest()


class AgentSession:
    """One stream of one agent process.

    Args:
        node: that the agent speaks for.
        process_id: random, chosen by the agent process.
        assignments: of the cluster.
        cache: from which they are made.
    """

    def __init__(self, node: str, process_id: str, assignments: Assignments, cache: ClusterCache) -> None:
        self.node = node
        self.process_id = process_id
        self._assignments = assignments
        self._cache = cache
        self._changed: set[str] = set()
        self._all_changed = False
        self._accepted: dict[tuple[str, int], int] = {}
        self._controllers: tuple[str, ...] = ()
        self._controllers_told: tuple[str, ...] = ()
        self._told: dict[str, bytes] = {}
        #: Volumes that the agent is to remove, and those that it was told last.
        self.removals: tuple[str, ...] = ()
        self._removals_told: tuple[str, ...] = ()
        self._error: ShoalError | None = None
        self._ended = False
        self._wake = asyncio.Event()

    @property
    def told(self) -> Collection[str]:
        """Ids of the containers that the agent was told it holds."""
        return self._told.keys()

    def mark(self, containers: Collection[str], *, everything: bool = False) -> None:
        """Note that something changed about these containers, or about any."""
        self._changed.update(containers)
        self._all_changed |= everything
        self._wake.set()

    def hold(self, container: str) -> Hold | None:
        """Return what the node's hold of a container says; None if it has none."""
        entry = self._cache.nodes.get(self.node)
        stored = entry.holds.get(container) if entry is not None else None
        return stored.value if stored is not None else None

    def accept(self, container: str, generation: int, last: int) -> None:
        """Acknowledge all reports on a placement of a container up to number `last`."""
        key = (container, generation)
        self._accepted[key] = max(last, self._accepted.get(key, 0))
        if len(self._accepted) > _UNREAD:
            self.end(Exhausted(f"node {self.node} does not read what it is told"))
        self._wake.set()

    def tell_controllers(self, addresses: Sequence[str], *, later: bool = False) -> Sequence[str]:
        """Note where controllers are; `later`: the agent has to be told, else it is by whoever asks. Returns them."""
        self._controllers = tuple(addresses)
        if later:
            self._wake.set()
        else:
            self._controllers_told = self._controllers
        return self._controllers

    def tell_removals(self, volumes: Sequence[str]) -> None:
        """Note which volumes the agent is to remove, all of them."""
        volumes = tuple(volumes)
        if volumes != self.removals:
            self.removals = volumes
            self._wake.set()

    def end(self, error: ShoalError | None = None) -> None:
        """End the stream: with an error, or because the agent ended its side."""
        if not self._ended:
            self._ended, self._error = True, error
            self._wake.set()

    def first(self, known_digest: bytes) -> tuple[bool, LeaderToAgent | None]:
        """Return whether the agent's set is the leader's, and if not, the message with the whole set."""
        assignments = self._assignments.of_node(self.node)
        self._told = {container: _fingerprint(assignment) for container, assignment in assignments.items()}
        self._changed.clear()
        self._all_changed = False
        if known_digest and known_digest == set_digest(assignments.values()):
            return True, None
        message = self.message()
        message.set.CopyFrom(AssignmentSet(assignments=assignments.values()))
        return False, message

    async def next(self) -> list[LeaderToAgent] | None:
        """Wait until there is something to tell, and return it; None when the agent has ended its side.

        Raises:
            ShoalError: that ends the stream.
        """
        while True:
            if self._error is not None:
                raise self._error
            if self._ended:
                return None
            messages = [*self._changes(), *self._volume_removals()]
            messages += [*self._acknowledgements(), *self._news_of_controllers()]
            if messages:
                return messages
            self._wake.clear()
            await self._wake.wait()

    def _changes(self) -> Iterator[LeaderToAgent]:
        entry = self._cache.nodes.get(self.node)
        if self._all_changed:
            self._changed.update(self._told, entry.holds if entry is not None else ())
            self._all_changed = False
        while self._changed:
            change = AssignmentChange()
            while self._changed and len(change.put) + len(change.removed) < _AT_ONCE:
                self._add(self._changed.pop(), change)
            if change.put or change.removed:
                message = self.message()
                message.change.CopyFrom(change)
                yield message

    def _add(self, container: str, change: AssignmentChange) -> None:
        try:
            assignment = self._assignments.of_hold(self.node, container)
        except Internal as error:
            # One environment that can't be opened must not cost a node all its other containers.
            _log.error("can't tell node %s of container %s: %s", self.node, container, error)
            return
        if assignment is None:
            if self._told.pop(container, None) is not None:
                change.removed.append(container)
            return
        fingerprint = _fingerprint(assignment)
        if self._told.get(container) != fingerprint:
            self._told[container] = fingerprint
            change.put.append(assignment)

    def _acknowledgements(self) -> Iterator[LeaderToAgent]:
        if self._accepted:
            accepted = [
                AcceptedReport(id=container, generation=generation, report=report)
                for (container, generation), report in self._accepted.items()
            ]
            self._accepted.clear()
            message = self.message()
            message.accepted.CopyFrom(ReportsAccepted(reports=accepted))
            yield message

    def _news_of_controllers(self) -> Iterator[LeaderToAgent]:
        if self._controllers != self._controllers_told:
            self._controllers_told = self._controllers
            message = self.message()
            message.controllers.CopyFrom(Controllers(addresses=self._controllers))
            yield message

    def _volume_removals(self) -> Iterator[LeaderToAgent]:
        if self.removals != self._removals_told:
            self._removals_told = self.removals
            message = self.message()
            message.volume_removals.CopyFrom(VolumeRemovals(ids=self.removals))
            yield message

    def message(self) -> LeaderToAgent:
        """Return an empty message as of now."""
        cluster = self._cache.cluster
        return LeaderToAgent(
            cluster_id=cluster.value.id if cluster is not None else "",
            epoch=cluster.value.epoch if cluster is not None else 0,
            revision=self._cache.revision,
        )


class Sessions:
    """The sessions of one term, at most one for each node."""

    def __init__(self, cache: ClusterCache) -> None:
        self._cache = cache
        self._by_node: dict[str, AgentSession] = {}
        #: Nodes that were told of volumes to remove.
        self._removing: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self._by_node)

    def of(self, node: str) -> AgentSession | None:
        """Return the session of a node, if its agent is connected."""
        return self._by_node.get(node)

    def add(self, session: AgentSession) -> AgentSession | None:
        """Make `session` its node's, and return the one it replaces."""
        replaced = self._by_node.get(session.node)
        self._by_node[session.node] = session
        return replaced

    def remove(self, session: AgentSession) -> None:
        """Forget a session that has ended, unless another is its node's by now."""
        if self._by_node.get(session.node) is session:
            del self._by_node[session.node]

    def publish(self, change: Change) -> None:
        """Tell the sessions concerned what changed."""
        if change.everything or change.volumes or change.removed_containers:
            self.tell_removals()
        if change.everything:
            for session in self._by_node.values():
                session.mark((), everything=True)
            return
        concerned: dict[str, set[str]] = {}
        changed = change.containers | change.removed_containers
        for container in changed:
            for node in self._cache.holders(container):
                concerned.setdefault(node, set()).add(container)
        # A hold that is gone has no holder any more: whoever was told of it is in the change as a node.
        for node in change.nodes & self._by_node.keys():
            told, entry = self._by_node[node].told, self._cache.nodes.get(node)
            marked = concerned.setdefault(node, set())
            marked.update(changed.intersection(told))
            # Nor is one that has nothing but a hold among the containers: a stray that is to go.
            marked.update(set(told).symmetric_difference(entry.holds if entry is not None else ()))
        for node, containers in concerned.items():
            if containers and node in self._by_node:
                self._by_node[node].mark(containers)

    def tell_removals(self) -> None:
        """Tell the agents which volumes they are to remove."""
        pending = removals(self._cache)
        for node in pending.keys() | self._removing:
            if (session := self._by_node.get(node)) is not None:
                session.tell_removals(pending.get(node, ()))
        self._removing = frozenset(pending)

    def tell_controllers(self, addresses: Sequence[str]) -> None:
        """Tell all sessions where controllers are by now."""
        for session in self._by_node.values():
            session.tell_controllers(addresses, later=True)

    def end_all(self, error: ShoalError) -> None:
        """End all sessions with an error."""
        for session in list(self._by_node.values()):
            session.end(error)
