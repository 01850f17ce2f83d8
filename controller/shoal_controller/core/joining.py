"""Where containers go that join the namespaces of another one: to its node, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shoal_common.ids import SHORT_ID
from shoal_controller.core.filters import Filter
from shoal_controller.core.snapshot import ContainerView, NodeView

#: Nodes that a reason names one by one; of more it gives the number.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Beside:
    """The node is the one of the container whose namespaces are joined.

    Attributes:
        name: of that container.
        node: id of its node; "" if there is none.
        why_not: it is on no node, and why.
    """

    name: str
    node: str = ""
    why_not: str = ""

    def check(self, node: NodeView) -> bool:
        return bool(self.node) and self.node == node.id

    def explain(self, refused: Sequence[NodeView]) -> str:
        what = f"container {self.name}, which it joins,"
        if not self.node:
            return f"{what} {self.why_not}"
        if len(refused) > _NAMED:
            return f"{len(refused)} are not the node where {what} is"
        return f"{', '.join(node.name for node in refused)}: not where {what} is"


def beside(
    container: ContainerView, containers: Mapping[str, ContainerView], placed: Mapping[str, str]
) -> tuple[Filter, ...]:
    """Return what a container asks of a node because of the one that it joins.

    Args:
        containers: all there are.
        placed: ids of nodes, by container, that are given to containers in the plan under way.
    """
    if not container.joins:
        return ()
    target = containers.get(container.joins)
    if target is None:
        return (Beside(container.joins[:SHORT_ID], why_not="is not in the cluster any more"),)
    name = target.name or target.id[:SHORT_ID]
    placement = target.placement
    if placement is not None and placement.lost:
        return (Beside(name, why_not="was lost with its node"),)
    node = placement.node if placement is not None else placed.get(target.id, "")
    return (Beside(name, node, "" if node else "has no node yet"),)
