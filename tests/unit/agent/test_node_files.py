"""What a node keeps in files, and what it reads of its host."""

from __future__ import annotations

from pathlib import Path

import pytest

from shoal_agent.cluster.describe import cgroup_kind, total_memory
from shoal_agent.cluster.watermark import Watermark
from shoal_agent.durable import make_directory, remove_file, replace_file
from shoal_common.errors import Internal


async def test_watermark_never_goes_back_also_after_a_restart(tmp_path: Path) -> None:
    mark = Watermark(tmp_path / "watermark.json")
    mark.open()
    assert not mark.behind(0, 0)
    mark.advance(2, 70)
    mark.learn(subnet="10.88.0.0/16", gateway="10.88.0.1", controllers=("a:7400",))
    await mark.save()
    mark.close()
    again = Watermark(tmp_path / "watermark.json")
    again.open()
    again.close()
    assert again.position == mark.position
    assert again.behind(2, 69)
    assert again.behind(1, 1_000)
    assert not again.behind(2, 70)
    assert not again.behind(3, 1)


def test_damaged_watermark_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "watermark.json"
    path.write_text("{")
    mark = Watermark(path)
    with pytest.raises(Internal, match="remove it"):
        mark.open()
    mark.close()


def test_files_are_replaced_whole_and_removed_twice(tmp_path: Path) -> None:
    make_directory(tmp_path / "d")
    make_directory(tmp_path / "d")
    path = tmp_path / "d" / "file"
    replace_file(path, b"one")
    replace_file(path, b"two")
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]
    remove_file(path)
    remove_file(path)
    assert not path.exists()


def test_memory_is_read_in_bytes() -> None:
    assert total_memory("MemFree: 1 kB\nMemTotal:       2048 kB\n") == 2 << 20


@pytest.mark.parametrize(
    ("mounts", "kind"),
    [
        (("cgroup2",), "v2"),
        (("cgroup", "cgroup"), "v1"),
        (("cgroup", "cgroup2"), "hybrid"),
    ],
)
def test_kind_of_cgroups(mounts: tuple[str, ...], kind: str) -> None:
    lines = [f"1 2 0:3 / /sys/fs/cgroup/{n} rw - {mount} {mount} rw" for n, mount in enumerate(mounts)]
    assert cgroup_kind("\n".join([*lines, "9 2 0:9 / /proc rw - proc proc rw"])) == kind
