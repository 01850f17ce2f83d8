"""Limits by themselves: which can be right, what they ask of a node, and sets of processors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.options import ContainerOptions, configure
from shoal_common.containers import limits
from shoal_common.containers.cpusets import format_set, parse_set
from shoal_common.errors import InvalidSpec
from shoal_proto.v1.resources_pb2 import Resources

MIB = 1 << 20


@given(st.frozensets(st.integers(0, 300)))
def test_a_set_is_read_as_it_is_written(numbers: frozenset[int]) -> None:
    assert parse_set(format_set(numbers)) == numbers


def test_sets_as_people_write_them() -> None:
    assert parse_set("") == frozenset()
    assert parse_set("4,0-2,2") == {0, 1, 2, 4}
    assert format_set(frozenset({4, 0, 1, 2})) == "0-2,4"
    for text in ("2-0", "a", "1,", "-1", "0-99999", " 1", "1;2", "1-2-3", "0," * 600 + "0"):
        with pytest.raises(InvalidSpec, match="cpuset"):
            parse_set(text)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (Resources(memory_bytes=-1), "memory"),
        (Resources(memory_bytes=1 << 60), "memory"),
        (Resources(memory_swap_bytes=64 * MIB), "without a memory limit"),
        (Resources(memory_bytes=64 * MIB, memory_swap_bytes=32 * MIB), "less than the memory limit of 64 MiB"),
        (Resources(memory_bytes=64 * MIB, memory_swap_bytes=-2), "-2"),
        (Resources(memory_reservation_bytes=MIB), "1 MiB"),
        (Resources(memory_bytes=64 * MIB, memory_reservation_bytes=65 * MIB), "64 MiB"),
        (Resources(cpu_millis=1), "0.001"),
        (Resources(cpu_shares=1), "cpu shares of 1"),
        (Resources(cpu_shares=1 << 20), "262144"),
        (Resources(cpuset_cpus="x"), '"x"'),
        (Resources(cpuset_mems="1-0"), '"1-0"'),
        (Resources(pids=-1), "pids"),
        (Resources(blkio_weight=9), "10 to 1000"),
        (Resources(blkio_weight=1001), "10 to 1000"),
        (Resources(oom_score_adjust=-1001), "-1000 to 1000"),
        (Resources(oom_score_adjust=1001), "-1000 to 1000"),
    ],
    ids=str,
)
def test_what_can_never_be_is_refused_in_one_line(wrong: Resources, named: str) -> None:
    with pytest.raises(InvalidSpec) as raised:
        limits.check_limits(wrong)
    assert named in raised.value.message
    assert "\n" not in raised.value.message


def test_what_not_every_node_can_do_has_a_name() -> None:
    assert limits.asked(Resources(memory_bytes=64 * MIB, cpu_millis=500, pids=9)) == frozenset()
    # No swap, and as much as there is, need no limit of it.
    for swap in (0, 64 * MIB, -1):
        assert limits.asked(Resources(memory_bytes=64 * MIB, memory_swap_bytes=swap)) == frozenset()
    every = Resources(
        memory_bytes=64 * MIB,
        memory_swap_bytes=65 * MIB,
        memory_reservation_bytes=32 * MIB,
        cpu_shares=2,
        cpuset_cpus="0",
        cpuset_mems="0",
        blkio_weight=10,
        oom_score_adjust=-1000,
    )
    limits.check_limits(every)
    assert limits.asked(every) == {
        *("memory-swap", "memory-reservation", "cpu-shares", "cpuset-cpus", "cpuset-mems", "blkio-weight"),
        "oom-score-adj",
    }


def test_a_score_is_not_changed_but_stays() -> None:
    before = Resources(memory_bytes=64 * MIB, oom_score_adjust=7)
    assert limits.merged(before, Resources(pids=9)).oom_score_adjust == 7
    with pytest.raises(InvalidSpec, match="can't be changed"):
        limits.merged(before, Resources(oom_score_adjust=8))


def test_options_become_the_message() -> None:
    options: ContainerOptions = {
        "memory": "64m",
        "memory_swap": "96m",
        "memory_reservation": 32 * MIB,
        "cpus": 0.5,
        "cpu_shares": 512,
        "cpuset_cpus": "0-1",
        "pids_limit": 20,
        "blkio_weight": 300,
        "oom_score_adj": -300,
    }
    assert configure("web:3", (), options).resources == Resources(
        memory_bytes=64 * MIB,
        memory_swap_bytes=96 * MIB,
        memory_reservation_bytes=32 * MIB,
        cpu_millis=500,
        cpu_shares=512,
        cpuset_cpus="0-1",
        pids=20,
        blkio_weight=300,
        oom_score_adjust=-300,
    )
    assert configure("web:3", (), {"memory": "64m", "memory_swap": -1}).resources.memory_swap_bytes == -1
    assert configure("web:3", (), {"memory": "64m", "memory_swap": "-1"}).resources.memory_swap_bytes == -1
    wrong: list[ContainerOptions] = [{"memory_swap": "64m"}, {"cpu_shares": -1}, {"cpuset_cpus": "x"}, {"memory": 1}]
    wrong += [{"oom_score_adj": 1 << 40}]
    for each in wrong:
        with pytest.raises(InvalidSpec):
            configure("web:3", (), each)
