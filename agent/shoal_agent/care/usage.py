"""What takes room on the node's disk: containers, volumes, images."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from shoal_agent.care.measuring import LIMIT, Measurer
from shoal_agent.clock import timestamp
from shoal_agent.containers.node import Node
from shoal_agent.core.image_room import reclaimable, rooms
from shoal_agent.images.store import Images
from shoal_agent.kernel_work import finished
from shoal_agent.paths import NodePaths
from shoal_common.ids import is_container_id
from shoal_proto.v1.agent_pb2 import AgentUsage, AgentUsageRequest


@dataclass(slots=True)
class Trees:
    """The directories of one container: its writable layers and its logs, of all its placements."""

    writable: list[Path] = field(default_factory=list)
    logs: list[Path] = field(default_factory=list)


class DiskUsage:
    """Counts what this node has.

    Args:
        node: knows the containers' images.
    """

    def __init__(self, paths: NodePaths, node: Node, images: Images, measurer: Measurer) -> None:
        self._paths = paths
        self._node = node
        self._images = images
        self._measurer = measurer
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="shoal-usage")

    def close(self) -> None:
        """End its thread."""
        self._executor.shutdown()

    async def count(self, request: AgentUsageRequest) -> AgentUsage:
        """Return what was asked for. It takes some seconds at most, and what was not counted by then is marked.

        Raises:
            OSError: the disk can't be read.
        """
        everything = not (request.containers or request.volumes or request.images)
        ids = frozenset(request.ids)
        usage = AgentUsage()
        stat = await finished(self._executor, lambda: os.statvfs(self._paths.data))
        usage.disk_bytes, usage.free_bytes = stat.f_blocks * stat.f_frsize, stat.f_bavail * stat.f_frsize
        # The sizes of images are known; they also tell a container's root file system.
        if everything or request.images or request.containers:
            await self._images_into(usage, ids, containers=everything or request.containers)
        containers: Mapping[str, Trees] = {}
        volumes: Mapping[str, Path] = {}
        if everything or request.containers:
            containers = await finished(self._executor, lambda: container_trees(self._paths, ids))
        if everything or request.volumes:
            volumes = await finished(self._executor, lambda: volume_trees(self._paths, ids))
        trees = [path for each in containers.values() for path in (*each.writable, *each.logs)]
        limit = min(LIMIT, request.limit_ms / 1000 or LIMIT)
        sizes = await self._measurer.measure([*trees, *volumes.values()], limit=limit)
        known = {each.id: each for each in usage.containers}
        for container, each in containers.items():
            told = known.get(container) or usage.containers.add(id=container)
            told.writable_bytes = sum(sizes.get(path, 0) for path in each.writable)
            told.log_bytes = sum(sizes.get(path, 0) for path in each.logs)
            told.counted = all(path in sizes for path in (*each.writable, *each.logs))
        for volume, path in volumes.items():
            usage.volumes.add(id=volume, bytes=sizes.get(path, 0), counted=path in sizes)
        usage.incomplete = not (
            all(each.counted for each in usage.containers) and all(each.counted for each in usage.volumes)
        )
        return usage

    async def _images_into(self, usage: AgentUsage, ids: Collection[str], *, containers: bool) -> None:
        store = await self._images.stored()
        room = rooms(store)
        used = self._node.images()
        if containers:
            for container, digest in used.items():
                if not ids or container in ids:
                    here = room.get(digest)
                    usage.containers.add(id=container, image_bytes=here.bytes if here is not None else 0, counted=True)
        users = Counter(used.values())
        usage.image_bytes = store.size
        usage.image_reclaimable_bytes = reclaimable(store, users)
        for image in store.images:
            usage.images.add(
                digest=image.digest,
                repository=image.repository,
                bytes=room[image.digest].bytes,
                unique_bytes=room[image.digest].unique,
                containers=users[image.digest],
                used_at=timestamp(image.used_at),
                labels=local.config.labels if (local := self._images.find(image.digest)) is not None else {},
            )


def container_trees(paths: NodePaths, ids: Collection[str] = ()) -> dict[str, Trees]:
    """Return the directories of these containers, or of all that the node has anything of."""
    found = {}
    for directory in _directories(paths.containers):
        if not is_container_id(directory.name) or (ids and directory.name not in ids):
            continue
        trees = found[directory.name] = Trees()
        for placement in _directories(directory):
            if placement.name.isdecimal():
                generation = int(placement.name)
                trees.writable.append(paths.writable(directory.name, generation) / "upper")
                trees.logs.append(paths.logs(directory.name, generation))
    return found


def volume_trees(paths: NodePaths, ids: Collection[str] = ()) -> dict[str, Path]:
    """Return the directories of these volumes, or of all that the node has."""
    return {
        directory.name: paths.volume_data(directory.name)
        for directory in _directories(paths.volumes)
        if is_container_id(directory.name) and (not ids or directory.name in ids)
    }


def _directories(parent: Path) -> list[Path]:
    try:
        return sorted(path for path in parent.iterdir() if path.is_dir() and not path.is_symlink())
    except FileNotFoundError:
        # Removed meanwhile, or there was none yet.
        return []
