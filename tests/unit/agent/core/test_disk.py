from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal_agent.core.disk import Usage, needed, trouble

MIB, GIB = 1 << 20, 1 << 30


@pytest.mark.parametrize(
    ("size", "need"), [(64 * MIB, 16 * MIB), (GIB, GIB // 20), (10 * GIB, GIB // 2), (4096 * GIB, GIB)]
)
def test_a_share_of_the_disk_within_limits_stays_free(size: int, need: int) -> None:
    assert needed(Usage(size, 0, 0, 0)) == need


def test_says_how_much_is_free_and_how_much_is_needed() -> None:
    usage = Usage(size=GIB, free=10 * MIB, inodes=0, free_inodes=0)
    assert trouble(usage, full=False) == "disk full: 10 MiB free, 51.2 MiB needed"
    files = Usage(size=GIB, free=GIB // 2, inodes=100_000, free_inodes=999)
    assert trouble(files, full=False) == "disk full: 999 inodes free, 1000 needed"


@given(size=st.integers(0, 1 << 45), part=st.floats(0, 1), inodes=st.integers(0, 1 << 30), left=st.floats(0, 1))
def test_what_was_full_needs_more_before_it_has_room_again(size: int, part: float, inodes: int, left: float) -> None:
    usage = Usage(size, int(size * part), inodes, int(inodes * left))
    assert not trouble(usage, full=False) or trouble(usage, full=True)
    assert not trouble(Usage(size, needed(usage) * 3 // 2, 0, 0), full=True)
    assert trouble(Usage(size, needed(usage), 0, 0), full=True)
    assert not trouble(Usage(size, needed(usage), 0, 0), full=False)
