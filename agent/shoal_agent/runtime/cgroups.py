"""Control groups of a node, version 1 (a tree per controller) and version 2 (one tree), behind one interface.

Below the parent that the node was given (`--cgroup-parent`):

- `agent`: the agent itself, a leaf;
- `supervisors/<attempt>`: conmon and the runtime's helpers of one attempt;
- `containers/<attempt>`: the container, made by the OCI runtime, with its limits;
- `helpers`: processes that handle containers' files for the agent, with a limit on the memory of them all.

None is below another, so that the agent's limits and end reach no container. Source: cgroups(7); the kernel's
Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from shoal_agent.kernel.inotify import Bell, Event
from shoal_agent.kernel.processes import ended
from shoal_common.errors import InvalidSpec, Unavailable

_MOUNT: Final = Path("/sys/fs/cgroup")
#: Trees of version 1 in which agent and supervisors have groups of their own: those with limits that must not be
#: shared, and the one by which systemd knows services. Others cost a move each and limit nothing here.
_OWN_TREES: Final = ("memory", "cpu", "pids", "name=systemd")
#: Seconds within which every process of a container has to be frozen, and between two looks in version 1, which tells
#: of nothing.
_FREEZING: Final = 2.0
_FREEZING_LOOK: Final = 0.002
#: Looks in version 1 after which what does not freeze is let go for a moment: a fork under way can hold it up for ever.
_LOOKS: Final = 50
#: Controllers of version 2 that containers need, and those that serve some of their limits where there are any.
_CONTROLLERS: Final = ("memory", "cpu", "pids")
_FURTHER: Final = ("cpuset", "io")
#: Bytes of memory for all processes together that handle containers' files: what is in there may make them take much.
HELPERS_MEMORY: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Mounts:
    """Where control groups are mounted.

    Attributes:
        version: 1 or 2.
        trees: version 1: mount point by controller ("memory", "name=systemd"); version 2: one, named "".
        stray: directory in which crun, taking it for a tree, makes plain directories; None if there is none.
    """

    version: int
    trees: Mapping[str, Path]
    stray: Path | None = None


def read_mounts(mountinfo: str) -> Mounts:
    """Find the mounted trees in the text of /proc/self/mountinfo.

    Raises:
        Unavailable: there are none below /sys/fs/cgroup.
    """
    found: dict[Path, tuple[str, str]] = {}
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split()
        kind, _, options = right.split()[:3]
        point = Path(fields[4])
        if point == _MOUNT or point.parent == _MOUNT:
            # A later mount at the same place covers an earlier one.
            found[point] = (kind, options)
    if found.get(_MOUNT, ("", ""))[0] == "cgroup2":
        return Mounts(version=2, trees={"": _MOUNT})
    trees: dict[str, Path] = {}
    stray = None
    for point, (kind, options) in found.items():
        if kind == "cgroup":
            for option in options.split(","):
                trees.setdefault(option, point)
        elif kind != "cgroup2" and point == _MOUNT / "unified":
            stray = point
    if not {"memory", "pids", "cpu"} <= trees.keys():
        raise Unavailable(
            f"control groups are not mounted below {_MOUNT} with memory, pids and cpu (mount cgroup2 there, or each "
            "controller of version 1 in a directory of its own)"
        )
    return Mounts(version=1, trees=trees, stray=stray)


class Cgroups:
    """The control groups of one node.

    Every method but `freeze`, `emptied` and `kill` is synchronous and brief; all are idempotent.

    Args:
        parent: absolute path within every tree, such as "/shoal".
        mounts: left out: as this process sees them.
    """

    def __init__(self, parent: str, mounts: Mounts | None = None) -> None:
        path = PurePosixPath(parent)
        if not path.is_absolute() or ".." in path.parts or path == PurePosixPath("/"):
            raise InvalidSpec(f'cgroup parent "{parent}" is not a path such as "/shoal"')
        self._mounts = mounts or read_mounts(Path("/proc/self/mountinfo").read_text())
        self._parent = path.relative_to("/")
        every = dict.fromkeys(self._mounts.trees.values())
        own = dict.fromkeys(self._mounts.trees[name] for name in _OWN_TREES if name in self._mounts.trees)
        self._every = tuple(every)
        self._own = tuple(own) or self._every

    @property
    def version(self) -> int:
        """1 or 2."""
        return self._mounts.version

    @property
    def limits_swap(self) -> bool:
        """Whether the kernel can limit swap apart from memory."""
        if self.version == 1:
            return (self._mounts.trees["memory"] / "memory.memsw.limit_in_bytes").exists()
        return (self._every[0] / self._parent / "containers" / "memory.swap.max").exists()

    def container_path(self, name: str) -> str:
        """Return what an OCI configuration names the container's group ("/shoal/containers/<name>")."""
        return f"/{self._parent}/containers/{name}"

    def group(self, controller: str, name: str) -> Path | None:
        """Return the group of a container where a controller is ("memory"); None if the host doesn't have that one."""
        tree = self._tree(controller)
        return None if tree is None else tree / self._parent / "containers" / name

    def parent_of(self, controller: str) -> Path | None:
        """Return a group above the containers', which has the files that theirs will have; None as for `group`."""
        tree = self._tree(controller)
        if tree is None:
            return None
        above = tree / self._parent / "containers" if self.version == 2 else tree / self._parent
        above.mkdir(exist_ok=True, parents=True)
        return above

    def root_of(self, controller: str) -> Path | None:
        """Return the top of a controller's tree, as far as this host sees it; None as for `group`."""
        return self._tree(controller)

    def _tree(self, controller: str) -> Path | None:
        return self._mounts.trees.get(controller if self.version == 1 else "")

    def enter(self) -> None:
        """Move this process into the leaf of the agent, and let the containers' group have its controllers.

        Raises:
            Unavailable: the kernel refuses; the message says what.
        """
        try:
            for tree in self._own:
                leaf = tree / self._parent / "agent"
                leaf.mkdir(parents=True, exist_ok=True)
                (leaf / "cgroup.procs").write_text("0")
            if self.version == 2:
                self._delegate(self._every[0])
        except OSError as error:
            raise Unavailable(
                f"control group {error.filename or f'/{self._parent}'} can't be used: {error.strerror} (choose another "
                "with --cgroup-parent)"
            ) from error

    def _delegate(self, tree: Path) -> None:
        containers = tree / self._parent / "containers"
        containers.mkdir(exist_ok=True)
        for group in (*reversed(containers.relative_to(tree).parents), PurePosixPath(self._parent) / "containers"):
            available = (tree / group / "cgroup.controllers").read_text().split()
            enabled = (tree / group / "cgroup.subtree_control").read_text().split()
            missing = [name for name in _CONTROLLERS if name in available and name not in enabled]
            if missing:
                (tree / group / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in missing))
            for name in _FURTHER:
                if name in available and name not in enabled:
                    # One that refuses takes nothing from the others.
                    with contextlib.suppress(OSError):
                        (tree / group / "cgroup.subtree_control").write_text(f"+{name}")
        lacking = set(_CONTROLLERS) - set((containers / "cgroup.subtree_control").read_text().split())
        if lacking:
            raise OSError(95, f"no controllers {', '.join(sorted(lacking))}", str(containers))

    def hasten(self) -> None:
        """Make moves between groups quick for a moment, by a move of this process to where it is.

        The first one waits until every processor has taken note (an RCU grace period, 5 to 15 ms); those that follow
        within about as long don't wait again. Source: the kernel's kernel/rcu/sync.c, used by cgroup_attach_lock.
        """
        with contextlib.suppress(OSError):
            (self._own[0] / self._parent / "agent" / "cgroup.procs").write_text("0")

    def make_supervisor(self, name: str) -> list[Path]:
        """Make the supervisor group of an attempt; return its `cgroup.procs`, one per tree."""
        files = []
        for tree in self._own:
            group = tree / self._parent / "supervisors" / name
            group.mkdir(parents=True, exist_ok=True)
            files.append(group / "cgroup.procs")
        return files

    def helpers(self) -> list[Path]:
        """Make the group of processes that handle containers' files; return its `cgroup.procs`."""
        tree = self._tree("memory")
        if tree is None:
            return []
        group = tree / self._parent / "helpers"
        group.mkdir(parents=True, exist_ok=True)
        limit = "memory.limit_in_bytes" if self.version == 1 else "memory.max"
        (group / limit).write_text(str(HELPERS_MEMORY))
        return [group / "cgroup.procs"]

    def names(self) -> set[str]:
        """Return the attempts that have a group."""
        found: set[str] = set()
        for tree in self._every:
            for kind in ("supervisors", "containers"):
                with contextlib.suppress(FileNotFoundError):
                    found |= {entry.name for entry in (tree / self._parent / kind).iterdir() if entry.is_dir()}
        return found

    def processes(self, kind: str, name: str) -> list[int]:
        """Return the ids of processes in a group of the kind "supervisors" or "containers", and below it."""
        found: set[int] = set()
        # A process enters the trees of version 1 one after the other: it may be in some only.
        for tree in self._own if kind == "supervisors" else self._every:
            for directory, _, files in os.walk(tree / self._parent / kind / name):
                if "cgroup.procs" in files:
                    with contextlib.suppress(FileNotFoundError, OSError):
                        found |= {int(line) for line in (Path(directory) / "cgroup.procs").read_text().split()}
        return sorted(found)

    def agent_processes(self) -> list[int]:
        """Return the ids of processes in the agent's leaf, and of its helpers."""
        found: list[int] = []
        for leaf in ("agent", "helpers"):
            with contextlib.suppress(FileNotFoundError):
                text = (self._own[0] / self._parent / leaf / "cgroup.procs").read_text()
                found += [int(line) for line in text.split()]
        return found

    def oom_kills(self, name: str) -> int:
        """Return how many processes of a container were killed for want of memory."""
        group = self._mounts.trees["memory" if self.version == 1 else ""] / self._parent / "containers" / name
        try:
            text = (group / ("memory.oom_control" if self.version == 1 else "memory.events")).read_text()
        except OSError:
            return 0
        values = dict(line.split() for line in text.splitlines() if len(line.split()) == 2)
        return int(values.get("oom_kill", 0))

    async def freeze(self, name: str) -> None:
        """Freeze every process of a container, and return when all are.

        Raises:
            Unavailable: one of them can't be frozen, for now or on this host; none is then.
        """
        try:
            async with asyncio.timeout(_FREEZING):
                await (self._freeze_group(name) if self.version == 2 else self._freeze_tree(name))
        except TimeoutError:
            self.thaw(name)
            raise Unavailable(
                f"a process of container {name[:12]} can't be frozen: it waits for the disk or a device (try again)"
            ) from None
        except BaseException:
            self.thaw(name)
            raise

    async def _freeze_group(self, name: str) -> None:
        group = self._freezer(name)
        async with Bell(group / "cgroup.events", Event.MODIFY) as bell:
            (group / "cgroup.freeze").write_text("1")
            while "frozen 1" not in (group / "cgroup.events").read_text().splitlines():
                await bell.wait()

    async def _freeze_tree(self, name: str) -> None:
        file = self._freezer(name) / "freezer.state"
        looks = 0
        file.write_text("FROZEN")
        while file.read_text().strip() != "FROZEN":
            await asyncio.sleep(_FREEZING_LOOK)
            looks += 1
            if looks % _LOOKS == 0:
                file.write_text("THAWED")
            file.write_text("FROZEN")

    def thaw(self, name: str) -> None:
        """Let every process of a container go on; nothing happens if there is none."""
        with contextlib.suppress(OSError, Unavailable):
            group = self._freezer(name)
            if self.version == 2:
                (group / "cgroup.freeze").write_text("0")
            else:
                (group / "freezer.state").write_text("THAWED")

    def frozen(self, name: str) -> bool:
        """Say whether the processes of a container are frozen, or on the way to it."""
        try:
            group = self._freezer(name)
            if self.version == 2:
                return (group / "cgroup.freeze").read_text().strip() == "1"
            return (group / "freezer.state").read_text().strip() != "THAWED"
        except (OSError, Unavailable):
            return False

    def _freezer(self, name: str) -> Path:
        """Return the group by which the processes of a container are frozen.

        Raises:
            Unavailable: the host has none.
        """
        tree = self._mounts.trees.get("freezer" if self.version == 1 else "")
        if tree is None:
            raise Unavailable(
                f"nothing can be frozen on this host: control groups have no freezer (mount one at {_MOUNT}/freezer)"
            )
        return tree / self._parent / "containers" / name

    async def emptied(self, kind: str, name: str) -> None:
        """Wait until no process is in a group."""
        while pids := self.processes(kind, name):
            await ended(pids[0])
            if self.processes(kind, name)[:1] == pids[:1]:
                # It has ended, and is about to leave.
                await asyncio.sleep(0.001)

    async def kill(self, kind: str, name: str) -> None:
        """Kill every process in a group and wait until it is empty."""
        while pids := self.processes(kind, name):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if kind == "containers":
                # What version 1 has frozen dies only when it is let go.
                self.thaw(name)
            for pid in pids:
                await ended(pid)
            if self.processes(kind, name) == pids:
                await asyncio.sleep(0.001)

    def remove(self, name: str) -> None:
        """Remove the groups of an attempt, which must be empty.

        What is above them stays: the runtime may be making a group there, parents first.

        Raises:
            OSError: a process is in one.
        """
        for tree in self._every:
            for kind in ("supervisors", "containers"):
                _remove_tree(tree / self._parent / kind / name)
        if self._mounts.stray is not None:
            shutil.rmtree(self._mounts.stray / self._parent / "containers" / name, ignore_errors=True)

    def remove_emptied(self) -> None:
        """Remove the groups above attempts where nothing is left; the delegated one of version 2 stays.

        Only while nothing is started.
        """
        for tree in (*self._every, *([self._mounts.stray] if self._mounts.stray is not None else [])):
            kinds = ("helpers", "supervisors", *(() if self.version == 2 else ("containers",)))
            for path in (*(self._parent / kind for kind in kinds), self._parent):
                with contextlib.suppress(OSError):
                    (tree / path).rmdir()

    def remove_all(self) -> None:
        """Remove all groups of a node that has no process in them any more, up to the parent that it was given.

        Raises:
            OSError: a process is in one.
        """
        for tree in (*self._every, *([self._mounts.stray] if self._mounts.stray is not None else [])):
            _remove_tree(tree / self._parent)


def _remove_tree(group: Path) -> None:
    for directory, _, _ in os.walk(group, topdown=False):
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(directory)
