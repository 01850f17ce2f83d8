"""What health checks may say, and lengths of time as people write them."""

from __future__ import annotations

import pytest

from shoal_common.containers.health_checks import check_health
from shoal_common.errors import InvalidSpec
from shoal_common.units import parse_duration
from shoal_proto.v1.container_pb2 import HealthCheck


@pytest.mark.parametrize("test", [[], ["NONE"], ["CMD", "check"], ["CMD", "check", ""], ["CMD-SHELL", "a && b"]])
def test_what_docker_takes_is_taken(test: list[str]) -> None:
    check_health(HealthCheck(test=test, interval_ms=1, retries=3))


@pytest.mark.parametrize(
    "check",
    [
        *(HealthCheck(test=test) for test in (["CMD"], ["CMD", ""], ["CMD-SHELL"], ["CMD-SHELL", " "], ["check"])),
        *(HealthCheck(test=test) for test in (["NONE", "x"], ["CMD-SHELL", "a", "b"], [""], ["CMD", "a\0"])),
        HealthCheck(test=["CMD-SHELL", "x" * 70_000]),
        HealthCheck(interval_ms=86_400_001),
        HealthCheck(start_period_ms=86_400_001),
        HealthCheck(retries=1_000_001),
    ],
    ids=str,
)
def test_what_can_not_be_made_is_refused_in_one_line(check: HealthCheck) -> None:
    with pytest.raises(InvalidSpec) as raised:
        check_health(check)
    assert "\n" not in raised.value.message


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("30s", 30_000), ("1m30s", 90_000), ("1.5h", 5_400_000), ("500ms", 500), ("0", 0), ("0s", 0), ("1500us", 1)],
)
def test_reads_lengths_of_time(text: str, milliseconds: int) -> None:
    assert parse_duration(text) == milliseconds


@pytest.mark.parametrize("text", ["", "30", "s", "-1s", "1 s", "1s ", "1d", "0.5us", "9999999h", "1s2"])
def test_refuses_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(InvalidSpec):
        parse_duration(text)
