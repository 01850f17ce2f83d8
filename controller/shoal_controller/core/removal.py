"""How a node leaves the cluster: what it holds is given up, a hold at a time, then nothing of the node is left.

Only an operator's word does this (`NodeSpec.removal`), never a node's silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from shoal_controller.core.snapshot import Snapshot
from shoal_controller.core.volumes import keepers
from shoal_proto.v1.node_pb2 import NodeRemoval


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Give up what a node may have of a container; if it is there that the container is placed, it is lost."""

    container: str
    node: str


@dataclass(frozen=True, slots=True)
class Depart:
    """Delete all that is stored of a node that holds nothing."""

    node: str


def removals(snapshot: Snapshot, aside: frozenset[str]) -> Iterator[GiveUp | Depart]:
    """Yield what is to be done about nodes that leave.

    A node that was found empty, and holds something all the same, is left as it is: nobody said that it may be lost.

    Args:
        snapshot: of the cluster.
        aside: ids of containers and nodes about which nothing is decided.
    """
    # Only an operator's word gives up data: a volume is lost before its node departs.
    data = keepers(snapshot)
    for node in sorted(snapshot.nodes.values(), key=lambda each: each.id):
        if not node.removal or node.id in aside:
            continue
        if not node.holds and node.id not in data:
            yield Depart(node.id)
        elif node.removal == NodeRemoval.NODE_REMOVAL_FORCED:
            for container in sorted(node.holds.keys() - aside):
                yield GiveUp(container, node.id)


def given_up(snapshot: Snapshot) -> frozenset[str]:
    """Return the ids of the containers about which nothing else is decided before they are given up."""
    forced = (node for node in snapshot.nodes.values() if node.removal == NodeRemoval.NODE_REMOVAL_FORCED)
    return frozenset(container for node in forced for container in node.holds)
