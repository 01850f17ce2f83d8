"""From decisions and reports to one transaction, with every compare that makes them safe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, cast

from shoal_common.errors import NotFound
from shoal_common.messages import copied
from shoal_common.status import is_over, order
from shoal_controller.core import orchestrate, removal, volumes
from shoal_controller.core.snapshot import NOTHING, StatusView
from shoal_controller.core.statuses import Verdict, frees, judge_removed, judge_status
from shoal_controller.leader.draft import resources
from shoal_controller.leader.port_messages import port_bindings
from shoal_controller.leader.projection import amounts
from shoal_controller.leader.volume_draft import VolumeDraft
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.store import SCHEMA, ContainerEntry, Stored
from shoal_proto.v1.container_pb2 import ContainerPlacement, ContainerSpec, ContainerStatus, DesiredState, Tombstone
from shoal_proto.v1.dispatcher_pb2 import StatusReport
from shoal_proto.v1.node_pb2 import Hold, HoldRole, NodeSession
from shoal_proto.v1.resources_pb2 import Address

#: Attempts that a status keeps.
_ATTEMPTS: Final = 16


class Draft(VolumeDraft):
    """A transaction of the leader under construction: decisions of the plan, and reports of nodes."""

    def decide(self, decision: orchestrate.Decision) -> None:
        """Add a decision of the core's plan.

        Raises:
            NotFound: an object that the decision needs is gone from the cache: plan anew.
        """
        match decision:
            case orchestrate.Place():
                self._place(decision)
            case orchestrate.Admit():
                self._admit(decision)
            case orchestrate.Release(container, node):
                entry, spec = self._container(container)
                self._require(keys.container_spec(entry.namespace, container), spec)
                self._require(keys.container_status(entry.namespace, container), entry.status)
                self._reserve(node, container, NOTHING)
            case orchestrate.Lower(container, node, reserve):
                entry, spec = self._container(container)
                self._require(keys.container_spec(entry.namespace, container), spec)
                self._require(keys.container_placement(entry.namespace, container), entry.placement)
                self._require(keys.container_status(entry.namespace, container), entry.status)
                self._reserve(node, container, reserve)
            case orchestrate.SetRemoved(container):
                entry, spec = self._container(container)
                self._require(keys.container_status(entry.namespace, container), entry.status)
                removed = copied(spec.value)
                removed.desired = DesiredState.DESIRED_STATE_REMOVED
                self._put(keys.container_spec(entry.namespace, container), spec, removed)
            case orchestrate.SetRole(container, node, role):
                entry, spec = self._container(container)
                self._require(keys.container_spec(entry.namespace, container), spec)
                self._require(keys.container_placement(entry.namespace, container), entry.placement)
                hold = copied(self._hold(node, container))
                hold.role = role
                if role == HoldRole.HOLD_ROLE_RETIRED:
                    # Whoever comes after it on this node may have them; the node has them free before it gives them.
                    del hold.ports[:]
                self._put(keys.hold(node, container), self._node(node).holds[container], hold)
                # Every transaction that concerns holds goes by the ledger, so that two can't pass each other.
                self._require(keys.node_ledger(node), self._node(node).ledger)
            case orchestrate.Finish(container):
                entry, spec = self._container(container)
                self._finish(entry, spec, final=entry.status.value if entry.status is not None else None)
            case orchestrate.SetLedger(node, _, reserved):
                self._set_ledger(node, reserved)
            case volumes.RemoveVolume(volume):
                self.remove_volume(volume)
            case volumes.LoseVolume(volume, node):
                self.lose_volume(volume, node)
            case volumes.ForgetVolume(volume):
                self.forget_volume(volume)
            case removal.GiveUp(container, node):
                self.give_up(container, node)
            case removal.Depart(node):
                self.depart(node)

    def _place(self, decision: orchestrate.Place) -> None:
        entry, spec = self._container(decision.container)
        namespace, container, node = entry.namespace, decision.container, decision.node
        self._require(keys.cluster(), self._cache.cluster)
        # An operator may have cordoned the node, or be removing it.
        self._require(keys.node_spec(node), self._node(node).spec)
        self._require(keys.container_spec(namespace, container), spec)
        self._require(keys.container_status(namespace, container), entry.status)
        self.place_volumes(spec.value.config, node)
        generation = (entry.status.value.generation if entry.status is not None else 0) + 1
        addresses = []
        if decision.address is not None:
            found = decision.address
            addresses.append(
                Address(
                    network=found.network,
                    ip=found.ip,
                    prefix_length=found.prefix_length,
                    gateway=found.gateway,
                    mac=found.mac,
                )
            )
            self._put(keys.address(found.network, found.ip), None, container)
        ports = port_bindings(decision.ports)
        placement = ContainerPlacement(
            schema=SCHEMA,
            node=node,
            generation=generation,
            addresses=addresses,
            run_admitted=decision.run_admitted,
            placed_at=self._now,
            ports=ports,
        )
        self._put(keys.container_placement(namespace, container), None, placement)
        hold = Hold(
            schema=SCHEMA,
            namespace=namespace,
            container=container,
            generation=generation,
            role=HoldRole.HOLD_ROLE_CURRENT,
            addresses=addresses,
            reserved=resources(decision.reserve),
            ports=ports,
        )
        self._put(keys.hold(node, container), None, hold)
        self._book(node, decision.reserve)

    def _admit(self, decision: orchestrate.Admit) -> None:
        entry, spec = self._container(decision.container)
        if entry.placement is None:
            raise NotFound(f"container {decision.container} is not placed any more")
        self._require(keys.container_spec(entry.namespace, entry.id), spec)
        self._require(keys.container_status(entry.namespace, entry.id), entry.status)
        placement = copied(entry.placement.value)
        placement.run_admitted = decision.run
        self._put(keys.container_placement(entry.namespace, entry.id), entry.placement, placement)
        self._reserve(decision.node, entry.id, decision.reserve)

    # Reports

    def report(self, node: str, session: Stored[NodeSession], report: StatusReport) -> Verdict:
        """Add what a node reports of one container, if it is news.

        Args:
            node: that reports.
            session: of the agent process that reports; the transaction holds only as long as no newer one took over.
            report: a status, or the news that nothing of a generation is left.
        """
        holds = self._node(node).holds
        hold = cast("Hold | None", self._current(keys.hold(node, report.id), holds.get(report.id)))
        entry = self._cache.containers.get(report.id)
        spec = entry.spec if entry is not None else None
        if entry is None or spec is None:
            return self._report_without_spec(node, session, report, hold)
        status_key = keys.container_status(entry.namespace, entry.id)
        stored = cast("ContainerStatus | None", self._current(status_key, entry.status))
        if report.removed:
            verdict = judge_removed(report.status.generation, hold=hold, desired=spec.value.desired)
            if verdict is Verdict.STORE and hold is not None:
                self._require(keys.node_session(node), session)
                self._drop_hold(node, entry, spec, _newest(stored, report.status))
            return verdict
        verdict = judge_status(report.status, hold=hold, stored=stored)
        if verdict is Verdict.STORE and hold is not None:
            self._require(keys.node_session(node), session)
            self._require(keys.hold(node, entry.id), holds[entry.id])
            self._require(keys.container_placement(entry.namespace, entry.id), entry.placement)
            status = copied(report.status)
            status.schema = SCHEMA
            del status.attempts[:-_ATTEMPTS]
            self._put(status_key, entry.status, status)
            if amounts(hold.reserved) and entry.placement is not None and _frees(entry, spec.value, status):
                self._require(keys.container_spec(entry.namespace, entry.id), spec)
                self._reserve(node, entry.id, NOTHING)
        return verdict

    def _report_without_spec(
        self, node: str, session: Stored[NodeSession], report: StatusReport, hold: Hold | None
    ) -> Verdict:
        """Add the end of a stray that an operator had removed; anything else is not for the store to know.

        What becomes of a hold whose spec was lost is for `cluster recover`.
        """
        if hold is None:
            return Verdict.OUTDATED
        if hold.role != HoldRole.HOLD_ROLE_REMOVE:
            return Verdict.REFUSE
        if not report.removed:
            return Verdict.OUTDATED
        verdict = judge_removed(report.status.generation, hold=hold, desired=None)
        if verdict is Verdict.STORE:
            self._require(keys.node_session(node), session)
            self._reserve(node, report.id, NOTHING)
            self._put(keys.hold(node, report.id), self._node(node).holds[report.id], None)
            if self._cache.holders(report.id) == {node}:
                self._free_left_over(report.id)
        return verdict

    def _free_left_over(self, container: str) -> None:
        """Free the names and addresses of a container that is no more, of which the store has lost the rest."""
        for key, owner in [*_names(self._cache), *_addresses(self._cache)]:
            if owner.value == container and not self.full:
                self._put(key, owner, None)

    def _drop_hold(
        self, node: str, entry: ContainerEntry, spec: Stored[ContainerSpec], final: ContainerStatus | None
    ) -> None:
        self._reserve(node, entry.id, NOTHING)
        self._put(keys.hold(node, entry.id), self._node(node).holds[entry.id], None)
        if spec.value.desired != DesiredState.DESIRED_STATE_REMOVED:
            # A superseded copy was pruned; the container lives on elsewhere.
            self._require(keys.container_spec(entry.namespace, entry.id), spec)
            return
        others = self._cache.holders(entry.id) - {node}
        if any(self._current(keys.hold(other, entry.id), self._node(other).holds[entry.id]) for other in others):
            self._require(keys.container_spec(entry.namespace, entry.id), spec)
            return
        self._finish(entry, spec, final=final)

    def _finish(self, entry: ContainerEntry, spec: Stored[ContainerSpec], *, final: ContainerStatus | None) -> None:
        """Delete a container that nobody holds any more, and put its tombstone."""
        namespace, container = entry.namespace, entry.id
        self._put(keys.container_spec(namespace, container), spec, None)
        self._put(keys.container_status(namespace, container), entry.status, None)
        self._put(keys.container_placement(namespace, container), entry.placement, None)
        self._free(entry, spec)
        tombstone = Tombstone(
            schema=SCHEMA,
            id=container,
            namespace=namespace,
            name=spec.value.name,
            status=final,
            request_mac=spec.value.request_mac,
            run=spec.value.run,
            removed_at=self._now,
            last_request_id=spec.value.last_request_id,
            image=spec.value.config.image,
            labels=spec.value.config.labels,
            node_name=self._node_name(entry),
            trace_id=spec.value.trace_id,
            created_at=spec.value.created_at,
            placed_at=entry.placement.value.placed_at if entry.placement is not None else None,
            generation=entry.placement.value.generation if entry.placement is not None else 0,
        )
        key = keys.tombstone(namespace, container)
        self._put(key, self._cache.tombstones.get((namespace, container)), tombstone)
        self._leased.add(key)


def _names(cache: ClusterCache) -> Iterator[tuple[str, Stored[str]]]:
    return ((keys.name(*name), owner) for name, owner in cache.names.items() if name[1] == "container")


def _addresses(cache: ClusterCache) -> Iterator[tuple[str, Stored[str]]]:
    return ((keys.address(*address), owner) for address, owner in cache.addresses.items())


def _newest(stored: ContainerStatus | None, reported: ContainerStatus) -> ContainerStatus | None:
    """Return the last thing that is known of a container: the report of its removal may bring how it ended."""
    if not reported.state or (stored is not None and order(reported) <= order(stored)):
        return stored
    return reported


def _frees(entry: ContainerEntry, spec: ContainerSpec, status: ContainerStatus) -> bool:
    placement = entry.placement
    return placement is not None and frees(
        StatusView(status.generation, is_over(status), status.run_served),
        generation=placement.value.generation,
        run_admitted=placement.value.run_admitted,
        desired=spec.desired,
    )
