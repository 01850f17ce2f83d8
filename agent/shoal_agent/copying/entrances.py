"""Ways into this node's containers: by a process of one that runs, by the mounted root of one that doesn't."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from shoal_agent.containers.host import task_key
from shoal_agent.containers.node import Node
from shoal_agent.containers.runtime_host import RuntimeHost
from shoal_agent.copying.inside import Mounted
from shoal_agent.copying.jobs import Entrance
from shoal_agent.core.lifecycle import NONE, PREPARING, RUNNING, STARTING, STOPPING, state_name
from shoal_agent.kernel import processes
from shoal_agent.runtime.tasks import TaskKey, Tasks
from shoal_common.errors import Conflict
from shoal_proto.v1.agent_pb2 import AgentContainerRef, ContainerRecord

#: Seconds that a container is waited for which a controller knows of already and this node does not yet.
_APPEARING: Final = 10.0
#: Seconds that a container may take to be prepared, or to get from starting to running.
_SETTLING: Final = 60.0
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY
_MOVING: Final = (NONE, PREPARING, STARTING)


class Entrances:
    """Opens containers of this node."""

    def __init__(self, node: Node, tasks: Tasks, host: RuntimeHost) -> None:
        self._node = node
        self._tasks = tasks
        self._host = host
        #: How many keep the processes of an attempt frozen.
        self._keepers: Counter[TaskKey] = Counter()

    @asynccontextmanager
    async def inside(self, wanted: AgentContainerRef) -> AsyncIterator[Entrance]:
        """Open the way into a container, with all that is mounted in it if it runs, while the context lasts.

        What is open stays what it is, even if the container ends or is started meanwhile.

        Raises:
            NotFound: the container is not on this node.
            Conflict: nothing of it is there yet, or no longer.
        """
        record = await self._settled(wanted)
        with contextlib.ExitStack() as stack:
            if _has_process(record):
                yield self._by_process(record, stack)
            else:
                mounts = [Mounted(str(each.source), each.target, each.read_only) for each in self._host.mounts(record)]
                yield replace(self._by_root(record, stack), mounts=tuple(mounts))

    @asynccontextmanager
    async def root(self, wanted: AgentContainerRef) -> AsyncIterator[Entrance]:
        """Open the way into a container's root file system alone, whatever is mounted in it. Errors as `inside`."""
        record = await self._settled(wanted)
        with contextlib.ExitStack() as stack:
            yield self._by_root(record, stack)

    @asynccontextmanager
    async def writable(self, wanted: AgentContainerRef, *, frozen: bool = False) -> AsyncIterator[Entrance]:
        """Open a container's writable layer, and the image's layers below it. Errors as `inside`.

        Args:
            frozen: keep its processes, if it has any, from changing it meanwhile.

        Raises:
            Unavailable: its processes can't be frozen now.
        """
        record = await self._settled(wanted)
        async with contextlib.AsyncExitStack() as stack:
            if frozen and _has_process(record):
                await stack.enter_async_context(self._frozen(record))
            writable, layers = self._host.layers(record)
            files = stack.enter_context(contextlib.ExitStack())
            opened = [_opened(path, _DIRECTORY, files, record) for path in (writable, *layers)]
            yield Entrance(root=opened[0], layers=tuple(opened[1:]), groups=self._groups())

    @asynccontextmanager
    async def _frozen(self, record: ContainerRecord) -> AsyncIterator[None]:
        """Keep a container's processes frozen while the context lasts, and as long as another one does."""
        key = task_key(record)
        if key not in self._keepers and self._host.frozen(record):
            # A user has paused it.
            yield
            return
        self._keepers[key] += 1
        try:
            # Whatever ends this agent meanwhile: the next one lets go what nobody wants to be paused.
            await self._host.freeze(record)
            yield
        finally:
            self._keepers[key] -= 1
            if not self._keepers[key]:
                del self._keepers[key]
                await self._let_go(record)

    async def _let_go(self, record: ContainerRecord) -> None:
        worker = self._node.worker(record.assignment.id)
        # A user may have paused it meanwhile.
        if not worker.record.assignment.paused:
            await self._host.thaw(record)

    async def _settled(self, wanted: AgentContainerRef) -> ContainerRecord:
        """Return the record of a container whose files are there; nothing is awaited between this and their opening."""
        worker = await self._node.appeared(wanted.id, timeout=_APPEARING)
        try:
            async with asyncio.timeout(_SETTLING):
                record = await worker.until(lambda stored: stored if stored.status.state not in _MOVING else None)
                _check(record, wanted)
                if not _has_process(record):
                    await worker.reach()
        except TimeoutError:
            state = state_name(worker.record.status.state).lower()
            raise Conflict(f"container {wanted.id[:12]} is {state}, its files can't be reached (try again)") from None
        _check(worker.record, wanted)
        return worker.record

    def _groups(self) -> tuple[Path, ...]:
        return tuple(self._tasks.groups.helpers())

    def _by_process(self, record: ContainerRecord, stack: contextlib.ExitStack) -> Entrance:
        running = self._tasks.running(task_key(record))
        try:
            process = os.pidfd_open(running.pid)
            stack.callback(os.close, process)
        except ProcessLookupError:
            raise _ending(record) from None
        user_ns = _opened(Path(f"/proc/{running.pid}/ns/user"), os.O_RDONLY, stack, record)
        # Looked at after opening: now the id can't be given to another process unnoticed.
        if processes.start_time(running.pid) != running.pid_start:
            raise _ending(record)
        group = self._tasks.groups.group("memory", str(task_key(record)))
        memory = _opened(group / "cgroup.procs", os.O_WRONLY, stack, record) if group is not None else -1
        return Entrance(process=process, user_ns=_foreign(user_ns), memory=memory, groups=self._groups())

    def _by_root(self, record: ContainerRecord, stack: contextlib.ExitStack) -> Entrance:
        root, sandbox = self._host.root(record)
        user_ns = _opened(sandbox.user_ns, os.O_RDONLY, stack, record)
        return Entrance(
            user_ns=_foreign(user_ns),
            root=_opened(root, _DIRECTORY, stack, record),
            uid_base=sandbox.uid_base,
            groups=self._groups(),
            # Where it runs, its root file system is mounted so.
            read_only=record.assignment.config.read_only,
        )


def _has_process(record: ContainerRecord) -> bool:
    return record.status.state in (RUNNING, STOPPING)


def _opened(path: Path, flags: int, stack: contextlib.ExitStack, record: ContainerRecord) -> int:
    try:
        opened = os.open(path, flags | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _ending(record) from None
    stack.callback(os.close, opened)
    return opened


def _ending(record: ContainerRecord) -> Conflict:
    return Conflict(f"container {record.assignment.id[:12]} is just ending (try again)")


def _foreign(user_ns: int) -> int:
    """Return the descriptor of a user namespace, or -1 if it is this process's own."""
    return -1 if os.path.samestat(os.fstat(user_ns), os.stat("/proc/self/ns/user")) else user_ns


def _check(record: ContainerRecord, wanted: AgentContainerRef) -> None:
    if wanted.generation and record.status.generation != wanted.generation:
        raise Conflict(f"container {wanted.id[:12]} was placed anew meanwhile (try again)")
    if record.removing or record.removed:
        raise Conflict(f"container {wanted.id[:12]} is being removed")
