"""What a change of limits means for the room of a node."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from shoal_controller.core.limiting import lowered, raised, refusal
from shoal_controller.core.orchestrate import Admit, Lower, Release, plan
from shoal_controller.core.snapshot import (
    NO_LIMITS,
    NOTHING,
    Amounts,
    ContainerView,
    HoldView,
    LimitsWish,
    PlacementView,
    StatusView,
)
from tests.unit.controller.core.clusters import CURRENT, GIB, cluster, node

ABLE = frozenset({"update"})
AMOUNTS = st.builds(Amounts, st.integers(0, 5), st.integers(0, 5))


def held(reserved: Amounts) -> HoldView:
    return HoldView("id-n1", "c", 2, CURRENT, reserved)


def container(need: Amounts, *, changed: int = 1, served: int = 1, in_force: Amounts = NOTHING) -> ContainerView:
    status = StatusView(2, ended=False, run_served=1, limits_served=served, in_force=in_force)
    return ContainerView(
        id="c", need=need, limits_changed=changed, placement=PlacementView("id-n1", 2, 1), status=status, run=1
    )


def test_what_needs_more_than_is_free_is_refused_with_the_reason() -> None:
    full = node("n1", memory=4 * GIB, reserved=Amounts(3 * GIB, 1000), limits=ABLE)
    hold = held(Amounts(GIB, 500))
    assert refusal(full, hold, Amounts(2 * GIB, 3500), NO_LIMITS, runs=True) == ""
    assert refusal(full, hold, Amounts(2 * GIB + 1, 500), NO_LIMITS, runs=True) == (
        "1 node: 1 lacks memory (needs 1 GiB, most free 1 GiB)"
    )
    assert refusal(full, hold, Amounts(GIB, 4000), NO_LIMITS, runs=True) == (
        "1 node: 1 lacks cpus (needs 3.5, most free 3)"
    )
    # Less is always to be had, also on a node that has less than it had promised.
    over = replace(full, reserved=Amounts(5 * GIB, 1000))
    assert refusal(over, hold, Amounts(GIB // 2, 400), NO_LIMITS, runs=True) == ""


def test_what_reserves_nothing_now_has_to_fit_some_time() -> None:
    full = node("n1", memory=4 * GIB, reserved=Amounts(4 * GIB))
    assert refusal(full, held(NOTHING), Amounts(4 * GIB), NO_LIMITS, runs=False) == ""
    assert "lacks memory" in refusal(full, held(NOTHING), Amounts(5 * GIB), NO_LIMITS, runs=False)


def test_a_node_that_can_not_change_it_is_told_of() -> None:
    plain = node("n1")
    assert refusal(plain, held(NOTHING), NOTHING, NO_LIMITS, runs=False) == ""
    assert refusal(plain, held(NOTHING), NOTHING, NO_LIMITS, runs=True) == (
        "n1 has an agent too old to change what runs (upgrade it, or stop the container first)"
    )
    wish = LimitsWish(frozenset({"blkio-weight"}))
    assert refusal(replace(plain, limits=ABLE), held(NOTHING), NOTHING, wish, runs=True) == (
        "1 node: n1: its control groups can't do blkio-weight"
    )


def test_less_is_given_back_once_the_node_has_taken_it_away() -> None:
    more, less = Amounts(4, 4), Amounts(1, 1)
    assert lowered(container(less, changed=2, in_force=more), more) == more
    # An agent of an older version began it, and did not say with what.
    assert lowered(container(less, served=0, in_force=NOTHING), more) == more
    assert lowered(container(less, in_force=less), more) == less
    # It could not take the memory.
    assert lowered(container(less, in_force=Amounts(4, 1)), more) == Amounts(4, 1)
    assert lowered(replace(container(less), status=None), more) == more


@given(AMOUNTS, AMOUNTS, AMOUNTS, st.integers(0, 2))
def test_what_is_reserved_covers_what_is_wanted_and_what_is_in_force(
    before: Amounts, need: Amounts, in_force: Amounts, served: int
) -> None:
    booked = raised(before, need)
    assert need.fits(booked)
    left = lowered(container(need, served=served, in_force=in_force), booked)
    assert need.fits(left)
    assert left.memory >= min(booked.memory, in_force.memory)
    assert left.cpu >= min(booked.cpu, in_force.cpu)


def test_the_plan_lowers_and_never_what_it_releases_or_admits() -> None:
    much, need = Amounts(4 * GIB, 1000), Amounts(GIB, 500)
    home = node("n1", reserved=much, holds={"c": held(much)})

    def decided(view: ContainerView) -> list[object]:
        return list(plan(cluster([home], [view], holders={"c": frozenset({home.id})}), limit=9))

    lower = container(need, in_force=need)
    assert decided(lower) == [Lower("c", home.id, need)]
    assert lower.status is not None
    assert decided(replace(lower, status=replace(lower.status, ended=True, in_force=NOTHING))) == [
        Release("c", home.id)
    ]
    # Started again, what runs until then keeps what it has.
    again = replace(container(need, in_force=much), run=2)
    assert decided(again) == [Admit("c", home.id, 2, much)]
