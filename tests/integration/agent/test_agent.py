"""The whole agent against real images, sandboxes and runtimes, and a leader on real gRPC."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.agent.scenarios import SCENARIOS


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_agent(name: str, agent_host: Callable[[str], None]) -> None:
    agent_host(name)
