"""Which range of user ids a sandbox gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal_agent.sandbox.host_uids import parse_uid_map
from shoal_agent.sandbox.uid_ranges import FIRST, LAST, SIZE, UidRanges, parse_delegations
from shoal_common.errors import Exhausted

BASES = range(FIRST, FIRST + 8 * SIZE, SIZE)


@given(
    st.lists(st.tuples(st.sampled_from(["take", "retire", "settle"]), st.integers(0, 7)), max_size=60),
    st.lists(st.tuples(st.integers(FIRST - SIZE, FIRST + 9 * SIZE), st.integers(0, 2 * SIZE)), max_size=3),
)
def test_never_two_live_sandboxes_with_overlapping_ids(
    steps: list[tuple[str, int]], delegated: list[tuple[int, int]]
) -> None:
    ranges = UidRanges(BASES, delegated)
    running: set[int] = set()  # Bases that processes still run under, whether their sandbox lives or not.
    live: set[int] = set()
    for step, number in steps:
        if step == "take":
            try:
                base = ranges.take()
            except Exhausted:
                continue
            assert base in BASES
            assert base not in live
            assert base not in running
            assert all(base + SIZE <= first or first + count <= base for first, count in delegated if count)
            live.add(base)
            running.add(base)
        elif step == "retire" and live:
            base = sorted(live)[number % len(live)]
            live.remove(base)
            ranges.retire(base)
        elif step == "settle":
            # Some of the processes have ended by now.
            running -= set(sorted(running - live)[: number % 3])
            ranges.settle(ranges.retired, in_use=running)
    assert ranges.live == live


def test_range_is_reused_only_after_a_look_at_the_host() -> None:
    ranges = UidRanges(BASES)
    bases = [ranges.take() for _ in BASES]
    ranges.retire(bases[3])
    ranges.retire(bases[5])
    with pytest.raises(Exhausted, match="no free uid range of 8"):
        ranges.take()
    ranges.settle({bases[3], bases[5]}, in_use={bases[3]})
    assert ranges.take() == bases[5]
    with pytest.raises(Exhausted):
        ranges.take()


def test_range_that_retired_during_the_look_is_not_freed_by_it() -> None:
    ranges = UidRanges(BASES)
    bases = [ranges.take() for _ in BASES]
    looked_for = ranges.retired
    ranges.retire(bases[0])
    ranges.settle(looked_for, in_use=())
    with pytest.raises(Exhausted):
        ranges.take()


def test_strangers_ranges_are_left_alone() -> None:
    ranges = UidRanges(BASES)
    ranges.settle((), in_use={0, BASES[0], 123})
    assert ranges.take() == BASES[1]


def test_claimed_range_is_not_given_out() -> None:
    ranges = UidRanges(BASES)
    ranges.claim(BASES[0])
    assert ranges.take() == BASES[1]
    with pytest.raises(ValueError, match="two sandboxes"):
        ranges.claim(BASES[0])


def test_default_bases_are_what_systemd_sets_aside() -> None:
    bases = range(FIRST, LAST + 1, SIZE)
    assert bases[-1] + SIZE - 1 == 0x6FFFFFFF
    assert len(bases) > 20_000


def test_ranges_must_not_touch() -> None:
    with pytest.raises(ValueError, match="65536 apart"):
        UidRanges(range(FIRST, LAST, 1000))


def test_delegations_are_read_and_rubbish_is_ignored() -> None:
    text = "me:100000:65536\n# note\nyou:165536:10 # mine\nbad:x:1\n\nshort:1\n"
    assert parse_delegations(text) == [(100000, 65536), (165536, 10)]


def test_uid_map_tells_where_it_starts() -> None:
    assert parse_uid_map("         0     524288      65536\n") == {524288}
    assert parse_uid_map("         0          0 4294967295\n") == {0}
    assert parse_uid_map("") == set()
