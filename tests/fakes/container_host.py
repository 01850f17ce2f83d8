"""A host for workers' tests: containers are entries in memory, and outlive the agent that started them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from shoal_agent.containers.host import Prepared, task_key
from shoal_agent.core.health import Answer, Check
from shoal_agent.runtime.live_limits import Limited
from shoal_agent.runtime.tasks import Exited, Running, TaskKey
from shoal_proto.v1.agent_pb2 import ContainerRecord
from shoal_proto.v1.image_pb2 import ImageConfig


class Killed(BaseException):
    """The agent process ends here (kill -9): nothing after this point happens."""


@dataclass
class FakeHost:
    """Implements `ContainerHost`.

    Attributes:
        boot_id: change it for a reboot, with `reboot`.
        started: keys in the order in which programs began to run; what must never hold a run twice.
        problems: errors that preparing raises next, in order.
        lives: programs live on; otherwise they end with code 3 as soon as they run.
        ticks: start time of every process, in clock ticks since boot.
        now: the wall clock.
        limits: bytes of memory that each was held to while it ran, in order.
        limit_warning: what a host says that can't do it.
        starting: starts wait for it.
        at_once: starts under way.
        on_step: called with the name of every step; may raise `Killed`.
    """

    boot_id: str = "boot-1"
    alive: dict[TaskKey, Running] = field(default_factory=dict)
    ended: dict[TaskKey, Exited] = field(default_factory=dict)
    started: list[TaskKey] = field(default_factory=list)
    signals: list[tuple[TaskKey, str]] = field(default_factory=list)
    placements: set[tuple[str, int]] = field(default_factory=set)
    data: set[tuple[str, int]] = field(default_factory=set)
    problems: list[Exception] = field(default_factory=list)
    ignores_stop: bool = False
    preparing: asyncio.Event | None = None
    lives: bool = True
    ticks: Callable[[], int] = lambda: 1
    now: Callable[[], float] = lambda: 1_700_000_000.0
    starting: asyncio.Event | None = None
    at_once: int = 0
    on_step: Callable[[str], None] = lambda step: None
    frozen_keys: set[TaskKey] = field(default_factory=set)
    answers: list[Answer | Exception] = field(default_factory=list)
    probes: int = 0
    limits: list[tuple[TaskKey, int]] = field(default_factory=list)
    limit_warning: str = ""
    queue: asyncio.Queue[tuple[TaskKey, Exited]] = field(default_factory=asyncio.Queue)

    async def prepare(self, record: ContainerRecord) -> Prepared:
        self.on_step("prepare")
        if self.preparing is not None:
            await self.preparing.wait()
        if self.problems:
            raise self.problems.pop(0)
        placement = (record.assignment.id, record.status.generation)
        self.placements.add(placement)
        self.data.add(placement)
        return Prepared(image=ImageConfig(cmd=["true"]), layers=("sha256:1",), uid_base=524288, command=("true",))

    async def start(self, record: ContainerRecord) -> Running:
        key = task_key(record)
        self.on_step("before start")
        assert key not in self.alive
        assert key not in self.ended
        if self.problems:
            raise self.problems.pop(0)
        if self.starting is not None:
            self.at_once += 1
            await self.starting.wait()
            self.at_once -= 1
        running = Running(pid=100 + len(self.started), pid_start=self.ticks(), conmon_pid=99, conmon_start=1)
        self.started.append(key)
        self.alive[key] = running
        if not self.lives:
            self.end(key, 3)
        self.on_step("after start")
        return running

    async def adopt(self, record: ContainerRecord) -> Running | Exited | None:
        self.on_step("adopt")
        key = task_key(record)
        return self.alive.get(key) or self.ended.get(key)

    async def freeze(self, record: ContainerRecord) -> None:
        self.on_step("before freeze")
        self.frozen_keys.add(task_key(record))
        self.on_step("after freeze")

    async def thaw(self, record: ContainerRecord) -> None:
        self.on_step("before thaw")
        self.frozen_keys.discard(task_key(record))
        self.on_step("after thaw")

    def frozen(self, record: ContainerRecord) -> bool:
        return task_key(record) in self.frozen_keys

    async def limit(self, record: ContainerRecord) -> Limited:
        self.on_step("before limit")
        wanted = record.assignment.config.resources
        self.limits.append((task_key(record), wanted.memory_bytes))
        self.on_step("after limit")
        return Limited(wanted, self.limit_warning)

    async def probe(self, record: ContainerRecord, check: Check) -> Answer:
        """Give the next answer; the last one again and again."""
        self.probes += 1
        assert task_key(record) not in self.frozen_keys, "what is frozen is not asked"
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def stop_signal(self, record: ContainerRecord) -> None:
        self.on_step("stop signal")
        assert task_key(record) not in self.frozen_keys, "what is frozen hears no signal"
        self.signals.append((task_key(record), "stop"))
        if not self.ignores_stop:
            self.end(task_key(record), 0)

    async def kill(self, record: ContainerRecord) -> None:
        self.on_step("kill")
        assert task_key(record) not in self.frozen_keys, "what is frozen does not die"
        self.signals.append((task_key(record), "kill"))
        self.end(task_key(record), 137)

    async def tidy(self, record: ContainerRecord) -> None:
        self.on_step("tidy")
        placement = (record.assignment.id, record.status.generation)
        assert not [key for key in self.alive if (key.container, key.generation) == placement]
        for key in [key for key in self.ended if (key.container, key.generation) == placement]:
            del self.ended[key]

    async def release(self, record: ContainerRecord) -> None:
        await self.tidy(record)
        self.on_step("release")
        self.placements.discard((record.assignment.id, record.status.generation))

    async def remove(self, record: ContainerRecord) -> None:
        self.on_step("remove")
        container = record.assignment.id
        assert not [key for key in self.alive if key.container == container]
        self.ended = {key: end for key, end in self.ended.items() if key.container != container}
        self.placements = {placement for placement in self.placements if placement[0] != container}
        self.data = {placement for placement in self.data if placement[0] != container}

    def litter(self, record: ContainerRecord) -> bool:
        placement = (record.assignment.id, record.status.generation)
        return any((key.container, key.generation) == placement for key in (*self.alive, *self.ended))

    def mounted(self, record: ContainerRecord) -> bool:
        return (record.assignment.id, record.status.generation) in self.placements

    async def exits(self) -> AsyncIterator[tuple[TaskKey, Exited]]:
        while True:
            yield await self.queue.get()

    # What happens to the host.

    def end(self, key: TaskKey, code: int) -> None:
        """A process ends by itself."""
        if self.alive.pop(key, None) is not None:
            self.frozen_keys.discard(key)
            self.ended[key] = Exited(code=code, oom_killed=False, finished_at=self.now())
            self.queue.put_nowait((key, self.ended[key]))

    def reboot(self) -> None:
        """Everything but data and records is gone."""
        self.boot_id += "x"
        self.alive.clear()
        self.frozen_keys.clear()
        self.ended.clear()
        self.placements.clear()
