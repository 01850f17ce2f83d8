"""A node that is about to be exhausted ends one container at a time, says why, and does not start it at once again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from shoal_agent.care import evicting as module
from shoal_agent.care.evicting import Evicting, meminfo
from shoal_agent.care.measuring import Measurer
from shoal_agent.clock import Clock
from shoal_agent.containers.node import Node
from shoal_agent.containers.records import Records
from shoal_agent.core import restarts
from shoal_agent.core.disk import Usage
from shoal_agent.core.lifecycle import EXITED, RUNNING
from shoal_agent.disk import Spares
from shoal_agent.paths import NodePaths
from shoal_agent.runtime.cgroups import Cgroups
from shoal_common.sealing import Sealer
from shoal_proto.v1.container_pb2 import ContainerStatus, DesiredState, RestartMode, RestartPolicy
from shoal_proto.v1.dispatcher_pb2 import Assignment
from shoal_proto.v1.node_pb2 import HoldRole, NodeProblem
from tests.fakes.container_host import FakeHost

if TYPE_CHECKING:
    from shoal_agent.disk import Disk

ONE, TWO = "a1" * 32, "b2" * 32
MIB, GIB = 1 << 20, 1 << 30
TIB = 1 << 40
FULL = [NodeProblem(kind="disk-full", message="disk full")]


class Machine:
    """A node with real records, and what its kernel would say of it."""

    def __init__(self, node: Node, paths: NodePaths, memory: Path) -> None:
        self.node, self.paths, self.memory = node, paths, memory
        self.uses: dict[str, int] = {}
        self.disk = Usage(TIB, TIB // 2, 0, 0)
        self.problems: list[NodeProblem] = []
        self.told = 0
        self.available(GIB)

    async def usage(self) -> Usage:
        return self.disk

    def available(self, size: int) -> None:
        self.memory.write_text(f"MemTotal: 4194304 kB\nMemFree: 1 kB\nMemAvailable: {size // 1024} kB\n")

    def tell(self) -> None:
        self.told += 1

    async def start(self, container: str, *, reserved: int = 0, always: bool = False) -> None:
        assignment = Assignment(
            namespace="default",
            id=container,
            generation=1,
            role=HoldRole.HOLD_ROLE_CURRENT,
            desired=DesiredState.DESIRED_STATE_RUNNING,
            run_admitted=1,
            stop_grace_ms=60_000,
        )
        assignment.config.resources.memory_bytes = reserved
        if always:
            assignment.config.restart.CopyFrom(RestartPolicy(mode=RestartMode.RESTART_MODE_ALWAYS))
        self.node.apply_change([assignment], [])
        await self.reached(container, lambda status: status.state == RUNNING)

    async def reached(self, container: str, condition: Callable[[ContainerStatus], bool]) -> ContainerStatus:
        async with asyncio.timeout(5):
            worker = await self.node.appeared(container, timeout=5)
            return await worker.until(lambda record: record.status if condition(record.status) else None)

    def state(self, container: str) -> int:
        return self.node.worker(container).record.status.state


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
async def machine(tmp_path: Path, host: FakeHost) -> AsyncIterator[Machine]:
    paths = NodePaths(data=tmp_path, run=tmp_path / "run")
    records = Records(paths, Sealer(b"k" * 32), Spares(paths.spares))
    node = Node(host, records, Clock(), starts=asyncio.Semaphore(8), restarts=asyncio.Semaphore(4))
    await node.open()
    closing = asyncio.Event()
    running = asyncio.create_task(node.run(closing))
    await asyncio.sleep(0)
    yield Machine(node, paths, tmp_path / "meminfo")
    closing.set()
    await running
    records.close()


@contextmanager
def evicting(machine: Machine, monkeypatch: pytest.MonkeyPatch, *, capacity: int = TIB) -> Iterator[Evicting]:
    def uses(groups: Cgroups, name: str) -> int:
        return next((size for id_, size in machine.uses.items() if name.startswith(id_)), 0)

    monkeypatch.setattr(module, "read_memory", uses)
    measurer = Measurer()
    made = Evicting(
        machine.paths,
        machine.node,
        cast("Cgroups", SimpleNamespace(version=2, group=lambda controller, name: None)),
        cast("Disk", machine),
        measurer,
        Clock(),
        capacity=capacity,
        tell=machine.tell,
        meminfo=machine.memory,
    )
    monkeypatch.setattr(made, "_everything", lambda: sum(machine.uses.values()))
    yield made
    made.close()
    measurer.close()


def write(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(os.urandom(size))


async def test_who_uses_more_memory_than_reserved_is_killed_and_says_why(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await machine.start(ONE, reserved=64 * MIB)
    await machine.start(TWO)
    machine.uses = {ONE: 60 * MIB, TWO: 90 * MIB}
    with evicting(machine, monkeypatch) as looking:
        await looking.look()
        assert (machine.state(ONE), machine.state(TWO), machine.told) == (RUNNING, RUNNING, 0)
        machine.available(50 * MIB)
        await looking.look()
        ended = await machine.reached(TWO, lambda status: status.state == EXITED)
        assert machine.state(ONE) == RUNNING
        assert (ended.exit_code, ended.oom_killed) == (137, False)
        assert ended.reason == (
            "evicted: memory of its node is short (50 MiB available, 128 MiB needed), it used 90 MiB"
        )
        assert [each.kind for each in looking.problems] == ["memory-short"]
        assert machine.told == 1


async def test_containers_that_use_more_than_their_node_has_for_them_lose_one(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await machine.start(ONE, reserved=64 * MIB)
    await machine.start(TWO)
    machine.uses = {ONE: 64 * MIB, TWO: 70 * MIB}
    with evicting(machine, monkeypatch, capacity=128 * MIB) as looking:
        await looking.look()
        ended = await machine.reached(TWO, lambda status: status.state == EXITED)
        assert "containers use 134 MiB of 128 MiB" in ended.reason
        assert machine.state(ONE) == RUNNING


async def test_a_restart_policy_waits_until_the_node_has_room_again(
    machine: Machine, host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    await machine.start(ONE, always=True)
    machine.uses = {ONE: 90 * MIB}
    with evicting(machine, monkeypatch) as looking:
        machine.available(MIB)
        # A pause of none, so that only want of room is in the way.
        monkeypatch.setattr(restarts, "PAUSE_MOST_MS", 0)
        await looking.look()
        ended = await machine.reached(ONE, lambda status: status.state == EXITED)
        assert ended.HasField("restart_at")
        assert ended.reason.startswith("evicted: ")
        starts = len(host.started)
        for _ in range(5):
            await looking.look()
        assert (machine.state(ONE), len(host.started)) == (EXITED, starts)
        machine.available(GIB)
        monkeypatch.setattr(looking, "_short_until", 0.0)
        await looking.look()
        again = await machine.reached(ONE, lambda status: status.state == RUNNING)
        assert (again.attempt, again.restarts, again.reason) == (2, 1, "")


async def test_who_writes_is_ended_before_the_disk_is_full_and_nobody_else(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await machine.start(ONE)
    await machine.start(TWO)
    large, hog = (machine.paths.writable(each, 1) / "upper" / "file" for each in (ONE, TWO))
    write(large, 8 * MIB)
    write(hog, MIB)
    machine.problems, machine.disk = FULL, Usage(TIB, 900 * MIB, 0, 0)
    with evicting(machine, monkeypatch) as looking:
        await looking.look()
        machine.disk = Usage(TIB, 400 * MIB, 0, 0)
        write(hog, 2 * MIB)
        await looking.look()
        ended = await machine.reached(TWO, lambda status: status.state == EXITED)
        assert ended.reason == (
            "evicted: the disk of its node is almost full (400 MiB free, 1 GiB needed), it wrote 2 MiB last"
        )
        # What it wrote is still there, and nobody writes: nobody else goes.
        for _ in range(3):
            await looking.look()
        assert machine.state(ONE) == RUNNING


async def test_where_nothing_is_left_one_goes_and_no_more(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    await machine.start(ONE)
    await machine.start(TWO)
    write(machine.paths.writable(ONE, 1) / "upper" / "file", MIB)
    write(machine.paths.writable(TWO, 1) / "upper" / "file", 4 * MIB)
    machine.problems, machine.disk = FULL, Usage(TIB, 0, 0, 0)
    with evicting(machine, monkeypatch) as looking:
        for _ in range(3):
            await looking.look()
        ended = await machine.reached(TWO, lambda status: status.state == EXITED)
        assert "it has 4 MiB there" in ended.reason
        assert machine.state(ONE) == RUNNING


def test_what_the_kernel_says_of_memory() -> None:
    assert meminfo("MemTotal: 8 kB\nMemFree: 1 kB\nMemAvailable:    3 kB\n") == (8192, 3072)
    with pytest.raises(OSError, match="does not say"):
        meminfo("MemTotal: 8 kB\n")
