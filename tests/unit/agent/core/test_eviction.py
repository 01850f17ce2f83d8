"""Who is ended before a node is exhausted, and in which order."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from shoal_agent.core import planning
from shoal_agent.core.disk import Usage, needed, trouble
from shoal_agent.core.eviction import (
    Candidate,
    Memory,
    disk_victim,
    exceeds,
    is_exhausted,
    is_short,
    is_spent,
    kept_free,
    memory_victim,
)
from shoal_agent.core.model import Observed, TaskState
from shoal_proto.v1.container_pb2 import ContainerState, DesiredState, RestartMode
from tests.parts.planned import RECORD, WANTED

MIB, GIB = 1 << 20, 1 << 30
WELL = Memory(total=8 * GIB, available=4 * GIB, capacity=8 * GIB, used=2 * GIB)
SHORT = replace(WELL, available=100 * MIB)
OVER = replace(WELL, capacity=GIB)
_candidates = st.lists(
    st.builds(
        Candidate,
        id=st.text("abcdef0123456789", min_size=4, max_size=8),
        reserved=st.integers(0, 4 * GIB),
        memory=st.integers(0, 4 * GIB),
        written=st.integers(0, GIB),
        began_ms=st.integers(0, 1000),
    ),
    unique_by=lambda each: each.id,
)
_memories = st.builds(
    Memory,
    total=st.just(8 * GIB),
    available=st.integers(0, 8 * GIB),
    capacity=st.integers(1, 8 * GIB),
    used=st.integers(0, 8 * GIB),
)
_usages = st.builds(
    Usage, size=st.just(100 * GIB), free=st.integers(0, 4 * GIB), inodes=st.just(0), free_inodes=st.just(0)
)


def test_who_uses_more_than_reserved_goes_first_and_by_how_much() -> None:
    modest = Candidate("modest", reserved=2 * GIB, memory=2 * GIB)
    beyond = Candidate("beyond", reserved=GIB, memory=GIB + 300 * MIB)
    free = Candidate("free", memory=200 * MIB)
    everybody = [modest, beyond, free]
    assert memory_victim(SHORT, everybody) == "beyond"
    assert memory_victim(SHORT, [modest, free]) == "free"
    assert memory_victim(OVER, [modest, free]) == "free"
    # Within what was reserved only the host's own need counts.
    assert memory_victim(OVER, [modest]) is None
    assert memory_victim(SHORT, [modest]) == "modest"
    assert memory_victim(SHORT, []) is None


def test_among_equals_the_youngest_goes() -> None:
    old, young = (
        Candidate("b", memory=MIB, written=MIB, began_ms=1),
        Candidate("a", memory=MIB, written=MIB, began_ms=2),
    )
    assert memory_victim(SHORT, [old, young]) == "a"
    assert disk_victim(Usage(100 * GIB, 0, 0, 0), [old, young]) == "a"


def test_who_writes_most_goes_before_the_disk_is_full() -> None:
    full = Usage(100 * GIB, 400 * MIB, 0, 0)
    busy, hog, idle = (Candidate(name, written=size) for name, size in (("busy", MIB), ("hog", GIB), ("idle", 9)))
    assert disk_victim(full, [busy, hog, idle]) == "hog"
    assert disk_victim(full, [idle]) is None
    # Nothing is left, and so nobody writes.
    spent = replace(full, free=0)
    large, small = Candidate("large", size=GIB), Candidate("small", size=MIB)
    assert disk_victim(spent, [small, large]) == "large"
    assert disk_victim(full, [small, large]) is None
    assert disk_victim(spent, [small, large, busy]) == "busy"
    assert disk_victim(replace(full, free=600 * MIB), [hog]) is None


@given(_usages)
def test_new_work_is_refused_before_anybody_is_ended(usage: Usage) -> None:
    if is_exhausted(usage):
        assert trouble(usage, full=False)
        assert usage.free < needed(usage)


@given(_memories, _candidates)
def test_nobody_is_ended_without_need(memory: Memory, candidates: list[Candidate]) -> None:
    victim = memory_victim(memory, candidates)
    if not (is_short(memory) or exceeds(memory)):
        assert victim is None
    assert kept_free(memory.total) < memory.total


@given(_memories, _candidates)
def test_nobody_within_its_reservation_goes_before_one_beyond(memory: Memory, candidates: list[Candidate]) -> None:
    victim = memory_victim(memory, candidates)
    if victim is None:
        return
    chosen = next(each for each in candidates if each.id == victim)
    for other in candidates:
        if other.memory > other.reserved:
            assert chosen.memory > chosen.reserved
            assert chosen.memory - chosen.reserved >= other.memory - other.reserved
    if chosen.memory <= chosen.reserved:
        assert is_short(memory)


@given(_usages, _candidates)
def test_nobody_is_ended_for_the_disk_who_has_written_less_than_another(
    usage: Usage, candidates: list[Candidate]
) -> None:
    victim = disk_victim(usage, candidates)
    if victim is not None:
        written = {each.id: each.written for each in candidates}
        assert written[victim] == max(written.values())
        assert written[victim] > 0 or is_spent(usage)


@given(_memories, _candidates, st.randoms())
def test_the_order_of_asking_does_not_matter(memory: Memory, candidates: list[Candidate], random: object) -> None:
    shuffled = list(candidates)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert memory_victim(memory, shuffled) == memory_victim(memory, candidates)


def test_what_was_evicted_is_not_started_by_its_policy_while_the_node_is_short() -> None:
    record = replace(RECORD, state=ContainerState.CONTAINER_STATE_EXITED, restart_due_ms=10, evicted=True)
    wanted = replace(WANTED, restart_mode=RestartMode.RESTART_MODE_ALWAYS)
    tight = Observed(prepared=True, tight=True)
    assert planning.plan(record, wanted, tight, 11) == planning.Wait()
    assert planning.plan(record, wanted, replace(tight, tight=False), 11) == planning.Start(1, by_policy=True)
    # Others may: it is their own end that their policy answers.
    assert planning.plan(replace(record, evicted=False), wanted, tight, 11) == planning.Start(1, by_policy=True)
    # A user who starts it wants it now.
    asked = replace(wanted, run_admitted=2)
    assert planning.plan(record, asked, tight, 11) == planning.Start(2)


def test_an_eviction_is_recorded_before_the_kill_and_outlives_the_agent() -> None:
    alive = Observed(task=TaskState.ALIVE)
    assert planning.plan(RECORD, WANTED, replace(alive, eviction="evicted: x"), 5) == planning.Evict("evicted: x")
    # The next agent process has only the record.
    evicted = replace(RECORD, evicted=True)
    assert planning.plan(evicted, WANTED, alive, 5) == planning.Kill()
    assert planning.plan(evicted, WANTED, replace(alive, frozen=True), 5) == planning.Thaw()
    # Also where a stop with a long grace is under way.
    stopping = replace(evicted, state=ContainerState.CONTAINER_STATE_STOPPING, kill_due_ms=60_000)
    stop = replace(WANTED, desired=DesiredState.DESIRED_STATE_STOPPED)
    assert planning.plan(stopping, stop, alive, 5) == planning.Kill()
