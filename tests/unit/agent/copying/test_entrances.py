"""Ways into containers: what is kept from changing while somebody reads, and let go afterwards."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from shoal_agent.copying.entrances import Entrances
from shoal_agent.core.lifecycle import RUNNING
from shoal_agent.paths import NodePaths
from shoal_proto.v1.agent_pb2 import AgentContainerRef, ContainerRecord
from tests.fakes.container_host import FakeHost
from tests.unit.agent.containers.test_worker import ID, agent, assignment

if TYPE_CHECKING:
    from shoal_agent.containers.runtime_host import RuntimeHost
    from shoal_agent.runtime.tasks import Tasks

WANTED = AgentContainerRef(id=ID)
TASKS = cast("Tasks", SimpleNamespace(groups=SimpleNamespace(helpers=list)))


class LayeredHost(FakeHost):
    """A host whose containers have a writable layer."""

    writable: Path

    def layers(self, _: ContainerRecord) -> tuple[Path, tuple[Path, ...]]:
        return self.writable, ()


@pytest.fixture
def paths(tmp_path: Path) -> NodePaths:
    return NodePaths(data=tmp_path, run=tmp_path / "run")


@pytest.fixture
def host(tmp_path: Path) -> LayeredHost:
    host = LayeredHost()
    host.writable = tmp_path
    return host


async def test_what_two_read_is_let_go_when_both_are_done(paths: NodePaths, host: LayeredHost) -> None:
    async with agent(paths, host) as one:
        one.node.apply_set([assignment()])
        await one.state(RUNNING)
        entrances = Entrances(one.node, TASKS, cast("RuntimeHost", host))
        first, second = (entrances.writable(WANTED, frozen=True) for _ in range(2))
        async with second:
            async with first:
                assert host.frozen_keys
            assert host.frozen_keys, "the other one still reads"
        assert not host.frozen_keys
        first, second = (entrances.writable(WANTED, frozen=True) for _ in range(2))
        await first.__aenter__()
        async with second:
            await first.__aexit__(None, None, None)
            assert host.frozen_keys, "the other one still reads"
        assert not host.frozen_keys


async def test_what_a_user_has_paused_stays_so(paths: NodePaths, host: LayeredHost) -> None:
    async with agent(paths, host) as one:
        one.node.apply_set([assignment(paused=True)])
        await one.reached(lambda status: status.paused)
        entrances = Entrances(one.node, TASKS, cast("RuntimeHost", host))
        async with entrances.writable(WANTED, frozen=True):
            assert host.frozen_keys
        assert host.frozen_keys
