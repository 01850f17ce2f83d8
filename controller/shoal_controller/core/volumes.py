"""Where volumes' data is: what that means for where their users go, and how volumes end.

Nothing here removes data because something is absent: a volume goes when its spec says so and no container names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from shoal_controller.core.filters import Checked, Constraint, Filter, Knows, Limiting, Runs
from shoal_controller.core.snapshot import NO_LIMITS, ContainerView, NodeView, Snapshot, VolumeView
from shoal_proto.v1.node_pb2 import NodeRemoval

#: Nodes that a reason names one by one; of more it gives the number.
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class RemoveVolume:
    """Have a volume go that is only a container's own, with the container."""

    volume: str


@dataclass(frozen=True, slots=True)
class LoseVolume:
    """Note that a volume's data is lost with its node, which is removed by force."""

    volume: str
    node: str


@dataclass(frozen=True, slots=True)
class ForgetVolume:
    """Delete all that is stored of a volume that is to go, and of which no node has data."""

    volume: str


@dataclass(frozen=True, slots=True)
class HasData:
    """The node is the one that has a volume's data."""

    volume: VolumeView | None
    name: str

    def check(self, node: NodeView) -> bool:
        return self.volume is not None and not self.volume.lost and self.volume.node == node.id

    def explain(self, refused: Sequence[NodeView]) -> str:
        if self.volume is None:
            return f"volume {self.name} is not in the cluster any more"
        if self.volume.lost:
            return f"the data of volume {self.name} was lost with its node"
        where = self.volume.node_name or self.volume.node
        if len(refused) > _NAMED:
            return f"{len(refused)} don't have volume {self.name}, whose data is on {where}"
        return ", ".join(f"{node.name}: volume {self.name} is on {where}" for node in refused)


@dataclass(frozen=True, slots=True)
class AllowsBind:
    """The node's own configuration lets containers mount one of its paths."""

    path: str
    read_only: bool

    def check(self, node: NodeView) -> bool:
        return any(_covers(allowed, self.path, read_only=self.read_only) for allowed in node.bind_paths)

    def explain(self, refused: Sequence[NodeView]) -> str:
        what = f"don't let containers mount {self.path}{'' if self.read_only else ' to write'} (agent --allow-bind)"
        if len(refused) > _NAMED:
            return f"{len(refused)} {what}"
        return (
            f"{', '.join(node.name for node in refused)} {what.replace('don', 'doesn') if len(refused) == 1 else what}"
        )


def _covers(allowed: str, path: str, *, read_only: bool) -> bool:
    top = allowed.removesuffix(":ro")
    if top != allowed and not read_only:
        return False
    return path == top or top == "/" or path.startswith(f"{top}/")


def needs(container: ContainerView, volumes: Mapping[str, VolumeView]) -> tuple[Filter, ...]:
    """Return what a container asks of a node beside room: by its configuration, constraints, volumes and binds.

    Args:
        volumes: as they are placed now; one that is placed nowhere has constraints of its own.
    """
    wanted: list[Filter] = [Constraint(text) for text in container.constraints]
    if container.unchecked:
        wanted.append(Checked(container.unchecked))
    if container.asks:
        wanted.append(Knows(container.asks))
    if container.limits != NO_LIMITS:
        wanted.append(Limiting(container.limits))
    if container.runtime:
        wanted.append(Runs(container.runtime))
    for volume, name in container.volumes:
        view = volumes.get(volume)
        if view is None or view.node:
            wanted.append(HasData(view, name))
        else:
            wanted += [Constraint(text) for text in view.constraints]
    wanted += [AllowsBind(path, read_only) for path, read_only in container.binds]
    return tuple(dict.fromkeys(wanted))


def pinned(container: ContainerView, volumes: Mapping[str, VolumeView], node: NodeView) -> dict[str, VolumeView]:
    """Return those of a container's volumes, by id, that get their place when it is placed on a node."""
    return {
        volume: replace(volumes[volume], node=node.id, node_name=node.name)
        for volume, _ in container.volumes
        if volume in volumes and not volumes[volume].node
    }


def with_container(container: ContainerView, volumes: Mapping[str, VolumeView]) -> Iterator[RemoveVolume]:
    """Yield what is to become of a container's own volumes when it is removed."""
    if not container.remove_volumes:
        return
    for volume, _ in container.volumes:
        view = volumes.get(volume)
        if view is not None and view.owner == container.id and not view.removed:
            yield RemoveVolume(volume)


def lost(snapshot: Snapshot) -> Iterator[LoseVolume]:
    """Yield the volumes whose node is removed by force: nobody will see their data again."""
    forced = {id_ for id_, node in snapshot.nodes.items() if node.removal == NodeRemoval.NODE_REMOVAL_FORCED}
    if forced:
        for volume in snapshot.volumes.values():
            if volume.node in forced and not volume.lost:
                yield LoseVolume(volume.id, volume.node)


def keepers(snapshot: Snapshot) -> frozenset[str]:
    """Return the ids of nodes that have data of volumes which nobody has given up: such a node doesn't depart."""
    volumes = snapshot.volumes.values()
    return frozenset(volume.node for volume in volumes if volume.node and not (volume.lost or volume.removed))


def forgotten(snapshot: Snapshot) -> Iterator[ForgetVolume]:
    """Yield the volumes that are to go, that no container names and no node has."""
    leaving = [volume for volume in snapshot.volumes.values() if volume.removed and (not volume.node or volume.lost)]
    if leaving:
        named = used(snapshot.containers.values())
        for volume in sorted(leaving, key=lambda each: each.id):
            if volume.id not in named:
                yield ForgetVolume(volume.id)


def used(containers: Iterable[ContainerView]) -> frozenset[str]:
    """Return the ids of the volumes that any container names, one that is being removed included."""
    return frozenset(volume for container in containers for volume, _ in container.volumes)
