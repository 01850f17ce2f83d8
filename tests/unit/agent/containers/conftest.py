from __future__ import annotations

from pathlib import Path

import pytest

from shoal_agent.paths import NodePaths
from tests.fakes.container_host import FakeHost


@pytest.fixture
def paths(tmp_path: Path) -> NodePaths:
    return NodePaths(data=tmp_path, run=tmp_path / "run")


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()
