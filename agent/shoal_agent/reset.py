"""`shoal agent reset`: nothing of Shoal is left on the host, so that it can join a cluster as a new node.

Its identity goes first: from then on it is nobody's node. Containers go before their data. Every step may be repeated,
and a reset that was broken off is ended by the next one: until then no agent starts here.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shoal_agent.claims import KEPT, HostUse, begin_reset, end_reset, is_resetting, noted_use, only_one
from shoal_agent.cluster.join import membership
from shoal_agent.kernel.mounts import mounts_below, unmount_all
from shoal_agent.kernel_work import finished
from shoal_agent.network.node import NodeNetwork
from shoal_agent.paths import NodePaths
from shoal_agent.runtime.tasks import Tasks
from shoal_agent.trees import remove_tree
from shoal_common.errors import Internal, NotFound, PermissionDenied
from shoal_common.ids import is_container_id

log = logging.getLogger(__name__)

#: Containers that are killed and cleared away at a time.
_WIDTH: Final = 8


@dataclass(frozen=True, slots=True)
class Found:
    """What a data root has.

    Attributes:
        node: the node's id; "" if the host belongs to no cluster (any more).
        cluster: the cluster's id; "" likewise.
        containers: how many have files here.
    """

    node: str
    cluster: str
    containers: int


def find(data: Path) -> Found:
    """Look at what a reset would remove.

    Raises:
        NotFound: no agent ever worked here.
    """
    if not (data / "lock").exists():
        raise NotFound(f"no agent ever worked in {data} (say where one did with: --data-root)")
    paths = NodePaths(data=data, run=data)
    try:
        member = membership(paths)
    except Internal:
        member = None
    containers = paths.containers
    count = sum(is_container_id(entry.name) for entry in containers.iterdir()) if containers.is_dir() else 0
    if member is None:
        return Found("", "", count)
    return Found(member.node, member.cluster, count)


async def reset(data: Path, default: HostUse) -> None:
    """Remove everything of Shoal from this host but the empty data root.

    Args:
        data: the data root.
        default: what an agent uses of the host that noted nothing else.

    Raises:
        Conflict: an agent works there.
        NotFound: no agent ever did.
        PermissionDenied: this process isn't root's.
        Internal: something can't be removed; done again, it goes on.
    """
    if os.geteuid() != 0:
        raise PermissionDenied("a reset needs root: namespaces, mounts, cgroups (run it with sudo)")
    find(data)
    if sys.version_info < (3, 12):
        # Its default is a thread per child.
        watcher = asyncio.PidfdChildWatcher()
        watcher.attach_loop(asyncio.get_running_loop())
        asyncio.get_event_loop_policy().set_child_watcher(watcher)
    with only_one(data):
        use = noted_use(data) or default
        paths = NodePaths(data=data, run=use.run)
        executor = ThreadPoolExecutor(1, thread_name_prefix="shoal-reset")
        try:
            await finished(executor, _io(lambda: _leave(paths)))
            await _clear_containers(paths, use)
            await _clear_network()
            await finished(executor, _io(lambda: _clear_files(paths)))
        finally:
            executor.shutdown()


def _leave(paths: NodePaths) -> None:
    if not is_resetting(paths.data):
        begin_reset(paths.data)
    if paths.identity.exists():
        remove_tree(paths.identity)


async def _clear_containers(paths: NodePaths, use: HostUse) -> None:
    """Kill all containers and clear away what runtimes, supervisors and control groups have of them."""
    paths.run.mkdir(mode=0o711, parents=True, exist_ok=True)
    tasks = Tasks(
        paths, cgroup_parent=use.cgroup_parent, runtimes=use.runtimes, default_runtime=next(iter(use.runtimes))
    )
    try:
        await tasks.open(enter=False)
        room = asyncio.Semaphore(_WIDTH)
        known = tasks.known()
        if known:
            log.info("killing and removing what is left of %d attempts", len(known))

        async with asyncio.TaskGroup() as group:
            for key in sorted(known, key=str):

                async def delete(key=key) -> None:  # type: ignore[no-untyped-def]
                    async with room:
                        await tasks.delete(key)

                group.create_task(delete(), name=f"reset-{key}")
        tasks.groups.remove_all()
    finally:
        await tasks.close()


async def _clear_network() -> None:
    network = NodeNetwork()
    try:
        await network.teardown()
    finally:
        await network.close()


def _clear_files(paths: NodePaths) -> None:
    for root in (paths.run, paths.data):
        _unmount_below(root)
    for root, kept in ((paths.run, frozenset[str]()), (paths.data, KEPT)):
        for entry in sorted(root.iterdir()):
            if entry.name not in kept:
                remove_tree(entry)
    end_reset(paths.data)


def _unmount_below(root: Path) -> None:
    """Unmount root file systems and pinned namespaces, the innermost first; the root itself may be a mount."""
    for entry in reversed(mounts_below(root)):
        if Path(entry.target) != root:
            unmount_all(Path(entry.target))


def _io(work: Callable[[], None]) -> Callable[[], None]:
    def translated() -> None:
        try:
            work()
        except OSError as error:
            raise Internal(f"{error.strerror or error} (run it again: it goes on where it was)") from error

    return translated
