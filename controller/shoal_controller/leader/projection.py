"""The cache as the core sees it. Used by the leader to plan, and by every controller's API to explain."""

from __future__ import annotations

import re
from typing import Final

from google.protobuf.message import Message

from shoal_common.containers.cpusets import parse_set
from shoal_common.containers.limits import asked
from shoal_common.containers.namespaces import is_addressed, joined_id, shares_host
from shoal_common.containers.permissions import unchecked
from shoal_common.errors import InvalidSpec
from shoal_common.ids import SHORT_ID
from shoal_common.status import is_over
from shoal_controller.core.ports import PortView, Taken, taken_by
from shoal_controller.core.snapshot import (
    DEFAULT_NETWORK,
    NO_LIMITS,
    NOTHING,
    Amounts,
    ContainerView,
    HoldView,
    LimitsWish,
    NodeView,
    PlacementView,
    Snapshot,
    StatusView,
    VolumeView,
)
from shoal_controller.leader.port_messages import port_views, port_wishes
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.store import ContainerEntry, NodeEntry, VolumeEntry
from shoal_proto.v1.container_pb2 import ContainerConfig, ContainerSpec, ContainerState, MountKind
from shoal_proto.v1.node_pb2 import Hold, NodeRemoval, NodeState
from shoal_proto.v1.resources_pb2 import Resources

#: Highest field of a configuration that agents know which do not say what they know: those of 0.2.
_KNOWN_TO_ALL: Final = 16
#: Fields that are no agent's: it is told of ports by what was chosen for them, and goes by its addresses.
_NO_AGENTS: Final = frozenset({"ports", "publish_all", "exposed_ports"})
_WITH_PROCESS: Final = frozenset(
    {
        ContainerState.CONTAINER_STATE_STARTING,
        ContainerState.CONTAINER_STATE_RUNNING,
        ContainerState.CONTAINER_STATE_STOPPING,
    }
)
#: Stands for processors that no node has.
_NOWHERE: Final = frozenset({-1})
#: The port at the end of an address. A node may say anything, and Python reads no number of thousands of digits.
_PORT: Final = re.compile(r":([0-9]{1,5})$")
#: Characters of a node's problems that are told with every container that waits for it.
_LONGEST_PROBLEM: Final = 300


def amounts(resources: Resources) -> Amounts:
    """Return what of `resources` is reserved."""
    return Amounts(memory=resources.memory_bytes, cpu=resources.cpu_millis)


def limits_wish(resources: Resources) -> LimitsWish:
    """Return what of `resources` not every node can do. A set that can't be read is one that no node has."""
    kinds = asked(resources)
    if not kinds:
        return NO_LIMITS
    return LimitsWish(kinds, _numbers(resources.cpuset_cpus), _numbers(resources.cpuset_mems))


def _numbers(text: str) -> frozenset[int]:
    try:
        return parse_set(text)
    except InvalidSpec:
        return _NOWHERE


class Projector:
    """Projects a cache again and again. What didn't change since the time before isn't projected anew."""

    def __init__(self, cache: ClusterCache) -> None:
        self._cache = cache
        self._containers: dict[str, tuple[ContainerEntry, ContainerView]] = {}
        self._nodes: dict[str, tuple[NodeEntry, NodeView]] = {}

    def snapshot(self, *, last_address: str = "") -> Snapshot:
        """Return the cluster as the cache has it now.

        Args:
            last_address: the one that was given out last, if the caller knows.
        """
        cache = self._cache
        # Entries are replaced, never changed: the same entry has the same view. What is gone falls out with the dict.
        containers = {}
        for container, entry in cache.containers.items():
            known = self._containers.get(container)
            if known is not None and known[0] is entry:
                containers[container] = known
            elif entry.spec is not None:
                containers[container] = (entry, container_view(entry, entry.spec.value))
        nodes = {}
        for node, node_entry in cache.nodes.items():
            known_node = self._nodes.get(node)
            if known_node is not None and known_node[0] is node_entry:
                nodes[node] = known_node
            elif node_entry.spec is not None:
                nodes[node] = (node_entry, node_view(node_entry))
        self._containers, self._nodes = containers, nodes
        cluster = cache.cluster
        return Snapshot(
            initialised=cluster is not None,
            subnet=cluster.value.subnet if cluster is not None else "",
            nodes={node: view for node, (_, view) in nodes.items()},
            containers={container: view for container, (_, view) in containers.items()},
            holders={container: cache.holders(container) for container in containers},
            addresses=frozenset(ip for network, ip in cache.addresses if network == DEFAULT_NETWORK),
            volumes={volume: self._volume_view(entry) for volume, entry in cache.volumes.items() if entry.spec},
            last_address=last_address,
        )

    def _volume_view(self, entry: VolumeEntry) -> VolumeView:
        spec, placement = entry.spec, entry.placement
        node = self._cache.nodes.get(placement.value.node) if placement is not None else None
        return VolumeView(
            id=entry.id,
            name=spec.value.name if spec is not None else entry.id,
            node=placement.value.node if placement is not None else "",
            node_name=node.spec.value.name if node is not None and node.spec is not None else "",
            lost=placement is not None and (placement.value.HasField("lost_at") or node is None or node.spec is None),
            owner=spec.value.owner if spec is not None else "",
            removed=spec is not None and spec.value.removed,
            constraints=tuple(spec.value.constraints) if spec is not None else (),
        )


