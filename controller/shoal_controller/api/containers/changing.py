"""Changing what a container that exists is asked for: its restart policy and its limits."""

from __future__ import annotations

from shoal_common.containers.limits import merged
from shoal_common.errors import Conflict, InvalidSpec
from shoal_common.messages import copied
from shoal_controller.api.containers import stopping
from shoal_controller.api.containers.phases import is_live, present_status
from shoal_controller.api.containers.reading import name_of
from shoal_controller.api.validation import life
from shoal_controller.core.limiting import raised, refusal
from shoal_controller.core.snapshot import NOTHING
from shoal_controller.leader.draft import resources
from shoal_controller.leader.projection import amounts, limits_wish, node_view
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.kv import Txn
from shoal_controller.state.store import SCHEMA, ContainerEntry, NodeEntry, encode
from shoal_proto.v1.container_pb2 import ContainerSpec, UpdateContainerRequest
from shoal_proto.v1.node_pb2 import NodeLedger
from shoal_proto.v1.resources_pb2 import Resources


class Changing:
    """The change of a spec that a request asks for, and the bookings that go with it.

    Raises:
        InvalidSpec: it asks for nothing, or for what can't be.
    """

    def __init__(self, request: UpdateContainerRequest, cache: ClusterCache) -> None:
        self._request = request
        self._cache = cache
        self._limits = Resources()
        self._limited = bool(request.resources.ListFields())
        if not (self._limited or request.HasField("restart")):
            raise InvalidSpec(
                f'nothing is to be changed of container "{request.container.ref}" (name a limit or a restart policy)'
            )
        if request.HasField("restart"):
            life.restart(request.restart, auto_remove=False)

    def change(self, spec: ContainerSpec, entry: ContainerEntry) -> None:
        """Change a copy of a container's spec.

        Raises:
            InvalidSpec: the container can't have that.
            Conflict: it is gone, or its node can't hold it to that.
        """
        stopping.refuse_gone(entry, "changed")
        if self._request.HasField("restart"):
            self._change_restart(spec, entry)
        if self._limited:
            self._change_limits(spec, entry)

    def _change_restart(self, spec: ContainerSpec, entry: ContainerEntry) -> None:
        try:
            life.restart(self._request.restart, auto_remove=spec.config.auto_remove)
        except InvalidSpec:
            raise InvalidSpec(
                f'container "{name_of(entry)}" is removed once it has ended and can\'t be started again '
                "(it was made with --rm)"
            ) from None
        spec.config.restart.CopyFrom(self._request.restart)

    def _change_limits(self, spec: ContainerSpec, entry: ContainerEntry) -> None:
        try:
            limits = merged(spec.config.resources, self._request.resources)
        except InvalidSpec as error:
            raise InvalidSpec(f'container "{name_of(entry)}" can\'t be limited so: {error.message}') from None
        found = self._home(entry)
        if found is not None:
            node = node_view(found)
            hold = node.holds[entry.id]
            if reason := refusal(node, hold, amounts(limits), limits_wish(limits), runs=is_live(entry)):
                raise Conflict(f'container "{name_of(entry)}" can\'t be limited so: {reason}')
        spec.config.resources.CopyFrom(limits)
        status = present_status(entry)
        # Also above what a node has served of which the store lost the rest.
        spec.limits_changed = 1 + max(spec.limits_changed, status.limits_served if status is not None else 0)
        self._limits = limits

    def book(self, txn: Txn, entry: ContainerEntry) -> None:
        """Book, with the change, what the container is to have more while something is booked for it."""
        if not self._limited:
            return
        placement = entry.placement
        # What the leader does meanwhile (a place, a start, an end) goes by the placement or by the hold.
        txn.require(
            keys.container_placement(entry.namespace, entry.id),
            revision=placement.revision if placement is not None else 0,
        )
        found = self._home(entry)
        if found is None:
            return
        held = found.holds[entry.id]
        key, reserved = keys.hold(found.id, entry.id), amounts(held.value.reserved)
        more = raised(reserved, amounts(self._limits)) - reserved if reserved else NOTHING
        if not more:
            txn.require(key, revision=held.revision)
            return
        hold = copied(held.value)
        hold.reserved.CopyFrom(resources(reserved + more))
        txn.put(key, encode(hold), expect=held.revision)
        # Every booking on a node goes by its ledger: two can't both have the last room.
        ledger = copied(found.ledger.value) if found.ledger is not None else NodeLedger(schema=SCHEMA)
        ledger.reserved.CopyFrom(resources(amounts(ledger.reserved) + more))
        txn.put(
            keys.node_ledger(found.id), encode(ledger), expect=found.ledger.revision if found.ledger is not None else 0
        )

    def _home(self, entry: ContainerEntry) -> NodeEntry | None:
        """Return the node where a container is placed; None if it is nowhere, or what holds it is being set right."""
        if entry.placement is None:
            return None
        placement = entry.placement.value
        node = self._cache.nodes.get(placement.node)
        hold = node.holds.get(entry.id) if node is not None else None
        return node if hold is not None and hold.value.generation == placement.generation else None
