from __future__ import annotations

import pytest

from shoal_common.containers.restart_policy import Restart, parse_restart
from shoal_common.errors import InvalidSpec


@pytest.mark.parametrize(
    ("text", "policy", "most"),
    [
        ("no", Restart.NO, 0),
        ("on-failure", Restart.ON_FAILURE, 0),
        ("on-failure:3", Restart.ON_FAILURE, 3),
        ("always", Restart.ALWAYS, 0),
        ("unless-stopped", Restart.UNLESS_STOPPED, 0),
    ],
)
def test_reads_what_docker_reads(text: str, policy: Restart, most: int) -> None:
    assert parse_restart(text) == (policy, most)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yes",
        "No",
        "always:1",
        "no:0",
        "on-failure:",
        "on-failure:0",
        "on-failure:-1",
        "on-failure:x",
        "on-failure:\u0663",
    ],
)
def test_says_what_can_be_written(text: str) -> None:
    with pytest.raises(InvalidSpec) as raised:
        parse_restart(text)
    assert "on-failure:N" in raised.value.message


def test_a_number_that_no_message_holds_is_refused() -> None:
    with pytest.raises(InvalidSpec):
        parse_restart(f"on-failure:{1 << 32}")