def container_view(entry: ContainerEntry, spec: ContainerSpec) -> ContainerView:
    """Return a container as the core sees it."""
    placement, status = entry.placement, entry.status
    return ContainerView(
        id=entry.id,
        namespace=entry.namespace,
        name=spec.name,
        desired=spec.desired,
        run=spec.run,
        need=amounts(spec.config.resources),
        constraints=tuple(spec.config.constraints),
        addressed=is_addressed(spec.config),
        ports=port_wishes(spec.config.ports),
        auto_remove=spec.config.auto_remove,
        created=spec.created_at.ToNanoseconds(),
        volumes=tuple(
            (mount.volume_id, mount.source or mount.volume_id[:SHORT_ID])
            for mount in spec.config.mounts
            if mount.kind == MountKind.MOUNT_KIND_VOLUME
        ),
        binds=tuple(
            (mount.source, mount.read_only) for mount in spec.config.mounts if mount.kind == MountKind.MOUNT_KIND_BIND
        ),
        remove_volumes=spec.remove_volumes or spec.config.auto_remove,
        asks=_asks(spec.config),
        limits=limits_wish(spec.config.resources),
        limits_changed=spec.limits_changed,
        runtime=spec.config.runtime,
        joins=joined_id(spec.config),
        unchecked=unchecked(spec.config, spec.permissions),
        placement=None
        if placement is None
        else PlacementView(
            placement.value.node,
            placement.value.generation,
            placement.value.run_admitted,
            lost=placement.value.HasField("lost_at"),
        ),
        status=None
        if status is None
        else StatusView(
            status.value.generation,
            is_over(status.value),
            status.value.run_served,
            limits_served=status.value.limits_served,
            in_force=amounts(status.value.limits) if status.value.state in _WITH_PROCESS else NOTHING,
        ),
    )


def _asks(config: ContainerConfig) -> int:
    """Return the highest field of a configuration that its agent has to know; 0 if every agent does."""
    asked = (
        field.number
        for field, value in config.ListFields()
        if field.number > _KNOWN_TO_ALL and field.name not in _NO_AGENTS
        if not isinstance(value, Message) or value.ByteSize()
    )
    # Those that know `uts` share whatever is to be shared; before it the fields were there, and nothing was done.
    sharing = ContainerConfig.UTS_FIELD_NUMBER if joined_id(config) or shares_host(config) else 0
    return max(sharing, *asked, 0)


def node_view(entry: NodeEntry) -> NodeView:
    """Return a node as the core sees it."""
    spec, status, ledger = entry.spec, entry.status, entry.ledger
    description = status.value.description if status is not None else None
    labels = dict(description.labels) if description is not None else {}
    if spec is not None:
        labels.update(spec.value.labels)
    return NodeView(
        id=entry.id,
        name=spec.value.name if spec is not None else entry.id,
        labels=labels,
        ready=status is not None and status.value.state == NodeState.NODE_STATE_READY,
        described=description is not None,
        capacity=amounts(description.capacity) if description is not None else NOTHING,
        booked_capacity=amounts(ledger.value.capacity) if ledger is not None else NOTHING,
        reserved=amounts(ledger.value.reserved) if ledger is not None else NOTHING,
        has_ledger=ledger is not None,
        holds={container: _hold_view(entry.id, hold.value) for container, hold in entry.holds.items()},
        cordoned=spec is not None and spec.value.cordoned,
        bind_paths=tuple(description.bind_paths) if description is not None else (),
        removal=spec.value.removal if spec is not None else NodeRemoval.NODE_REMOVAL_UNSPECIFIED,
        problem="; ".join(each.message or each.kind for each in description.problems)[:_LONGEST_PROBLEM]
        if description is not None
        else "",
        ports=_taken(entry, description.address if description is not None else ""),
        addresses=frozenset(description.addresses if description is not None else ()),
        limits=frozenset(description.limits if description is not None else ()),
        cpus=_own_numbers(description.cpuset_cpus) if description is not None else frozenset(),
        mems=_own_numbers(description.cpuset_mems) if description is not None else frozenset(),
        runtimes=frozenset(description.runtimes if description is not None else ()),
        knows=(description.configuration if description is not None else 0) or _KNOWN_TO_ALL,
    )


def _own_numbers(text: str) -> frozenset[int]:
    return _numbers(text) - _NOWHERE


def _hold_view(node: str, hold: Hold) -> HoldView:
    return HoldView(node, hold.container, hold.generation, hold.role, amounts(hold.reserved), port_views(hold.ports))


def _taken(entry: NodeEntry, address: str) -> Taken:
    """Return which ports of a node are taken: by its agent, which listens on `address`, and by what it holds."""
    agent = _PORT.search(address)
    own = (PortView(int(agent[1]), 0),) if agent is not None else ()
    held = ((container, port_views(hold.value.ports)) for container, hold in entry.holds.items() if hold.value.ports)
    return taken_by((("", own), *held))
