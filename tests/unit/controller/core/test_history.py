from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shoal_controller.core.history import MARGIN, compaction_target


@given(st.integers(0, 10**9))
def test_what_is_kept_is_the_margin_and_nothing_of_a_full_store(revision: int) -> None:
    assert compaction_target(revision, full=True) == revision
    kept = revision - compaction_target(revision, full=False)
    assert kept == min(revision, MARGIN)
