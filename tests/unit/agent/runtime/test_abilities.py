"""What a host can hold containers to, in trees of control groups that are played."""

from __future__ import annotations

from pathlib import Path

from shoal_agent.runtime.abilities import Abilities, abilities, lacking, weight_file
from shoal_agent.runtime.cgroups import Cgroups, Mounts
from shoal_proto.v1.resources_pb2 import Resources

#: What an agent of this version can do anywhere.
ALWAYS = ("oom-score-adj", "update")
LIMITS = ("cpu-shares", "cpuset-cpus", "cpuset-mems", "memory-reservation", "memory-swap")


def files(group: Path, *names: str) -> None:
    group.mkdir(parents=True, exist_ok=True)
    for name in names:
        (group / name).write_text("")


def disk(top: Path, schedulers: str) -> Path:
    files(top / "sda/queue", "scheduler")
    (top / "sda/queue/scheduler").write_text(schedulers)
    return top


def version_one(top: Path) -> Cgroups:
    trees = {name: top / name for name in ("memory", "cpu", "pids", "cpuset", "blkio")}
    files(top / "memory/shoal", "memory.memsw.limit_in_bytes", "memory.soft_limit_in_bytes")
    files(top / "cpu/shoal", "cpu.shares")
    files(top / "cpuset/shoal", "cpuset.cpus", "cpuset.mems", "cpuset.effective_cpus", "cpuset.effective_mems")
    files(top / "cpuset")
    (top / "cpuset/cpuset.effective_cpus").write_text("0-3\n")
    (top / "cpuset/cpuset.effective_mems").write_text("0\n")
    files(top / "blkio/shoal", "blkio.bfq.weight")
    return Cgroups("/shoal", Mounts(version=1, trees=trees))


def test_version_one(tmp_path: Path) -> None:
    groups, plain = version_one(tmp_path / "t"), disk(tmp_path / "plain", "[none] mq-deadline bfq")
    found = abilities(groups, plain)
    assert set(found.limits) == {*ALWAYS, *LIMITS}
    # A new group of version 1 has none before it is used: the root's are what there is.
    assert (found.cpus, found.mems) == ("0-3", "0")
    (tmp_path / "t/cpuset/shoal/cpuset.effective_cpus").write_text("1\n")
    assert abilities(groups, plain).cpus == "1"
    (tmp_path / "t/memory/shoal/memory.memsw.limit_in_bytes").unlink()
    assert "memory-swap" not in abilities(groups, plain).limits


def test_version_one_without_further_trees(tmp_path: Path) -> None:
    trees = {name: tmp_path / name for name in ("memory", "cpu", "pids")}
    found = abilities(Cgroups("/shoal", Mounts(version=1, trees=trees)), tmp_path)
    assert (found.limits, found.cpus, found.mems) == (ALWAYS, "", "")


def test_version_two(tmp_path: Path) -> None:
    containers = tmp_path / "t/shoal/containers"
    files(containers, "memory.swap.max", "memory.low", "cpu.weight", "cpuset.cpus", "cpuset.mems", "io.weight")
    (containers / "cpuset.cpus.effective").write_text("0,2\n")
    (containers / "cpuset.mems.effective").write_text("0-1\n")
    groups = Cgroups("/shoal", Mounts(version=2, trees={"": tmp_path / "t"}))
    found = abilities(groups, tmp_path / "none")
    assert set(found.limits) == {*ALWAYS, *LIMITS}
    assert (found.cpus, found.mems) == ("0,2", "0-1")


def test_weights_are_claimed_only_where_a_disk_goes_by_them(tmp_path: Path) -> None:
    one = version_one(tmp_path / "one")
    assert weight_file(one, disk(tmp_path / "plain", "[none] bfq")) is None
    assert weight_file(one, disk(tmp_path / "bfq", "none [bfq]")) == "blkio.bfq.weight"
    files(tmp_path / "one/blkio/shoal", "blkio.weight")
    assert weight_file(one, tmp_path / "plain") == "blkio.weight"
    files(tmp_path / "two/shoal/containers", "io.weight", "io.bfq.weight")
    two = Cgroups("/shoal", Mounts(version=2, trees={"": tmp_path / "two"}))
    assert weight_file(two, tmp_path / "plain") is None
    assert weight_file(two, tmp_path / "bfq") == "io.bfq.weight"
    (tmp_path / "two/io.cost.qos").write_text("8:0 enable=1 ctrl=auto\n")
    assert weight_file(two, tmp_path / "plain") == "io.weight"
    assert "blkio-weight" in abilities(two, tmp_path / "plain").limits


def test_what_a_host_lacks_by_now_is_told() -> None:
    """A container that was placed here may be started after its host was booted otherwise."""
    can = Abilities(("cpuset-cpus", "update"), cpus="0-1")
    assert lacking(Resources(memory_bytes=1 << 30, pids=9), can) == ""
    assert lacking(Resources(cpuset_cpus="0-1"), can) == ""
    assert lacking(Resources(cpuset_cpus="1-2"), can) == "this node has no cpus 2 (it has 0-1)"
    assert lacking(Resources(memory_bytes=1 << 30, memory_swap_bytes=2 << 30, blkio_weight=9), can) == (
        "the control groups of this node can't do blkio-weight, memory-swap"
    )


def test_version_two_takes_what_else_there_is(tmp_path: Path) -> None:
    """Further controllers are handed down where there are any; one that isn't there takes nothing from the others."""
    top = tmp_path / "t"
    for group, more in ((top, " cpuset rdma"), (top / "shoal", " cpuset"), (top / "shoal/containers", "")):
        files(group)
        (group / "cgroup.controllers").write_text(f"cpu memory pids{more}")
        (group / "cgroup.subtree_control").write_text("cpu memory pids")
    Cgroups("/shoal", Mounts(version=2, trees={"": top})).enter()
    written = [
        (group / "cgroup.subtree_control").read_text() for group in (top, top / "shoal", top / "shoal/containers")
    ]
    assert written == ["+cpuset", "+cpuset", "cpu memory pids"]
