"""`python -m bench.scale.planning`: what one plan of the leader costs, for growing clusters. No store, no network."""

from __future__ import annotations

import statistics
import time
from typing import Final

from shoal_controller.core.orchestrate import plan
from shoal_controller.core.snapshot import (
    Amounts,
    ContainerView,
    HoldView,
    NodeView,
    PlacementView,
    Snapshot,
    StatusView,
)
from shoal_proto.v1.node_pb2 import HoldRole

#: Nodes of each cluster; there are five containers for each.
SIZES: Final = (250, 500, 1000, 2000)
_EACH: Final = 5
#: New containers that wait for a place, and decisions in one plan: as many as the leader makes at a time.
_WAITING: Final = 24
_NEED: Final = Amounts(memory=1 << 28, cpu=100)
_ROUNDS: Final = 7


def cluster(nodes: int, *, waiting: int) -> Snapshot:
    """Return a cluster in which everything runs but `waiting` new containers."""
    containers: dict[str, ContainerView] = {}
    views: dict[str, NodeView] = {}
    holders: dict[str, frozenset[str]] = {}
    for number in range(nodes):
        node = f"{number:032x}"
        holds = {}
        for each in range(_EACH):
            id_ = f"{number * _EACH + each:064x}"
            containers[id_] = ContainerView(
                id_, need=_NEED, placement=PlacementView(node, 1, 1), status=StatusView(1, ended=False, run_served=1)
            )
            holds[id_] = HoldView(node, id_, 1, HoldRole.HOLD_ROLE_CURRENT, _NEED)
            holders[id_] = frozenset({node})
        capacity, reserved = Amounts(64 << 30, 16_000), Amounts(_EACH * _NEED.memory, _EACH * _NEED.cpu)
        views[node] = NodeView(
            node, f"n{number}", capacity=capacity, booked_capacity=capacity, reserved=reserved, holds=holds
        )
    for number in range(waiting):
        id_ = f"f{number:063x}"
        containers[id_] = ContainerView(id_, need=_NEED, created=number)
    return Snapshot(subnet="10.0.0.0/8", nodes=views, containers=containers, holders=holders)


def milliseconds(snapshot: Snapshot) -> float:
    """Return the median time of one plan."""
    samples = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        plan(snapshot, limit=_WAITING)
        samples.append((time.perf_counter() - began) * 1000)
    return statistics.median(samples)


def main() -> None:
    """Print the table."""
    print("| nodes | containers | nothing to decide, ms | 24 placements, ms |")
    print("|------:|-----------:|----------------------:|------------------:|")
    for nodes in SIZES:
        idle, busy = milliseconds(cluster(nodes, waiting=0)), milliseconds(cluster(nodes, waiting=_WAITING))
        print(f"| {nodes:5} | {nodes * _EACH:10} | {idle:21.1f} | {busy:17.1f} |")


if __name__ == "__main__":
    main()
