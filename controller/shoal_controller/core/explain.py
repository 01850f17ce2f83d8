"""Why a container waits, in one line, from the scheduler's own filters. Never stored: any controller computes it."""

from __future__ import annotations

from shoal_controller.core import allocation
from shoal_controller.core.filters import admitting, explain, placing
from shoal_controller.core.joining import beside
from shoal_controller.core.orchestrate import waits_for_admission, waits_for_node
from shoal_controller.core.snapshot import ContainerView, Snapshot
from shoal_controller.core.volumes import needs
from shoal_proto.v1.container_pb2 import DesiredState


def pending_reason(snapshot: Snapshot, container: ContainerView) -> str:
    """Return why a container is not placed, or its newest run not admitted; "" if it doesn't wait.

    For example "3 nodes: 2 lack memory (needs 8 GiB, most free 5.1 GiB), 1 fails constraint node.labels.ssd==true".
    """
    if waits_for_admission(container) and container.unchecked:
        return container.unchecked
    if waits_for_admission(container):
        return _admission(snapshot, container)
    if waits_for_node(container):
        return _placement(snapshot, container)
    if container.placement is None and container.desired == DesiredState.DESIRED_STATE_STOPPED:
        return "stopped before it was placed (shoal start places it)"
    return ""


def _admission(snapshot: Snapshot, container: ContainerView) -> str:
    hold = snapshot.hold_of(container)
    if hold is None:
        return "its node is not part of the cluster any more"
    more = container.need - hold.reserved
    return explain([snapshot.nodes[hold.node]], admitting(more))


def _placement(snapshot: Snapshot, container: ContainerView) -> str:
    if not snapshot.initialised:
        return "the cluster has no identity in etcd (shoal controller init makes a new cluster)"
    if not snapshot.nodes:
        return "no node has joined the cluster (shoal agent on a host joins it)"
    nodes = sorted(snapshot.nodes.values(), key=lambda node: node.name)
    filters = (
        *placing(container.need, (), container.ports),
        *needs(container, snapshot.volumes),
        *beside(container, snapshot.containers, {}),
    )
    if reason := explain(nodes, filters):
        return reason
    if container.addressed and len(snapshot.addresses) >= allocation.room(snapshot.subnet):
        return f"no address is free in {snapshot.subnet} (remove containers, or run some with --network none)"
    return ""
