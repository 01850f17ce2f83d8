"""Which store is believed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal_controller.core.store_health import NEVER, Mark, StoreView, ahead, behind, horizon, is_behind, problem

OWN = "a" * 32
WELL = StoreView(OWN, 1, 100, recovering=False)


def test_a_store_that_goes_on_from_where_it_was_is_well() -> None:
    assert problem(OWN, Mark(1, 90), WELL) == ""
    assert problem(OWN, Mark(), WELL) == ""
    assert not is_behind(Mark(1, 100), WELL)


@pytest.mark.parametrize(
    ("mark", "view", "said"),
    [
        (Mark(), StoreView("", 0, 5, recovering=False), "shoal controller init"),
        (Mark(1, 90), StoreView("", 0, 5, recovering=False), "--from-nodes"),
        (Mark(1, 90), StoreView("b" * 32, 7, 500, recovering=False), "b" * 32),
        (Mark(1, 90, "it was set back"), WELL, "--accept-restore"),
        (Mark(1, 90), StoreView(OWN, 1, 100, recovering=True), "--accept-restore"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_with_its_remedy(mark: Mark, view: StoreView, said: str) -> None:
    line = problem(OWN, mark, view)
    assert said in line
    assert "\n" not in line
    assert "(" in line


def test_a_suspicion_holds_however_far_the_store_grows_until_the_epoch_is_raised() -> None:
    mark = Mark(2, 90, behind(Mark(2, 90), StoreView(OWN, 2, 50, recovering=False)))
    for revision in (50, 89, 90, 91, 10**9):
        assert problem(OWN, mark, StoreView(OWN, 2, revision, recovering=False))
        assert problem(OWN, mark, StoreView(OWN, 1, revision, recovering=False))
    assert problem(OWN, mark, StoreView(OWN, 3, 1, recovering=False)) == ""
    assert "node n1" in ahead("n1", 2, 90, WELL)


@given(st.integers(1, 5), st.integers(0, 500), st.integers(1, 5), st.integers(0, 500))
def test_a_store_is_behind_by_epoch_first(epoch: int, revision: int, seen_epoch: int, seen: int) -> None:
    view = StoreView(OWN, epoch, revision, recovering=False)
    assert is_behind(Mark(seen_epoch, seen), view) == (epoch < seen_epoch or (epoch == seen_epoch and revision < seen))


def test_what_was_written_after_a_node_had_last_heard_is_news_to_it() -> None:
    def of(*, recovering: bool, followed: tuple[int, int]) -> int:
        return horizon(
            epoch=3,
            cluster_revision=1_000,
            recovering=recovering,
            followed_epoch=followed[0],
            followed_revision=followed[1],
        )

    assert of(recovering=True, followed=(2, 700)) == 700
    # What it has followed is of a history that this store does not know: its own word is all there is.
    assert of(recovering=True, followed=(1, 700)) == NEVER
    # It comes after the recovery: what was written since is news in any case.
    assert of(recovering=False, followed=(2, 700)) == 700
    assert of(recovering=False, followed=(2, 5_000)) == 1_000
    assert of(recovering=False, followed=(1, 700)) == 1_000
