"""Containers that join another one: in which sandbox they are set up, and what they share when they start.

A container whose files alone are wanted, and one that waits for the other to run, has a sandbox of its own: its files
must be within reach whatever became of the other one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from shoal_agent.containers.host import task_key
from shoal_agent.core.joining import is_coming
from shoal_agent.core.model import remembered, wanted
from shoal_agent.paths import placement_key
from shoal_agent.runtime.failures import RUNTIME_FAILED, StartFailed
from shoal_agent.runtime.shared import HOST_SHM, IPC, NETWORK, PID, UTS, Shared, namespaces_of
from shoal_agent.runtime.task import TaskKey
from shoal_agent.runtime.tasks import Tasks
from shoal_agent.sandbox.sandboxes import HOST, Joining, Sandboxes
from shoal_common.containers.namespaces import (
    is_addressed,
    joined_id,
    joins_ipc,
    joins_network,
    joins_pid,
    shares_host,
    why_not_joined,
)
from shoal_common.errors import Conflict, Unavailable
from shoal_common.ids import SHORT_ID
from shoal_common.messages import copied
from shoal_proto.v1.agent_pb2 import ContainerRecord
from shoal_proto.v1.container_pb2 import ContainerConfig, PortBinding, SharingMode
from shoal_proto.v1.resources_pb2 import Address


class Recorded(Protocol):
    """What this node remembers of its containers."""

    def recorded(self, container: str) -> ContainerRecord | None:
        """Return the record of a container; None if the node has nothing of it."""
        ...

    def all_recorded(self) -> Iterable[ContainerRecord]:
        """Return the records of all containers."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """What sandbox a placement is to have.

    Attributes:
        addresses: where it is connected to.
        ports: of this node, that lead to it.
        joining: the sandbox of the container that it joins, or the node's own namespaces; None: it joins none.
    """

    addresses: Sequence[Address] = ()
    ports: Sequence[PortBinding] = ()
    joining: Joining | None = None


class Neighbours:
    """Finds the containers that others join."""

    def __init__(self, sandboxes: Sandboxes, tasks: Tasks, *, boot_id: str) -> None:
        self._sandboxes = sandboxes
        self._tasks = tasks
        self._boot_id = boot_id
        #: Who remembers them. Nobody, until the node's records were read.
        self.node: Recorded | None = None
        tasks.dying_with = self.among_processes_of

    def place(self, record: ContainerRecord) -> Place:
        """Return where a placement is set up before a start.

        Raises:
            Unavailable: the container that it joins is about to run, and is waited for.
        """
        target = self._target(record)
        if target is None:
            return Place() if joined_id(record.assignment.config) else _own(record)
        if is_coming(remembered(target, boot_id=self._boot_id), wanted(target.assignment)):
            raise Unavailable(f"container {_name(target)}, whose namespaces it joins, does not run yet")
        return self._beside(record, target) or Place()

    def place_to_start(self, record: ContainerRecord) -> Place:
        """Return where a placement that joins another one is started.

        Raises:
            StartFailed: that one does not run.
        """
        target = self._running(record)[0]
        place = self._beside(record, target)
        if place is None:
            raise _not_running(target)
        return place

    def shared(self, record: ContainerRecord) -> Shared:
        """Return what a placement shares when it starts.

        Raises:
            StartFailed: the container that it joins does not run.
        """
        config = record.assignment.config
        lends = bool(config.ipc.mode == SharingMode.SHARING_MODE_SHAREABLE)
        if not joined_id(config):
            host = shares_host(config)
            return Shared(lends=lends, host=host, shm=HOST_SHM if IPC in host else None)
        target, key = self._running(record)
        kinds = (*((PID,) if joins_pid(config) else ()), *((IPC,) if joins_ipc(config) else ()))
        try:
            running = self._tasks.running(key)
            found = namespaces_of(running.pid, running.pid_start, kinds)
        except Conflict:
            raise _not_running(target) from None
        return Shared(joined=found, shm=self._tasks.shared_memory(key) if joins_ipc(config) else None)

    def naming(self, record: ContainerRecord) -> tuple[ContainerConfig, Sequence[Address]]:
        """Return a container's configuration, and the addresses by which it is known: those of whose network it has."""
        config, target = record.assignment.config, self._target(record)
        if not config.hostname and shares_host(config) & {NETWORK, UTS}:
            of_node = copied(config)
            of_node.hostname = os.uname().nodename
            return of_node, ()
        if not joins_network(config) or target is None:
            return config, record.assignment.addresses
        theirs, own = target.assignment, copied(config)
        own.hostname = theirs.config.hostname or theirs.id[:SHORT_ID]
        own.dns.CopyFrom(theirs.config.dns)
        own.extra_hosts[:] = theirs.config.extra_hosts
        return own, theirs.addresses

    def among_processes_of(self, container: str) -> list[TaskKey]:
        """Return the attempts that joined a container's process namespace: they end when its first process does."""
        everybody = self.node.all_recorded() if self.node is not None else ()
        return [
            task_key(record)
            for record in everybody
            if joins_pid(record.assignment.config) and record.assignment.config.pid.container == container
        ]

    def _target(self, record: ContainerRecord) -> ContainerRecord | None:
        id_ = joined_id(record.assignment.config)
        target = self.node.recorded(id_) if id_ and self.node is not None else None
        return None if target is None or target.removing or target.removed else target

    def _running(self, record: ContainerRecord) -> tuple[ContainerRecord, TaskKey]:
        target = self._target(record)
        if target is None:
            id_ = joined_id(record.assignment.config)[:SHORT_ID]
            raise StartFailed(
                RUNTIME_FAILED, f"container {id_}, whose namespaces it joins, is not on its node any more"
            )
        if why_not := why_not_joined(record.assignment.config, target.assignment.config):
            # A controller looks at this as well; but not one of an older version, which knows nothing of joining.
            raise StartFailed(RUNTIME_FAILED, f"container {_name(target)}, whose namespaces it joins, {why_not}")
        key = task_key(target)
        try:
            self._tasks.running(key)
        except Conflict:
            raise _not_running(target) from None
        return target, key

    def _beside(self, record: ContainerRecord, target: ContainerRecord) -> Place | None:
        theirs = self._sandboxes.find(placement_key(target.assignment.id, target.status.generation))
        if theirs is None or why_not_joined(record.assignment.config, target.assignment.config):
            return None
        if joins_network(record.assignment.config):
            return Place(joining=Joining(theirs, network=True))
        own = _own(record)
        return Place(own.addresses, own.ports, Joining(theirs))


def _own(record: ContainerRecord) -> Place:
    assignment = record.assignment
    shared = shares_host(assignment.config)
    addresses = assignment.addresses if is_addressed(assignment.config) else ()
    joining = Joining(HOST, network=NETWORK in shared) if shared else None
    return Place(tuple(addresses), tuple(assignment.ports), joining)


def _name(target: ContainerRecord) -> str:
    return target.assignment.name or target.assignment.id[:SHORT_ID]


def _not_running(target: ContainerRecord) -> StartFailed:
    name = _name(target)
    said = f"container {name}, whose namespaces it joins, is not running (start it first: shoal start {name})"
    return StartFailed(RUNTIME_FAILED, said)
