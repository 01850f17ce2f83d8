"""The host as it is: images, sandboxes, root file systems, tasks and files, for one worker at a time each."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGKILL
from typing import Final

from shoal_agent.containers.host import Prepared, task_key
from shoal_agent.containers.neighbours import Neighbours, Place
from shoal_agent.core.health import Answer, Check
from shoal_agent.disk import Disk
from shoal_agent.durable import sync_directory
from shoal_agent.images.store import Images, LocalImage
from shoal_agent.kernel_work import finished
from shoal_agent.paths import NodePaths, placement_key
from shoal_agent.runtime.confinement import Confinement, confinement_of, own_capabilities, own_limits
from shoal_agent.runtime.devices import find_devices
from shoal_agent.runtime.failures import RUNTIME_FAILED, StartFailed
from shoal_agent.runtime.host_files import names_of
from shoal_agent.runtime.live_limits import Limited
from shoal_agent.runtime.mounts import Attached
from shoal_agent.runtime.oom_scores import own_score
from shoal_agent.runtime.probe import probe
from shoal_agent.runtime.process import Process, resolve
from shoal_agent.runtime.task import Streams
from shoal_agent.runtime.tasks import Exited, Running, TaskKey, Tasks, TaskSpec
from shoal_agent.sandbox.rootfs import RootFilesystems
from shoal_agent.sandbox.sandboxes import Sandbox, Sandboxes
from shoal_agent.trees import remove_tree
from shoal_agent.volumes.container_mounts import ContainerMounts
from shoal_common.containers.namespaces import joined_id
from shoal_common.containers.permissions import unchecked
from shoal_common.errors import Conflict, InvalidSpec, PermissionDenied, ShoalError
from shoal_proto.v1.agent_pb2 import ContainerRecord
from shoal_proto.v1.container_pb2 import ContainerConfig

log = logging.getLogger(__name__)

#: Trees are removed in as many threads: more would only keep the disk from everybody else.
_THREADS: Final = 2
#: Health checks that begin at a time; those that wait for their turn are not late.
_PROBES: Final = 8


class RuntimeHost:
    """Implements `ContainerHost`.

    Args:
        starts: bounds how many containers are set up or started at a time.
        disk: refuses new containers when it is full.
    """

    def __init__(
        self,
        paths: NodePaths,
        *,
        boot_id: str,
        disk: Disk,
        images: Images,
        sandboxes: Sandboxes,
        rootfs: RootFilesystems,
        mounts: ContainerMounts,
        tasks: Tasks,
        starts: asyncio.Semaphore,
    ) -> None:
        self._paths = paths
        self._boot_id = boot_id
        self._disk = disk
        self._images = images
        self._sandboxes = sandboxes
        self._rootfs = rootfs
        self._mounts = mounts
        self._tasks = tasks
        self.neighbours = Neighbours(sandboxes, tasks, boot_id=boot_id)
        self._starts = starts
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="shoal-removal")
        self._left: dict[str, set[TaskKey]] = {}
        self._left_mounted: set[str] = set()
        self._roots: dict[str, Path] = {}
        self._probes = asyncio.Semaphore(_PROBES)
        #: Attempts that were frozen since their last health check began.
        self._stalled: set[TaskKey] = set()

    async def open(self) -> None:
        """Look at what an agent before this one left; the parts are open already."""
        known, mounted = await finished(self._executor, lambda: (self._tasks.known(), self._rootfs.mounted()))
        for key in known:
            self._left.setdefault(key.container, set()).add(key)
        self._left_mounted = mounted

    def close(self) -> None:
        """Wait for removals under way."""
        self._executor.shutdown()

    @property
    def boot_id(self) -> str:
        """Changes with every boot."""
        return self._boot_id

    def left_behind(self) -> set[str]:
        """Return the ids of containers of which the host had something when this agent began."""
        placements = self._left_mounted | self._sandboxes.known()
        return set(self._left) | {key.partition("-")[0] for key in placements}

    async def prepare(self, record: ContainerRecord) -> Prepared:
        """Fetch the image, set up sandbox and root file system."""
        assignment, generation = record.assignment, record.status.generation
        placement = self._paths.placement(assignment.id, generation)
        if record.status.ever_ready and not placement.exists():
            raise Conflict(f"data lost: {placement} is not there any more")
        if not record.status.ever_ready:
            self._disk.check(f"container {assignment.id[:12]}")
        if why_not := unchecked(assignment.config, assignment.permissions):
            raise PermissionDenied(why_not)
        image = self._images.find(assignment.image_digest)
        if image is None:
            image = await self._images.ensure(assignment.image_repository, assignment.image_digest)
        log.debug("container %s: its image is here", assignment.id[:12])
        await self._images.note_use(assignment.image_digest)
        process = self._process(record, image)
        _confinement(assignment.config)
        place = self.neighbours.place(record)
        async with self._starts:
            self._tasks.expect()
            # The record that says READY is in the directory above, whose names are made durable with it.
            placement.mkdir(mode=0o700, exist_ok=True)
            # Before the first start, for readers to wait at: none of them makes it.
            self._paths.logs(assignment.id, generation).mkdir(mode=0o700, exist_ok=True)
            sandbox = await self._set_up(record, image, place)
        return Prepared(
            image=image.config, layers=image.diff_ids, uid_base=sandbox.uid_base, command=tuple(process.args)
        )

    async def _set_up(self, record: ContainerRecord, image: LocalImage, place: Place) -> Sandbox:
        """Have sandbox and root file system of a placement as they are to be; what is so already stays."""
        assignment, generation = record.assignment, record.status.generation
        key = placement_key(assignment.id, generation)
        if self._sandboxes.differs(key, place.addresses, place.ports, place.joining):
            # A recovery gave its address or its port to another; or the container that it joins was set up anew.
            await self._take_down(key)
        sandbox = await self._sandboxes.acquire(key, place.addresses, place.ports, place.joining)
        log.debug("container %s: its sandbox is ready", assignment.id[:12])
        root = await self._rootfs.mount(
            key, layers=image.layers, writable=self._paths.writable(assignment.id, generation), sandbox=sandbox
        )
        await self._mounts.attach(key, assignment.config, sandbox=sandbox, root=root)
        self._roots[key] = root
        return sandbox

    async def start(self, record: ContainerRecord) -> Running:
        """Start the attempt."""
        assignment, status = record.assignment, record.status
        key = placement_key(assignment.id, status.generation)
        if why_not := unchecked(assignment.config, assignment.permissions):
            raise StartFailed(RUNTIME_FAILED, why_not)
        if joined_id(assignment.config):
            await self._join(record)
        sandbox = self._sandboxes.find(key)
        root = self._roots.get(key)
        if sandbox is None or root is None:
            raise StartFailed(RUNTIME_FAILED, "its sandbox is gone")
        config = assignment.config
        try:
            confinement = _confinement(config)
        except InvalidSpec as error:
            # Its node had it when it was prepared.
            raise StartFailed(RUNTIME_FAILED, error.message) from error
        shared = self.neighbours.shared(record)
        named, addresses = self.neighbours.naming(record)
        try:
            await self._mounts.renew(key, config, sandbox=sandbox)
        except ShoalError as error:
            raise StartFailed(RUNTIME_FAILED, error.message) from error
        return await self._tasks.start(
            TaskSpec(
                key=task_key(record),
                process=resolve(named, config.env, record.image_config, assignment.id),
                rootfs=root,
                sandbox=sandbox,
                resources=config.resources,
                runtime=config.runtime,
                logs=self._paths.logs(assignment.id, status.generation),
                systems=self._mounts.systems(key, config),
                names=names_of(named, addresses),
                confinement=confinement,
                init=config.init,
                streams=_streams(config),
                shared=shared,
                run=status.attempts[-1].run if status.attempts else 0,
            )
        )

    async def _join(self, record: ContainerRecord) -> None:
        """Have a placement in the sandbox of the container that it joins, as that is now.

        Raises:
            StartFailed: that one doesn't run, or the placement can't be set up there.
        """
        place = self.neighbours.place_to_start(record)
        image = self._images.find(record.assignment.image_digest)
        if image is None:
            raise StartFailed(RUNTIME_FAILED, "its image is not on its node any more (pull it again)")
        try:
            await self._set_up(record, image, place)
        except ShoalError as error:
            raise StartFailed(RUNTIME_FAILED, error.message) from error

    async def adopt(self, record: ContainerRecord) -> Running | Exited | None:
        """Find the attempt of an agent process before this one."""
        return await self._tasks.adopt(task_key(record))

    async def stop_signal(self, record: ContainerRecord) -> None:
        """Send the signal that asks the process to end."""
        config = record.assignment.config
        process = resolve(config, (), record.image_config, record.assignment.id)
        with contextlib.suppress(Conflict):
            await self._tasks.signal(task_key(record), process.stop_signal)

    async def kill(self, record: ContainerRecord) -> None:
        """Send SIGKILL to all of it."""
        with contextlib.suppress(Conflict):
            await self._tasks.signal(task_key(record), SIGKILL)

    async def freeze(self, record: ContainerRecord) -> None:
        """Freeze all its processes."""
        self._stalled.add(task_key(record))
        await self._tasks.groups.freeze(str(task_key(record)))

    async def thaw(self, record: ContainerRecord) -> None:
        """Let all its processes go on."""
        self._tasks.groups.thaw(str(task_key(record)))

    def frozen(self, record: ContainerRecord) -> bool:
        """Say whether its processes are frozen, or partly."""
        return self._tasks.groups.frozen(str(task_key(record)))

    async def limit(self, record: ContainerRecord) -> Limited:
        """Hold all its processes to the limits of its assignment."""
        return await self._tasks.limit(task_key(record), record.assignment.config.resources)

    async def probe(self, record: ContainerRecord, check: Check) -> Answer:
        """Make one check of its health.

        Raises:
            Conflict: there is nothing that tells: it does not run, or its processes were frozen meanwhile (commit).
        """
        key = task_key(record)
        self._stalled.discard(key)
        if not self.frozen(record):
            user = record.assignment.config.user or record.image_config.user
            answer = await probe(self._tasks, key, check, user=user, turn=self._probes)
            if answer.ok or key not in self._stalled:
                return answer
        raise Conflict(f"container {key.container[:12]} was frozen, which says nothing of its health")

    async def tidy(self, record: ContainerRecord) -> None:
        """Delete what the runtime has of the placement's attempts."""
        await self._delete_tasks(record, lambda key: key.generation == record.status.generation)

    async def release(self, record: ContainerRecord) -> None:
        """Take the placement down; its data stays."""
        await self.tidy(record)
        await self._take_down(placement_key(record.assignment.id, record.status.generation))

    async def remove(self, record: ContainerRecord) -> None:
        """Remove everything of the container but its record."""
        container = record.assignment.id
        await self._delete_tasks(record, lambda key: True)
        own = {placement_key(container, record.status.generation)}
        for key in own | {k for k in self._left_mounted | self._sandboxes.known() if k.startswith(f"{container}-")}:
            await self._take_down(key)
        directory = self._paths.record(container).parent
        await finished(self._executor, lambda: _remove_data(directory))
        await self._images.note_use(record.assignment.image_digest)

    def litter(self, record: ContainerRecord) -> bool:
        """Say whether the runtime has anything of the placement."""
        return any(key.generation == record.status.generation for key in self._left.get(record.assignment.id, ()))

    def mounted(self, record: ContainerRecord) -> bool:
        """Say whether there is a sandbox or a root file system of the placement."""
        key = placement_key(record.assignment.id, record.status.generation)
        return key in self._left_mounted or key in self._sandboxes.known()

    def root(self, record: ContainerRecord) -> tuple[Path, Sandbox]:
        """Return the mounted root file system of a placement, and the sandbox whose ids it has.

        Raises:
            Conflict: it was taken down.
        """
        key = placement_key(record.assignment.id, record.status.generation)
        root, sandbox = self._rootfs.find(key), self._sandboxes.find(key)
        if root is None or sandbox is None:
            raise Conflict(f"container {record.assignment.id[:12]} is being taken down")
        return root, sandbox

    def mounts(self, record: ContainerRecord) -> tuple[Attached, ...]:
        """Return what a placement mounts of its node beside its root file system, all of it ready."""
        config = record.assignment.config
        return self._mounts.systems(placement_key(record.assignment.id, record.status.generation), config).attached

    def layers(self, record: ContainerRecord) -> tuple[Path, tuple[Path, ...]]:
        """Return a placement's writable layer and the image's layers below it, lowest first.

        Raises:
            Conflict: the image is not here any more.
        """
        assignment = record.assignment
        image = self._images.find(assignment.image_digest)
        if image is None:
            raise Conflict(f"the image of container {assignment.id[:12]} is not on its node any more (pull it again)")
        return self._paths.writable(assignment.id, record.status.generation) / "upper", image.layers

    def exits(self) -> AsyncIterator[tuple[TaskKey, Exited]]:
        """Yield the end of every attempt that was started or adopted, once."""
        return self._tasks.exits.given()

    async def _delete_tasks(self, record: ContainerRecord, which: Callable[[TaskKey], bool]) -> None:
        container = record.assignment.id
        left = self._left.get(container, set())
        own = {task_key(record)} if record.status.attempt else set()
        for key in sorted((left & {k for k in left if which(k)}) | own, key=str):
            await self._tasks.delete(key)
            self._stalled.discard(key)
            left.discard(key)
        if not left:
            self._left.pop(container, None)

    async def _take_down(self, key: str) -> None:
        await self._rootfs.unmount(key)
        await self._sandboxes.release(key)
        self._left_mounted.discard(key)
        self._roots.pop(key, None)

    def _process(self, record: ContainerRecord, image: LocalImage) -> Process:
        config = record.assignment.config
        try:
            return resolve(config, config.env, image.config, record.assignment.id)
        except ShoalError as error:
            raise type(error)(f"container can't be prepared: {error.message}") from error


def _confinement(config: ContainerConfig) -> Confinement:
    devices = find_devices(config.devices)
    capable = own_capabilities()
    return confinement_of(config, own_limits(), capable=capable, score=own_score(capable), devices=devices)


def _streams(config: ContainerConfig) -> Streams:
    return Streams(
        tty=config.tty,
        stdin=config.open_stdin,
        stdin_once=config.stdin_once,
        columns=config.terminal_size.columns,
        rows=config.terminal_size.rows,
    )


def _remove_data(directory: Path) -> None:
    """Remove all that is in a container's directory but the record."""
    if not directory.exists():
        return
    for entry in directory.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            remove_tree(entry)
    sync_directory(directory)
