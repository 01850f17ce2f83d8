"""Health checks of many containers at once, on one host: what one does keeps no other from being checked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shoal_agent.containers.runtime_host import RuntimeHost
from shoal_agent.core import lifecycle
from shoal_agent.core.health import Answer, Check
from shoal_agent.paths import NodePaths
from shoal_agent.runtime.exec import ExecSpec
from shoal_agent.runtime.tasks import TaskKey
from shoal_common.errors import Conflict
from shoal_proto.v1.agent_pb2 import ContainerRecord
from shoal_proto.v1.container_pb2 import ContainerConfig
from shoal_proto.v1.dispatcher_pb2 import Assignment

HANGS = Check(args=("hangs",), timeout_ms=3_600_000)
ENDS = Check(args=("ends",), timeout_ms=3_600_000)
LATE = Check(args=("hangs",), timeout_ms=1)


class Command:
    """One that says nothing, and ends at once or never."""

    pid = 1
    stderr = None

    def __init__(self, spec: ExecSpec) -> None:
        self._hangs = spec.args[0] == "hangs"
        self.stdout = SimpleNamespace(read=self._read)

    async def _read(self, limit: int) -> bytes:
        if self._hangs:
            await asyncio.Event().wait()
        return b""

    async def cut_off(self) -> None:
        return

    async def wait(self) -> int:
        return 0

    def abandon(self) -> None:
        return


class FakeTasks:
    """Starts commands, and freezes groups."""

    def __init__(self) -> None:
        self.begun = 0
        self.frozen: set[str] = set()
        self.dying_with: object = None
        self.groups = SimpleNamespace(frozen=self.frozen.__contains__, freeze=self._freeze, thaw=self.frozen.discard)

    async def exec(self, key: TaskKey, spec: ExecSpec) -> Command:
        self.begun += 1
        return Command(spec)

    async def _freeze(self, name: str) -> None:
        self.frozen.add(name)


@pytest.fixture
def tasks() -> FakeTasks:
    return FakeTasks()


@pytest.fixture
async def host(tmp_path: Path, tasks: FakeTasks) -> AsyncIterator[RuntimeHost]:
    parts: Any = dict.fromkeys(("disk", "images", "sandboxes", "rootfs", "mounts"))
    made = RuntimeHost(
        NodePaths(tmp_path, tmp_path / "run"),
        boot_id="boot",
        tasks=tasks,  # type: ignore[arg-type]
        starts=asyncio.Semaphore(),
        **parts,
    )
    yield made
    made.close()


def record(number: int = 0) -> ContainerRecord:
    return lifecycle.new_record(Assignment(id=f"{number:064x}", generation=1, config=ContainerConfig(image="web")))


async def test_checks_that_hang_keep_no_other_container_from_being_checked(host: RuntimeHost, tasks: FakeTasks) -> None:
    hanging = [asyncio.create_task(host.probe(record(number), HANGS)) for number in range(20)]
    try:
        async with asyncio.timeout(5):
            assert await host.probe(record(99), ENDS) == Answer(ok=True, output="")
        assert tasks.begun == 21
    finally:
        for each in hanging:
            each.cancel()
            with suppress(asyncio.CancelledError):
                await each


async def test_what_fails_while_processes_are_frozen_says_nothing_of_their_health(
    host: RuntimeHost, tasks: FakeTasks
) -> None:
    await host.freeze(record())
    with pytest.raises(Conflict, match="frozen"):
        await host.probe(record(), ENDS)
    assert tasks.begun == 0
    await host.thaw(record())
    assert (await host.probe(record(), ENDS)).ok
    late = asyncio.create_task(host.probe(record(), Check(args=("hangs",), timeout_ms=50)))
    while not tasks.frozen:
        if tasks.begun == 2:
            await host.freeze(record())
        await asyncio.sleep(0)
    await host.thaw(record())
    with pytest.raises(Conflict, match="frozen"):
        await late
    assert not (await host.probe(record(), LATE)).ok
