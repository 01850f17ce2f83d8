"""A node runs nothing loosened that no controller has held against the policy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shoal_agent.containers.runtime_host import RuntimeHost
from shoal_agent.core import lifecycle
from shoal_agent.paths import NodePaths
from shoal_agent.runtime.failures import StartFailed
from shoal_common.errors import PermissionDenied
from shoal_proto.v1.agent_pb2 import ContainerRecord
from shoal_proto.v1.container_pb2 import ContainerConfig, Security
from shoal_proto.v1.dispatcher_pb2 import Assignment


class Reached(Exception):
    """It went on to the image, or to the sandbox."""


def reach(*_: object) -> None:
    raise Reached


@contextmanager
def host(folder: Path) -> Iterator[RuntimeHost]:
    parts: dict[str, Any] = {"rootfs": None, "mounts": None, "tasks": SimpleNamespace()}
    made = RuntimeHost(
        NodePaths(folder, folder / "run"),
        boot_id="boot",
        disk=SimpleNamespace(check=lambda what: None),  # type: ignore[arg-type]
        images=SimpleNamespace(find=reach),  # type: ignore[arg-type]
        sandboxes=SimpleNamespace(find=reach),  # type: ignore[arg-type]
        starts=asyncio.Semaphore(),
        **parts,
    )
    yield made
    made.close()


def record(*permissions: str) -> ContainerRecord:
    config = ContainerConfig(image="web", security=Security(privileged=True))
    return lifecycle.new_record(Assignment(id="a" * 64, generation=1, config=config, permissions=permissions))


@pytest.mark.parametrize(("act", "error"), [(RuntimeHost.prepare, PermissionDenied), (RuntimeHost.start, StartFailed)])
async def test_it_neither_prepares_nor_starts_it(
    tmp_path: Path, act: Callable[[RuntimeHost, ContainerRecord], Any], error: type[Exception]
) -> None:
    with host(tmp_path) as made:
        with pytest.raises((error, Reached)) as refused:
            await act(made, record("capabilities"))
        assert "all privileges, which no controller has checked" in str(refused.value)
        with pytest.raises(Reached):
            await act(made, record("privileged"))


def test_a_leader_whose_store_was_lost_takes_no_permission_away() -> None:
    known = record("privileged")
    told = lifecycle.assigned(known, Assignment(id="a" * 64, generation=1))
    assert list(told.assignment.permissions) == ["privileged"]
    # One that is there and knows nothing of the mark does: it has asked nobody.
    older = Assignment(id="a" * 64, generation=1, config=known.assignment.config)
    assert list(lifecycle.assigned(known, older).assignment.permissions) == []
