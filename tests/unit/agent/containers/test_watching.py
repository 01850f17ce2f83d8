"""Looks at containers, shared between those who ask, over control groups that are played."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from shoal_agent.containers import watching
from shoal_agent.containers.node import Node
from shoal_agent.containers.watching import Watching
from shoal_agent.runtime.cgroups import Cgroups, Mounts
from shoal_agent.runtime.statistics import read
from shoal_proto.v1.agent_pb2 import AgentStatsRequest, AgentStatsResponse, ContainerRecord
from shoal_proto.v1.container_pb2 import ContainerState, NetworkMode

RUNNING = ContainerState.CONTAINER_STATE_RUNNING
EXITED = ContainerState.CONTAINER_STATE_EXITED


class Machine:
    """Containers by a digit, each with a group of version 2."""

    def __init__(self, top: Path) -> None:
        self.groups = Cgroups("/shoal", Mounts(version=2, trees={"": top}))
        self.records: dict[str, ContainerRecord] = {}
        self.looks = 0
        node = cast("Node", SimpleNamespace(inventory=self._inventory))
        self.watching = Watching(node, self.groups)

    def _inventory(self, ids: frozenset[str]) -> list[tuple[ContainerRecord, bool]]:
        return [(record, False) for id_, record in self.records.items() if not ids or id_ in ids]

    def add(self, digit: str, state: ContainerState = RUNNING, used_us: int = 0) -> str:
        record = ContainerRecord()
        record.assignment.id, record.assignment.name = digit * 64, f"c{digit}"
        record.status.state, record.status.generation, record.status.attempt, record.status.pid = state, 1, 1, 1
        self.records[digit * 64] = record
        self.use(digit, used_us)
        return digit * 64

    def use(self, digit: str, used_us: int) -> None:
        group = self.groups.group("cpu", f"{digit * 64}-1-1")
        assert group is not None
        group.mkdir(parents=True, exist_ok=True)
        (group / "cpu.stat").write_text(f"usage_usec {used_us}\n")
        (group / "pids.current").write_text("4\n")


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    made.watching.close()


async def first(answers: AsyncGenerator[AgentStatsResponse, None]) -> AgentStatsResponse:
    async with asyncio.timeout(5):
        return await anext(answers)


async def test_all_that_run_come_in_one_message(machine: Machine) -> None:
    machine.add("a")
    machine.add("b")
    machine.add("c", EXITED)
    async with aclosing(machine.watching.stats(AgentStatsRequest(follow=True, interval_ms=200))) as answers:
        answer = await first(answers)
        assert [(each.name, each.pids) for each in answer.stats] == [("ca", 4), ("cb", 4)]
        # What begins meanwhile is there by itself, and what has ended isn't.
        machine.add("d")
        machine.records["a" * 64].status.state = EXITED
        assert [each.name for each in (await first(answers)).stats] == ["cb", "cd"]


@pytest.mark.parametrize(("took", "millis"), [(0.0, 2_000), (0.3, 1_250), (0.5, 1_000)])
async def test_how_much_is_used_now_is_told_once_too(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, took: float, millis: int
) -> None:
    """A second of a processor, in the half second between two looks and what the first took on a busy machine."""
    machine.add("a", used_us=1_000_000)
    real, real_sleep, now = read, asyncio.sleep, 0.0

    def busy(groups: Cgroups, name: str, pid: int | None, clock: Callable[[], float]) -> object:
        nonlocal now
        found = real(groups, name, pid, clock)
        machine.use("a", 2_000_000)
        now += took
        return found

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        await real_sleep(0)

    monkeypatch.setattr(watching, "read", busy)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr(machine.watching, "_clock", lambda: now)
    async with aclosing(machine.watching.stats(AgentStatsRequest())) as answers:
        (told,) = (await first(answers)).stats
        assert told.cpu_millis == millis
        with pytest.raises(StopAsyncIteration):
            await anext(answers)


async def test_those_that_were_named_are_told_of_also_if_they_do_not_run(machine: Machine) -> None:
    ids = [machine.add("a", EXITED), "e" * 64]
    async with aclosing(machine.watching.stats(AgentStatsRequest(ids=ids))) as answers:
        told = {each.id: each.problem for each in (await first(answers)).stats}
    assert told == {ids[0]: "it is not running", ids[1]: "its node does not have it yet"}


async def test_a_look_serves_all_who_ask_at_the_same_time(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.add("a")
    looks: list[str] = []
    real = read

    def counted(groups: Cgroups, name: str, *more: object) -> object:
        looks.append(name)
        return real(groups, name, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(watching, "read", counted)
    streams = [machine.watching.stats(AgentStatsRequest(follow=True)) for _ in range(5)]
    answers = await asyncio.gather(*(first(stream) for stream in streams))
    assert [len(answer.stats) for answer in answers] == [1] * 5
    for stream in streams:
        await stream.aclose()
    assert len(looks) == 1


async def test_the_nodes_own_network_is_not_a_containers(machine: Machine) -> None:
    machine.add("a")
    machine.add("b")
    machine.records["b" * 64].assignment.config.network = NetworkMode.NETWORK_MODE_HOST
    # The test's own process stands for the first of both.
    for record in machine.records.values():
        record.status.pid = os.getpid()
    async with aclosing(machine.watching.stats(AgentStatsRequest(follow=True))) as answers:
        told = {each.name: each.network_received_bytes for each in (await first(answers)).stats}
    assert told["cb"] == 0
    links = Path("/proc/self/net/dev").read_text().splitlines()[2:]
    others = [line for line in links if not line.strip().startswith("lo:")]
    assert bool(told["ca"]) == any(int(line.partition(":")[2].split()[0]) for line in others)
