"""What takes room, as people read it."""

from __future__ import annotations

from shoal_cli import usage_tables
from shoal_proto.v1.cluster_pb2 import NodeUsage
from shoal_proto.v1.container_pb2 import Container, ContainerPhase

MIB = 1 << 20


def node(name: str, **fields: object) -> NodeUsage:
    return NodeUsage(node_name=name, **fields)  # type: ignore[arg-type]


ONE = node(
    "node1",
    images=2,
    images_active=1,
    image_bytes=90 * MIB,
    image_reclaimable_bytes=30 * MIB,
    containers=3,
    containers_running=1,
    container_bytes=8 * MIB,
    container_reclaimable_bytes=2 * MIB,
    log_bytes=MIB,
)
TWO = node("node2", images=1, image_bytes=10 * MIB, image_reclaimable_bytes=10 * MIB, volumes=1, volume_bytes=MIB)
DOWN = node("node3", problem="node node3 has been down for 7 s, what is on its disk is not known now")


def test_rows_are_over_all_nodes() -> None:
    assert usage_tables.rows([ONE, TWO, DOWN]) == [
        ["Images", "3", "1", "100 MiB", "40 MiB (40%)"],
        ["Containers", "3", "1", "8 MiB", "2 MiB (25%)"],
        ["Local Volumes", "1", "0", "1 MiB", "0 B (0%)"],
        ["Container Logs", "3", "1", "1 MiB", "0 B (0%)"],
    ]
    assert usage_tables.rows([]) == [
        [name, "0", "0", "0 B", "0 B"] for name in ("Images", "Containers", "Local Volumes", "Container Logs")
    ]


def test_what_is_not_known_is_no_row() -> None:
    lines = usage_tables.by_node([ONE, DOWN]).splitlines()
    assert lines[0].split() == ["NODE", "TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]
    assert [line.split()[0] for line in lines[1:]] == ["node1"] * 4
    assert usage_tables.notes([ONE, node("node4", incomplete=True), DOWN]) == [
        DOWN.problem,
        "not all could be counted in time on node4: what is shown is less than what is there",
    ]


def test_each_thing_is_named_with_its_node() -> None:
    one = node("node1")
    one.image_list.add(
        digest="sha256:" + "a" * 64, repository="registry:5000/web", bytes=12 * MIB, unique_bytes=2 * MIB, containers=1
    )
    shown = Container(writable_bytes=MIB, phase=ContainerPhase.CONTAINER_PHASE_EXITED)
    shown.spec.id, shown.spec.name, shown.spec.config.image = "b" * 64, "web\x1b[31m", "web:3"
    shown.spec.config.mounts.add(volume_id="c" * 64)
    one.container_list.append(shown)
    one.container_list.add(writable_bytes=5).spec.id = "d" * 64
    volume = one.volume_list.add(bytes=3 * MIB, containers=["web"])
    volume.spec.name = "data"
    text = usage_tables.detail([one], now=0.0)
    images, containers, volumes = text.split("\n\nContainers space usage:")[0], *text.split("Local Volumes space")
    assert "registry:5000/web   aaaaaaaaaaaa" in images
    assert "12 MiB   10 MiB        2 MiB         1" in images
    assert "bbbbbbbbbbbb" in containers
    assert "\x1b" not in text
    assert "not known to the cluster" in containers
    assert volumes.split()[-4:] == ["node1", "data", "1", "3", "MiB"][-4:]
