"""All containers of this node: a worker each, and what the leader is told of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from typing import Final

from shoal_agent.clock import Clock
from shoal_agent.containers.host import ContainerHost
from shoal_agent.containers.records import Records
from shoal_agent.containers.surroundings import Surroundings
from shoal_agent.containers.worker import Worker
from shoal_agent.core import lifecycle
from shoal_common.assignments import set_digest
from shoal_common.errors import NotFound
from shoal_proto.v1.agent_pb2 import ContainerRecord
from shoal_proto.v1.dispatcher_pb2 import AcceptedReport, Assignment, StatusReport

log = logging.getLogger(__name__)

#: Seconds that actions under way get to end when the agent does; what they leave is adopted by the next.
CLOSING: Final = 5.0


class Node:
    """Runs the workers; applies what the leader says, and never acts on what it does not say.

    Args:
        starts: bounds how many containers are set up or started at a time.
        restarts: bounds how many of these may be restarts by policy.
    """

    def __init__(
        self,
        host: ContainerHost,
        records: Records,
        clock: Clock,
        *,
        starts: asyncio.Semaphore,
        restarts: asyncio.Semaphore,
    ) -> None:
        self._host = host
        self._records = records
        self._around = Surroundings(
            host=host,
            records=records,
            clock=clock,
            starts=starts,
            restarts=restarts,
            changed=self._changed,
            settled=self._settled,
        )
        self._workers: dict[str, Worker] = {}
        self._unreadable: set[str] = set()
        self._foreign: set[str] = set()
        self._group: asyncio.TaskGroup | None = None
        self._told: set[str] = set()
        self._appeared = asyncio.Event()
        #: Set when there is something to report.
        self.news = asyncio.Event()
        #: Called when nothing is left of a container.
        self.on_settled: Callable[[], None] = lambda: None
        #: A set of the leader's has been confirmed since this process began.
        self.confirmed = False

    async def open(self, *, left_behind: Collection[str] = ()) -> None:
        """Read the records.

        Args:
            left_behind: ids of containers of which the host has something.
        """
        records, self._unreadable = await self._records.load()
        for container, record in records.items():
            self._workers[container] = Worker(self._around, record, stored=True)
        self._foreign = set(left_behind) - set(records)
        log.info("%d containers are recorded here", len(records))

    async def run(self, closing: asyncio.Event) -> None:
        """Run all workers until `closing` is set; containers run on."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            dispatch = group.create_task(self._dispatch_exits(), name="exits")
            for worker in self._workers.values():
                self._begin(worker)
            await closing.wait()
            self._group = None
            for worker in self._workers.values():
                worker.close()
            tasks = [task for task in asyncio.all_tasks() if task.get_name().startswith("container-")]
            if tasks:
                _, late = await asyncio.wait(tasks, timeout=CLOSING)
                for task in late:
                    task.cancel()
            dispatch.cancel()

    # What the leader says.

    def apply_set(self, assignments: Iterable[Assignment]) -> None:
        """Take the whole of what the node holds. What it does not name is left alone, and told as strays."""
        named = set()
        for assignment in assignments:
            named.add(assignment.id)
            self._assign(assignment)
        for container, worker in self._workers.items():
            if container not in named:
                worker.unhold()
        self._confirm()

    def apply_change(self, put: Iterable[Assignment], removed: Iterable[str]) -> None:
        """Take what changed."""
        for assignment in put:
            self._assign(assignment)
        for container in removed:
            if (worker := self._workers.get(container)) is not None:
                worker.unhold()
        self.news.set()

    def confirm(self) -> None:
        """The leader's set is what the node acts on already."""
        self._confirm()

    def accepted(self, reports: Iterable[AcceptedReport]) -> None:
        """The leader has stored these."""
        for report in reports:
            if (worker := self._workers.get(report.id)) is not None:
                worker.accepted(report.generation, report.report)

    # What the leader is told.

    def digest(self) -> bytes:
        """Return the digest of the set that the node acts on; empty if it has none."""
        held = [worker.record.assignment for worker in self._workers.values() if worker.held]
        return set_digest(held) if held else b""

    def strays(self) -> list[str]:
        """Return the ids of what the node has and no hold names; nothing before the first set was seen."""
        if not self.confirmed:
            return []
        unheld = {
            container for container, worker in self._workers.items() if not (worker.held or worker.record.removed)
        }
        return sorted(unheld | self.unknown())

    def reports(self, *, everything: bool) -> list[StatusReport]:
        """Return what the leader has not stored: all of it, or what changed since the last call."""
        told, self._told = self._told, set()
        self.news.clear()
        containers = list(self._workers) if everything else [c for c in told if c in self._workers]
        reports = (self._workers[container].report() for container in containers)
        return [report for report in reports if report is not None]

    def report_again(self) -> None:
        """The leader's store was restored to an earlier state: report everything again."""
        for worker in self._workers.values():
            worker.report_again()

    def look_again(self) -> None:
        """What containers wait for may have come, such as room on the disk: try again now."""
        for worker in self._workers.values():
            worker.look_again()

    def evict(self, container: str, reason: str) -> None:
        """Kill the process of a container, so that the node is not exhausted."""
        if (worker := self._workers.get(container)) is not None:
            worker.evict(reason)

    def press(self, *, tight: bool) -> None:
        """The node is short of memory or disk, or is not any more: what was evicted waits for that."""
        for worker in self._workers.values():
            worker.press(tight=tight)

    # What services ask.

    def worker(self, container: str) -> Worker:
        """Return a container's worker.

        Raises:
            NotFound: the node has no record of it.
        """
        worker = self._workers.get(container)
        if worker is None or worker.stored is None:
            raise NotFound(f"container {container[:12]} is not on this node")
        return worker

    def recorded(self, container: str) -> ContainerRecord | None:
        """Return the record of a container as it stands; None if the node has nothing of it."""
        worker = self._workers.get(container)
        return worker.record if worker is not None else None

    def all_recorded(self) -> Iterable[ContainerRecord]:
        """Return the records of all containers as they stand."""
        return [worker.record for worker in self._workers.values()]

    def mounts_volume(self, volume: str) -> bool:
        """Say whether any container of which something is left here mounts a volume."""
        return any(
            mount.volume_id == volume
            for worker in self._workers.values()
            if not worker.record.removed
            for mount in worker.record.assignment.config.mounts
        )

    def images(self) -> dict[str, str]:
        """Return the digest of the image of each container of which something is or will be here, by its id."""
        return {
            container: worker.record.assignment.image_digest
            for container, worker in self._workers.items()
            if not worker.record.removed
        }

    def attempts(self) -> dict[str, tuple[int, int]]:
        """Return the generation and the attempt that each container is at, by its id."""
        return {
            container: (worker.record.status.generation, worker.record.status.attempt)
            for container, worker in self._workers.items()
        }

    def unknown(self) -> frozenset[str]:
        """Return the ids of containers of which there is something here, and no record that can be read."""
        return frozenset(self._unreadable | (self._foreign - set(self._workers)))

    def inventory(self, ids: Collection[str]) -> list[tuple[ContainerRecord, bool]]:
        """Return the records of these containers, or of all, as they are on disk, and whether each is a stray."""
        chosen = [worker for id_, worker in self._workers.items() if not ids or id_ in ids]
        return [(worker.stored, not worker.held) for worker in chosen if worker.stored is not None]

    async def appeared(self, container: str, *, timeout: float) -> Worker:
        """Return a container's worker, waiting for the leader's word of it.

        Raises:
            NotFound: it did not come in `timeout` seconds.
        """
        try:
            async with asyncio.timeout(timeout):
                while (worker := self._workers.get(container)) is None:
                    self._appeared.clear()
                    await self._appeared.wait()
                await worker.until(lambda record: True)
        except TimeoutError:
            raise NotFound(f"container {container[:12]} is not on this node") from None
        return worker

    # Inside.

    def _assign(self, assignment: Assignment) -> None:
        worker = self._workers.get(assignment.id)
        if worker is not None:
            worker.assign(assignment)
            return
        self._add(lifecycle.new_record(assignment))

    def _add(self, record: ContainerRecord) -> None:
        worker = Worker(self._around, record, stored=False)
        self._workers[worker.id] = worker
        self._appeared.set()
        self._begin(worker)

    def _begin(self, worker: Worker) -> None:
        if self._group is not None:
            self._group.create_task(worker.run(), name=f"container-{worker.id[:12]}")

    def _confirm(self) -> None:
        self.confirmed = True
        self.news.set()

    def _changed(self, container: str) -> None:
        self._told.add(container)
        self.news.set()

    def _settled(self, container: str) -> None:
        worker = self._workers.pop(container)
        self._foreign.discard(container)
        self._unreadable.discard(container)
        self.news.set()
        self.on_settled()
        assignment = worker.record.assignment
        if worker.held and assignment.generation > worker.record.status.generation:
            # It came back while the last of it was going.
            self._add(lifecycle.new_record(assignment))

    async def _dispatch_exits(self) -> None:
        async for key, exited in self._host.exits():
            if (worker := self._workers.get(key.container)) is not None:
                worker.exited(key, exited)
