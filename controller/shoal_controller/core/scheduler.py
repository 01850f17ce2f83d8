"""Where a container goes: of the nodes that pass all filters, the one that spreads best.

Fewest containers first, then most free memory, then name: the same snapshot always gives the same answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from heapq import heapify, heappop, heappush, heapreplace

from shoal_controller.core.filters import Filter, placing
from shoal_controller.core.joining import beside
from shoal_controller.core.ports import PortView, PortWish, Refusal, choose, taken
from shoal_controller.core.snapshot import Amounts, ContainerView, NodeView, VolumeView
from shoal_controller.core.volumes import needs, pinned

#: What nodes are chosen by, the least first: containers, free memory (negative), name, id.
_Rank = tuple[int, int, str, str]
#: What is asked of a node, as far as nodes go on lacking it once they do: amounts, needs beside room, ports.
_Asked = tuple[Amounts, tuple[Filter, ...], tuple[PortWish, ...]]


class Room:
    """The nodes while a plan is made: what is taken by one decision is not there for the next."""

    def __init__(
        self, nodes: Iterable[NodeView], volumes: Mapping[str, VolumeView], containers: Mapping[str, ContainerView]
    ) -> None:
        self._nodes = {node.id: node for node in nodes}
        self._containers = containers
        #: Nodes of containers that this plan places, by their ids.
        self._placed: dict[str, str] = {}
        self._counts = {node.id: node.current for node in self._nodes.values()}
        #: As they will be placed.
        self._volumes = dict(volumes)
        #: Nodes that have what is needed beside room: that doesn't change while a plan is made.
        self._eligible: dict[tuple[Filter, ...], list[str]] = {}
        #: For what is asked for, the nodes that may have it: a heap, the best first. Good until something is freed.
        self._ranked: dict[_Asked, list[_Rank]] = {}

    def free(self, node: str) -> Amounts | None:
        """Return what is free on a node now, or None if it isn't known."""
        return self._nodes[node].free if node in self._nodes else None

    def take(self, node: str, amounts: Amounts) -> None:
        """Book `amounts` on a node."""
        if amounts.memory < 0 or amounts.cpu < 0:
            self._ranked.clear()
        self._nodes[node] = replace(self._nodes[node], reserved=self._nodes[node].reserved + amounts)

    def give_back(self, node: str, amounts: Amounts) -> None:
        """Free `amounts` on a node."""
        self.take(node, Amounts() - amounts)

    def set_ledger(self, node: str, *, capacity: Amounts, reserved: Amounts) -> None:
        """Correct what is known of a node."""
        self._nodes[node] = replace(self._nodes[node], booked_capacity=capacity, reserved=reserved, has_ledger=True)
        self._ranked.clear()

    def place(self, container: ContainerView, *, reserve: Amounts) -> tuple[str, tuple[PortView, ...]] | None:
        """Choose a node for a container and its ports there, and book both; None if no node can take it.

        The whole of its need has to fit, also when less is reserved: a container that could never start on its node
        must not be sent there.

        Returns:
            The node's id, and its ports that lead to the container.
        """
        needed = (*needs(container, self._volumes), *beside(container, self._containers, self._placed))
        wanted = (container.need, needed, container.ports)
        if wanted not in self._ranked:
            ranked = [self._rank(node) for node in self._meeting(needed)]
            heapify(ranked)
            self._ranked[wanted] = ranked
        best = self._first(self._ranked[wanted], container, placing(container.need, (), container.ports))
        if best is None:
            return None
        self._counts[best] += 1
        self._placed[container.id] = best
        # Who comes next and names the same volume goes to the same node.
        self._volumes |= pinned(container, self._volumes, self._nodes[best])
        self.take(best, reserve)
        return best, self._take_ports(best, container)

    def _take_ports(self, node: str, container: ContainerView) -> tuple[PortView, ...]:
        view = self._nodes[node]
        ports = choose(container.ports, view.ports, seed=container.id)
        if isinstance(ports, Refusal):
            raise AssertionError(f"{node} passed the filter of ports, and lacks {ports.wish}")
        if ports:
            self._nodes[node] = replace(view, ports=taken(view.ports, container.id, ports))
        return ports

    def _first(self, ranked: list[_Rank], container: ContainerView, filters: tuple[Filter, ...]) -> str | None:
        """Return the node that ranks first of those that can take a container, and forget those that can take no such.

        While room is only taken nodes only fall behind, and one that lacks room goes on lacking it: a rank that is out
        of date is corrected when it comes first.
        """
        passed_over = []
        found = None
        while ranked and found is None:
            node = self._nodes[ranked[0][-1]]
            if (rank := self._rank(node.id)) != ranked[0]:
                heapreplace(ranked, rank)
            elif container.id in node.holds:
                passed_over.append(heappop(ranked))
            elif node.has_ledger and all(each.check(node) for each in filters):
                found = node.id
            else:
                heappop(ranked)
        for rank in passed_over:
            heappush(ranked, rank)
        return found

    def _rank(self, node: str) -> _Rank:
        view = self._nodes[node]
        return self._counts[node], -view.free.memory, view.name, node

    def _meeting(self, needed: tuple[Filter, ...]) -> list[str]:
        if needed not in self._eligible:
            self._eligible[needed] = [
                node.id for node in self._nodes.values() if all(check.check(node) for check in needed)
            ]
        return self._eligible[needed]
