"""What counts as more of a kind."""

from __future__ import annotations

from tests.churn.traces import REMEMBERED, grown, heavier


def _more(before: set[str], after: set[str]) -> tuple[str, ...]:
    (found,) = grown({"links": before}, {"links": after})
    return found.more


def test_the_same_number_of_the_same_make_is_no_growth() -> None:
    assert _more({"shl12ab34cd", "lo"}, {"shl99ab34ff", "lo"}) == ()


def test_one_more_of_a_make_is_told() -> None:
    assert _more({"shl1", "lo"}, {"shl1", "shl2", "lo"}) == ("shl2",)
    assert _more(set(), {"net:[4026531840]"}) == ("net:[4026531840]",)


def test_fewer_are_no_growth() -> None:
    assert _more({"shl1", "shl2"}, {"shl3"}) == ()


def test_less_of_one_does_not_make_up_for_more_of_another() -> None:
    assert _more({"a", "b"}, {"a", "c"}) == ("c",)


def test_what_daemons_keep_by_themselves_does_not_count() -> None:
    assert _more(set(), {"/var/lib/shoal-lab/x/logs/a.log", "/var/lib/shoal-lab/x/c/etcd/member/wal/1.wal"}) == ()


def test_daemons_may_have_somewhat_more_memory_and_controllers_what_they_remember() -> None:
    before = {"n1/agent": 50 << 20, "c1/controller": 50 << 20}
    assert not heavier(before, dict.fromkeys(before, 55 << 20), removed=900)
    more = (55 << 20) + 900 * REMEMBERED
    assert not heavier(before, {"c1/controller": more}, removed=900)
    told = heavier(before, {"n1/agent": more, "c1/controller": more + 1}, removed=900)
    assert [each.partition(" ")[0] for each in told] == ["n1/agent", "c1/controller"]
