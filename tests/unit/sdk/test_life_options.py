"""How a container lives, as Python values and as the message."""

from __future__ import annotations

import pytest

from shoal.options import ContainerOptions, configure
from shoal_common.errors import InvalidSpec
from shoal_proto.v1.container_pb2 import HealthCheck


def test_a_health_check_becomes_its_message() -> None:
    options: ContainerOptions = {"health_cmd": "wget -q localhost", "health_interval": "1m", "health_timeout": 2.5}
    assert configure("web:3", (), options).health == HealthCheck(
        test=["CMD-SHELL", "wget -q localhost"], interval_ms=60_000, timeout_ms=2_500
    )
    assert list(configure("web:3", (), {"health_cmd": ["check", "-v"]}).health.test) == ["CMD", "check", "-v"]
    # Only how often, of what the image says.
    assert configure("web:3", (), {"health_retries": 5}).health == HealthCheck(retries=5)
    assert list(configure("web:3", (), {"health_cmd": False}).health.test) == ["NONE"]
    assert not configure("web:3", (), {}).HasField("health")


@pytest.mark.parametrize(
    "options",
    [
        {"health_cmd": ""},
        {"health_cmd": False, "health_interval": "5s"},
        {"health_interval": "5"},
        {"health_interval": -1},
        {"health_timeout": 1e9},
        {"health_retries": -1},
    ],
    ids=str,
)
def test_what_can_not_be_is_refused(options: ContainerOptions) -> None:
    with pytest.raises(InvalidSpec):
        configure("web:3", (), options)
