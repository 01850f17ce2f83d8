"""What a copying process says, as clients are told it."""

from __future__ import annotations

import pytest

from shoal_agent.copying.copies import path_info

LAST = 253_402_300_799


@pytest.mark.parametrize(
    ("told", "shown"),
    [(1_700_000_000, 1_700_000_000), (1 << 62, LAST), (LAST + 1, LAST), (-(1 << 62), -62_135_596_800)],
)
def test_a_file_may_be_of_any_time(told: int, shown: int) -> None:
    """A container sets its files' times, and those of a tmpfs reach further than messages."""
    info = {"path": "/a", "size": 1, "mode": 0o100644, "mtime": told * 10**9, "link": ""}
    assert path_info({"info": info}).modified_at.seconds == shown
