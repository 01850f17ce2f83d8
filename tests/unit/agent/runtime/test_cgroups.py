from pathlib import Path

import pytest

from shoal_agent.runtime.cgroups import HELPERS_MEMORY, Cgroups, Mounts, read_mounts
from shoal_common.errors import InvalidSpec, Unavailable

V1 = "\n".join(
    f"{number} 1 0:{number} / /sys/fs/cgroup/{name} rw,relatime - cgroup cgroup rw,{name}"
    for number, name in enumerate(("cpu", "cpuacct", "cpuset", "memory", "pids", "freezer"), start=30)
)
SYSTEMD = "40 1 0:40 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd"
UNIFIED = "41 1 0:41 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw"
COVERED = "42 1 0:42 / /sys/fs/cgroup/unified rw - tmpfs t rw"


def test_version_two() -> None:
    mounts = read_mounts("30 1 0:30 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw")
    assert mounts == Mounts(version=2, trees={"": Path("/sys/fs/cgroup")})


def test_version_one_with_a_tree_per_controller() -> None:
    mounts = read_mounts(f"{V1}\n{SYSTEMD}\n{UNIFIED}")
    assert mounts.version == 1
    assert mounts.trees["memory"] == Path("/sys/fs/cgroup/memory")
    assert mounts.trees["name=systemd"] == Path("/sys/fs/cgroup/systemd")
    assert mounts.stray is None


def test_a_later_mount_covers_an_earlier_one() -> None:
    assert read_mounts(f"{V1}\n{UNIFIED}\n{COVERED}").stray == Path("/sys/fs/cgroup/unified")


def test_controllers_mounted_together_share_a_tree() -> None:
    joint = "30 1 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct"
    mounts = read_mounts(f"{joint}\n" + "\n".join(V1.splitlines()[3:]))
    assert mounts.trees["cpu"] == mounts.trees["cpuacct"] == Path("/sys/fs/cgroup/cpu,cpuacct")


def test_a_host_without_control_groups_is_refused() -> None:
    with pytest.raises(Unavailable, match="mount cgroup2"):
        read_mounts("30 1 0:30 / /sys/fs/cgroup rw - tmpfs t rw")


@pytest.mark.parametrize("parent", ["shoal", "/", "/a/../b", ""])
def test_parents_that_are_no_group_are_refused(parent: str) -> None:
    with pytest.raises(InvalidSpec):
        Cgroups(parent, read_mounts(V1))


def tree_of_version_two(top: Path) -> Cgroups:
    for group in (top, top / "a", top / "a/shoal"):
        group.mkdir()
        (group / "cgroup.controllers").write_text("cpu io memory pids")
        (group / "cgroup.subtree_control").write_text("")
    return Cgroups("/a/shoal", Mounts(version=2, trees={"": top}))


def test_version_two_counts_kills_and_finds_names(tmp_path: Path) -> None:
    groups = tree_of_version_two(tmp_path / "t")
    assert groups.make_supervisor("x") == [tmp_path / "t/a/shoal/supervisors/x/cgroup.procs"]
    container = tmp_path / "t" / groups.container_path("x").lstrip("/")
    container.mkdir(parents=True)
    assert groups.names() == {"x"}
    assert groups.oom_kills("x") == 0
    (container / "memory.events").write_text("low 0\nhigh 0\nmax 4\noom 1\noom_kill 2\noom_group_kill 0\n")
    assert groups.oom_kills("x") == 2
    (container / "cgroup.procs").write_text("12\n34\n")
    assert groups.processes("containers", "x") == [12, 34]


def test_version_one_counts_kills(tmp_path: Path) -> None:
    trees = {name: tmp_path / name for name in ("memory", "pids", "cpu")}
    groups = Cgroups("/shoal", Mounts(version=1, trees=trees))
    container = tmp_path / "memory/shoal/containers/x"
    container.mkdir(parents=True)
    (container / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
    assert groups.oom_kills("x") == 3


def test_what_is_above_an_attempt_stays_for_the_next(tmp_path: Path) -> None:
    trees = {name: tmp_path / name for name in ("memory", "pids", "cpu")}
    groups = Cgroups("/shoal", Mounts(version=1, trees=trees))
    groups.make_supervisor("x")
    above = [tree / "shoal/containers" for tree in trees.values()]
    for group in above:
        (group / "x").mkdir(parents=True)
    groups.remove("x")
    assert groups.names() == set()
    # Another runtime may have made it just now, and be about to make what is to be in it.
    assert all(group.exists() for group in above)
    groups.remove_emptied()
    assert not any(group.exists() for group in above)


def test_helpers_have_a_bound_for_them_all(tmp_path: Path) -> None:
    groups = tree_of_version_two(tmp_path / "t")
    (procs,) = groups.helpers()
    assert procs == tmp_path / "t/a/shoal/helpers/cgroup.procs"
    assert (procs.parent / "memory.max").read_text() == str(HELPERS_MEMORY)
    assert groups.helpers() == [procs]
    # An agent that comes after finds what is left of them.
    procs.write_text("7\n8\n")
    assert groups.agent_processes() == [7, 8]
    (tmp_path / "memory").mkdir()
    first = Cgroups("/shoal", Mounts(version=1, trees={"memory": tmp_path / "memory", "pids": tmp_path / "pids"}))
    assert first.helpers() == [tmp_path / "memory/shoal/helpers/cgroup.procs"]
    assert (tmp_path / "memory/shoal/helpers/memory.limit_in_bytes").read_text() == str(HELPERS_MEMORY)
