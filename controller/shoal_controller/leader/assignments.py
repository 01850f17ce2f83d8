"""What a node is told of one hold: the hold, with what its spec and placement say."""

from __future__ import annotations

from shoal_common.containers.environment import unseal_env
from shoal_common.sealing import Sealer
from shoal_controller.state.cache import ClusterCache
from shoal_proto.v1.container_pb2 import DesiredState
from shoal_proto.v1.dispatcher_pb2 import Assignment
from shoal_proto.v1.node_pb2 import Hold, HoldRole


class Assignments:
    """The assignments of nodes, made from a cache.

    Args:
        cache: of the cluster.
        sealer: opens the environment, which travels in clear over a channel that both sides authenticate.
    """

    def __init__(self, cache: ClusterCache, sealer: Sealer) -> None:
        self._cache = cache
        self._sealer = sealer

    def of_node(self, node: str) -> dict[str, Assignment]:
        """Return all assignments of a node, by container id."""
        entry = self._cache.nodes.get(node)
        found = (self.of_hold(node, container) for container in (entry.holds if entry is not None else ()))
        return {assignment.id: assignment for assignment in found if assignment is not None}

    def of_hold(self, node: str, container: str) -> Assignment | None:
        """Return the assignment for one hold, or None if the node does not hold the container.

        Raises:
            Internal: the environment was sealed with another key.
        """
        node_entry = self._cache.nodes.get(node)
        stored = node_entry.holds.get(container) if node_entry is not None else None
        if stored is None:
            return None
        hold = stored.value
        assignment = Assignment(
            namespace=hold.namespace,
            id=container,
            generation=hold.generation,
            role=hold.role,
            desired=_desired(hold),
            addresses=hold.addresses,
            ports=hold.ports,
        )
        entry = self._cache.containers.get(container)
        if entry is None or entry.spec is None:
            # Its spec was lost with a part of the store. The node is told what it holds, and nothing to do with it.
            return assignment
        spec = entry.spec.value
        assignment.name = spec.name
        assignment.config.CopyFrom(spec.config)
        assignment.config.env[:] = unseal_env(self._sealer, spec.id, spec.sealed_env)
        assignment.image_repository = spec.image_repository
        assignment.image_digest = spec.image_digest
        assignment.stop_grace_ms = spec.stop_grace_ms
        assignment.trace_id = spec.trace_id
        assignment.permissions[:] = spec.permissions
        if hold.role == HoldRole.HOLD_ROLE_CURRENT:
            assignment.desired = spec.desired
            assignment.paused = spec.paused
            assignment.limits_changed = spec.limits_changed
        placement, status = entry.placement, entry.status
        if placement is not None and placement.value.generation == hold.generation:
            assignment.run_admitted = placement.value.run_admitted
        if status is not None and status.value.generation == hold.generation:
            assignment.ever_ready = status.value.ever_ready
        return assignment


def _desired(hold: Hold) -> DesiredState:
    """Return what a hold asks for by itself."""
    if hold.role == HoldRole.HOLD_ROLE_REMOVE:
        return DesiredState.DESIRED_STATE_REMOVED
    if hold.role == HoldRole.HOLD_ROLE_RETIRED:
        return DesiredState.DESIRED_STATE_STOPPED
    return DesiredState.DESIRED_STATE_UNSPECIFIED
