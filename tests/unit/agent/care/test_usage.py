"""What a node tells of its disk: each container's layers and logs, volumes, images with what they share."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from shoal_agent.care.measuring import LIMIT, Measurer
from shoal_agent.care.usage import DiskUsage
from shoal_agent.core.image_room import ImageStore, Room, StoredImage, rooms
from shoal_agent.paths import NodePaths
from shoal_proto.v1.agent_pb2 import AgentUsageRequest

if TYPE_CHECKING:
    from shoal_agent.containers.node import Node
    from shoal_agent.images.store import Images

ONE, TWO, VOLUME = "a1" * 32, "b2" * 32, "c3" * 32
MIB = 1 << 20
WEB = StoredImage("sha256:web", "registry:5000/web", frozenset({"base", "web"}), 1000.0)
DB = StoredImage("sha256:db", "registry:5000/db", frozenset({"base", "db"}), 2000.0)
STORE = ImageStore((WEB, DB), {"base": 10 * MIB, "web": 2 * MIB, "db": MIB, "left": 5 * MIB})


class FakeMeasurer(Measurer):
    """Counts as the real one does, but for what it is too slow for."""

    late: Path | None = None

    limit = 0.0

    async def measure(self, trees: Sequence[Path], *, limit: float = LIMIT) -> dict[Path, int]:
        self.limit = limit
        found = await super().measure(trees)
        return {tree: size for tree, size in found.items() if tree != self.late}


@pytest.fixture
def paths(tmp_path: Path) -> NodePaths:
    return NodePaths(data=tmp_path, run=tmp_path / "run")


@pytest.fixture
def measurer() -> Iterator[FakeMeasurer]:
    made = FakeMeasurer()
    yield made
    made.close()


@pytest.fixture
def usage(paths: NodePaths, measurer: FakeMeasurer) -> Iterator[DiskUsage]:
    async def stored() -> ImageStore:
        return STORE

    node = SimpleNamespace(images=lambda: {ONE: WEB.digest, TWO: "sha256:gone"})
    made = DiskUsage(
        paths, cast("Node", node), cast("Images", SimpleNamespace(stored=stored, find=lambda digest: None)), measurer
    )
    yield made
    made.close()


def write(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(size))


def test_a_layer_that_two_images_share_is_unique_to_neither() -> None:
    assert rooms(STORE) == {WEB.digest: Room(12 * MIB, 2 * MIB), DB.digest: Room(11 * MIB, MIB)}
    assert STORE.size == 18 * MIB


async def test_all_placements_of_a_container_count(paths: NodePaths, usage: DiskUsage) -> None:
    write(paths.writable(ONE, 1) / "upper" / "old", MIB)
    write(paths.writable(ONE, 2) / "upper" / "new", 2 * MIB)
    write(paths.logs(ONE, 2) / "1.0.log", 64 << 10)
    write(paths.record(ONE), 3 * MIB)
    write(paths.volume_data(VOLUME) / "rows", 4 * MIB)
    # What begins with the name of a container is none.
    write(paths.containers / "lost+found" / "1" / "writable" / "upper" / "x", MIB)
    found = await usage.count(AgentUsageRequest())
    one, two = found.containers
    assert (one.id, one.writable_bytes, one.log_bytes, one.image_bytes) == (ONE, 3 * MIB, 64 << 10, 12 * MIB)
    assert (two.id, two.writable_bytes, two.image_bytes, two.counted) == (TWO, 0, 0, True)
    assert [(each.id, each.bytes, each.counted) for each in found.volumes] == [(VOLUME, 4 * MIB, True)]
    assert {each.digest: each.containers for each in found.images} == {WEB.digest: 1, DB.digest: 0}
    assert [each.used_at.ToSeconds() for each in found.images] == [1000, 2000]
    assert found.image_bytes == 18 * MIB
    # The base stays with the image that is used; what no image has goes.
    assert found.image_reclaimable_bytes == 6 * MIB
    assert 0 < found.free_bytes < found.disk_bytes
    assert not found.incomplete


async def test_only_what_is_asked_for_is_counted(paths: NodePaths, usage: DiskUsage) -> None:
    for container in (ONE, TWO):
        write(paths.writable(container, 1) / "upper" / "file", MIB)
    write(paths.volume_data(VOLUME) / "rows", MIB)
    found = await usage.count(AgentUsageRequest(containers=True, ids=[TWO]))
    assert [(each.id, each.writable_bytes) for each in found.containers] == [(TWO, MIB)]
    assert not found.volumes
    found = await usage.count(AgentUsageRequest(volumes=True, ids=[VOLUME]))
    assert [each.id for each in found.volumes] == [VOLUME]
    assert not found.containers
    found = await usage.count(AgentUsageRequest(images=True))
    assert len(found.images) == 2
    assert len(found.containers) == len(found.volumes) == 0


async def test_what_was_too_slow_is_marked(paths: NodePaths, usage: DiskUsage, measurer: FakeMeasurer) -> None:
    for container in (ONE, TWO):
        write(paths.writable(container, 1) / "upper" / "file", MIB)
    measurer.late = paths.writable(ONE, 1) / "upper"
    found = await usage.count(AgentUsageRequest(containers=True, limit_ms=3_000))
    assert {each.id: each.counted for each in found.containers} == {ONE: False, TWO: True}
    assert found.incomplete
    assert measurer.limit == 3
    await usage.count(AgentUsageRequest(containers=True, limit_ms=3_000_000))
    assert measurer.limit == LIMIT
