"""Where a container goes: of the nodes that pass all filters, the one that spreads best.

Fewest containers first, then most free memory, then name: the same snapshot always gives the same answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from shoal_controller.core.filters import Constraint, placing
from shoal_controller.core.snapshot import Amounts, ContainerView, NodeView
from shoal_proto.v1.node_pb2 import HoldRole


class Room:
    """The nodes while a plan is made: what is taken by one decision is not there for the next."""

    def __init__(self, nodes: Iterable[NodeView]) -> None:
        self._nodes = {node.id: node for node in nodes}
        self._counts = {
            node.id: sum(hold.role == HoldRole.HOLD_ROLE_CURRENT for hold in node.holds.values())
            for node in self._nodes.values()
        }
        #: Nodes that meet a set of constraints: these don't change while a plan is made.
        self._eligible: dict[tuple[str, ...], list[str]] = {}
        #: What was asked for in vain. Until something is freed it needs no other look.
        self._vain: set[tuple[Amounts, tuple[str, ...]]] = set()

    def free(self, node: str) -> Amounts | None:
        """Return what is free on a node now, or None if it isn't known."""
        return self._nodes[node].free if node in self._nodes else None

    def take(self, node: str, amounts: Amounts) -> None:
        """Book `amounts` on a node."""
        self._nodes[node] = replace(self._nodes[node], reserved=self._nodes[node].reserved + amounts)

    def give_back(self, node: str, amounts: Amounts) -> None:
        """Free `amounts` on a node."""
        self.take(node, Amounts() - amounts)
        self._vain.clear()

    def set_ledger(self, node: str, *, capacity: Amounts, reserved: Amounts) -> None:
        """Correct what is known of a node."""
        self._nodes[node] = replace(self._nodes[node], booked_capacity=capacity, reserved=reserved, has_ledger=True)
        self._vain.clear()

    def place(self, container: ContainerView, *, reserve: Amounts) -> str | None:
        """Choose a node for a container, book `reserve` there, and return the node's id; None if none can take it.

        The whole of its need has to fit, also when less is reserved: a container that could never start on its node
        must not be sent there.
        """
        wanted = (container.need, container.constraints)
        if wanted in self._vain:
            return None
        filters = placing(container.need, ())
        candidates = [
            node
            for node in map(self._nodes.__getitem__, self._meeting(container.constraints))
            if container.id not in node.holds and node.has_ledger and all(each.check(node) for each in filters)
        ]
        if not candidates:
            if not any(container.id in node.holds for node in self._nodes.values()):
                self._vain.add(wanted)
            return None
        best = min(candidates, key=lambda node: (self._counts[node.id], -node.free.memory, node.name, node.id))
        self._counts[best.id] += 1
        self.take(best.id, reserve)
        return best.id

    def _meeting(self, constraints: tuple[str, ...]) -> list[str]:
        if constraints not in self._eligible:
            checks = [Constraint(text) for text in constraints]
            self._eligible[constraints] = [
                node.id for node in self._nodes.values() if all(check.check(node) for check in checks)
            ]
        return self._eligible[constraints]
