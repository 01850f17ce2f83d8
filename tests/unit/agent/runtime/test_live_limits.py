"""Limits of what runs: which lines are written, in which order, and what is told of those that can't be."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal_agent.runtime.cgroups import Cgroups, Mounts
from shoal_agent.runtime.live_limits import Change, changes, hold_to, kept_in_use
from shoal_proto.v1.resources_pb2 import Resources

MIB = 1 << 20
ENDLESS = "9223372036854771712"


def limits() -> st.SearchStrategy[Resources]:
    def made(memory: int, swap: int, quota: int, shares: int) -> Resources:
        together = {0: 0, 1: -1}.get(swap, memory + swap * MIB) if memory else 0
        return Resources(
            memory_bytes=memory * 1,
            memory_swap_bytes=together,
            memory_reservation_bytes=memory // 2,
            cpu_millis=quota,
            cpu_shares=shares,
            cpuset_cpus="0-1",
            pids=memory // MIB,
            blkio_weight=0 if not shares else 300,
        )

    sizes = st.sampled_from([0, 8 * MIB, 64 * MIB, 100 * MIB])
    return st.builds(made, sizes, st.integers(0, 60), st.sampled_from([0, 10, 500]), st.sampled_from([0, 2, 1024]))


class KernelOfVersion1:
    """What the files would say, and what the kernel holds."""

    def __init__(self) -> None:
        self.files = {
            "memory.limit_in_bytes": ENDLESS,
            "memory.memsw.limit_in_bytes": ENDLESS,
            "memory.soft_limit_in_bytes": ENDLESS,
            "cpu.cfs_quota_us": "-1",
            "cpu.shares": "1024",
            "cpuset.cpus": "0,1",
            "cpuset.mems": "0",
            "pids.max": "4096",
            "blkio.bfq.weight": "100",
        }

    def write(self, change: Change) -> None:
        value = ENDLESS if change.value == "-1" and change.controller == "memory" else change.value
        self.files[change.file] = value + "\n"
        limit, both = (int(self.files[f"memory.{name}"]) for name in ("limit_in_bytes", "memsw.limit_in_bytes"))
        assert limit <= both, f"the kernel refuses {change}"


@given(st.lists(limits(), min_size=1, max_size=4))
def test_version_one_takes_every_step_from_any_limits_to_any(steps: list[Resources]) -> None:
    kernel = KernelOfVersion1()
    for wanted in steps:
        for change in changes(wanted, kernel.files, version=1, weights="blkio.bfq.weight"):
            kernel.write(change)
        # Again, as by an agent that was killed before it could say that it had: nothing is left to do.
        assert changes(wanted, kernel.files, version=1, weights="blkio.bfq.weight") == []
        if wanted.memory_bytes:
            assert int(kernel.files["memory.limit_in_bytes"]) == wanted.memory_bytes


def test_version_two_in_its_own_words() -> None:
    present = {"memory.max": "max\n", "memory.swap.max": "max\n", "cpu.max": "max 100000\n", "cpu.weight": "100\n"}
    wanted = Resources(
        memory_bytes=64 * MIB,
        memory_swap_bytes=96 * MIB,
        memory_reservation_bytes=32 * MIB,
        cpu_millis=500,
        cpu_shares=1024,
        cpuset_cpus="0-1",
        pids=9,
        blkio_weight=1000,
    )
    written = {each.file: each.value for each in changes(wanted, present, version=2, weights="io.weight")}
    assert written == {
        "memory.max": str(64 * MIB),
        "memory.swap.max": str(32 * MIB),
        "memory.low": str(32 * MIB),
        "cpu.max": "50000 100000",
        "cpu.weight": "39",
        "cpuset.cpus": "0-1",
        "pids.max": "9",
        "io.weight": "10000",
    }
    assert (
        changes(wanted, {**present, **{k: v + "\n" for k, v in written.items()}}, version=2, weights="io.weight") == []
    )
    without = changes(Resources(memory_bytes=64 * MIB), present, version=2)
    assert [each.value for each in without] == [str(64 * MIB), "0"]
    endless = changes(Resources(memory_bytes=64 * MIB, memory_swap_bytes=-1), present, version=2)
    assert [each.file for each in endless] == ["memory.max"]


@pytest.fixture
def played(tmp_path: Path) -> tuple[Cgroups, Path]:
    """A container of version 2 with 40 MiB in use, 10 of which are cache."""
    group = tmp_path / "t/shoal/containers/x"
    group.mkdir(parents=True)
    for file, text in (
        ("memory.max", str(64 * MIB)),
        ("memory.swap.max", "0"),
        ("memory.current", str(40 * MIB)),
        ("memory.stat", f"anon {30 * MIB}\ninactive_file {6 * MIB}\nactive_file {4 * MIB}\n"),
        ("cpu.max", "50000 100000"),
    ):
        (group / file).write_text(f"{text}\n")
    return Cgroups("/shoal", Mounts(version=2, trees={"": tmp_path / "t"})), group


def test_memory_in_use_is_not_taken_away_by_killing(played: tuple[Cgroups, Path]) -> None:
    groups, group = played
    found = hold_to(groups, "x", Resources(memory_bytes=16 * MIB, cpu_millis=250))
    assert found.warning == (
        "memory stays as it was until the next start: 30 MiB are in use, more than the 16 MiB asked for"
    )
    # The rest is set, and what is told is what is in force.
    assert found.limits == Resources(memory_bytes=64 * MIB, cpu_millis=250)
    assert (group / "memory.max").read_text().strip() == str(64 * MIB)
    assert (group / "cpu.max").read_text() == "25000 100000"
    assert hold_to(groups, "x", Resources(memory_bytes=32 * MIB)).warning == ""
    assert (group / "memory.max").read_text() == str(32 * MIB)


def test_what_has_ended_is_no_fault(tmp_path: Path) -> None:
    groups = Cgroups("/shoal", Mounts(version=2, trees={"": tmp_path}))
    assert hold_to(groups, "gone", Resources(memory_bytes=16 * MIB)).warning == ""


def test_a_limit_that_the_kernel_refuses_is_told_and_takes_nothing_from_the_others(
    played: tuple[Cgroups, Path],
) -> None:
    groups, group = played
    (group.parent / "cpuset.cpus").touch()
    (group / "cpuset.cpus").mkdir()
    found = hold_to(groups, "x", Resources(cpuset_cpus="7", cpu_millis=100, blkio_weight=300))
    assert found.warning == (
        "blkio-weight could not be set: the control groups of this node can't do it; "
        "cpuset-cpus could not be set to 7: Is a directory"
    )
    assert found.limits == Resources(cpu_millis=100)
    assert kept_in_use({}) == 0
