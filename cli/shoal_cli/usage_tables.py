"""What takes room on nodes, as tables: Docker's rows and columns, and a row for logs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from shoal_cli import words
from shoal_cli.formats import table
from shoal_common.ids import SHORT_ID
from shoal_common.units import format_bytes
from shoal_proto.v1.cluster_pb2 import ImageUsage, NodeUsage
from shoal_proto.v1.container_pb2 import Container
from shoal_proto.v1.volume_pb2 import Volume

HEADINGS: Final = ("TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE")
#: What templates call the columns.
FIELDS: Final = ("Type", "TotalCount", "Active", "Size", "Reclaimable")

_IMAGES: Final = ("NODE", "REPOSITORY", "DIGEST", "LAST USED", "SIZE", "SHARED SIZE", "UNIQUE SIZE", "CONTAINERS")
_CONTAINERS: Final = (
    *("NODE", "CONTAINER ID", "IMAGE", "COMMAND", "LOCAL VOLUMES", "SIZE", "CREATED", "STATUS", "NAMES"),
)
_VOLUMES: Final = ("NODE", "VOLUME NAME", "LINKS", "SIZE")
_COMMAND_WIDTH: Final = 20


@dataclass(frozen=True, slots=True)
class _Kind:
    """One row: how many there are, how many are in use, their bytes, and those that could be had back."""

    name: str
    total: Callable[[NodeUsage], int]
    active: Callable[[NodeUsage], int]
    size: Callable[[NodeUsage], int]
    reclaimable: Callable[[NodeUsage], int]


_KINDS: Final = (
    _Kind(
        "Images",
        lambda n: n.images,
        lambda n: n.images_active,
        lambda n: n.image_bytes,
        lambda n: n.image_reclaimable_bytes,
    ),
    _Kind(
        "Containers",
        lambda n: n.containers,
        lambda n: n.containers_running,
        lambda n: n.container_bytes,
        lambda n: n.container_reclaimable_bytes,
    ),
    _Kind(
        "Local Volumes",
        lambda n: n.volumes,
        lambda n: n.volumes_active,
        lambda n: n.volume_bytes,
        lambda n: n.volume_reclaimable_bytes,
    ),
    _Kind(
        "Container Logs",
        lambda n: n.containers,
        lambda n: n.containers_running,
        lambda n: n.log_bytes,
        lambda n: n.log_reclaimable_bytes,
    ),
)


def rows(nodes: Sequence[NodeUsage]) -> list[list[str]]:
    """Return a row for each kind of thing, over all these nodes."""
    found = []
    for kind in _KINDS:
        size, back = sum(map(kind.size, nodes)), sum(map(kind.reclaimable, nodes))
        share = f" ({100 * back // size}%)" if size else ""
        found.append(
            [
                kind.name,
                str(sum(map(kind.total, nodes))),
                str(sum(map(kind.active, nodes))),
                format_bytes(size),
                format_bytes(back) + share,
            ]
        )
    return found


def by_node(nodes: Sequence[NodeUsage]) -> str:
    """Return the table with a row for each kind of thing on each node."""
    return table(
        ("NODE", *HEADINGS), [[node.node_name, *row] for node in nodes if not node.problem for row in rows([node])]
    )


def detail(nodes: Sequence[NodeUsage], now: float) -> str:
    """Return a table of all images, one of all containers, one of all volumes; `now` in Unix time."""
    images = ((node, each) for node in nodes for each in node.image_list)
    containers = ((node, each) for node in nodes for each in node.container_list)
    volumes = ((node, each) for node in nodes for each in node.volume_list)
    parts = (
        ("Images", _IMAGES, [_image(node, each, now) for node, each in images]),
        ("Containers", _CONTAINERS, [_container(node, each, now) for node, each in containers]),
        ("Local Volumes", _VOLUMES, [_volume(node, each) for node, each in volumes]),
    )
    return "\n\n".join(f"{name} space usage:\n\n{table(headings, found)}" for name, headings, found in parts)


def notes(nodes: Iterable[NodeUsage]) -> list[str]:
    """Return a line for each node of which something is not known."""
    said = [node.problem for node in nodes if node.problem]
    slow = [node.node_name for node in nodes if node.incomplete]
    if slow:
        said.append(f"not all could be counted in time on {', '.join(slow)}: what is shown is less than what is there")
    return said


def _image(node: NodeUsage, image: ImageUsage, now: float) -> list[str]:
    return [
        node.node_name,
        image.repository or "<none>",
        image.digest.removeprefix("sha256:")[:SHORT_ID],
        f"{words.duration(now - image.used_at.ToSeconds())} ago",
        format_bytes(image.bytes),
        format_bytes(image.bytes - image.unique_bytes),
        format_bytes(image.unique_bytes),
        str(image.containers),
    ]


def _container(node: NodeUsage, container: Container, now: float) -> list[str]:
    known = bool(container.spec.name)
    return [
        node.node_name,
        container.spec.id[:SHORT_ID],
        container.spec.config.image or "-",
        f'"{words.cut(words.command(container), _COMMAND_WIDTH)}"' if known else "-",
        str(sum(bool(mount.volume_id) for mount in container.spec.config.mounts)),
        format_bytes(container.writable_bytes),
        f"{words.duration(now - container.spec.created_at.ToSeconds())} ago" if known else "-",
        words.status(container, now) if known else "not known to the cluster",
        container.spec.name or "-",
    ]


def _volume(node: NodeUsage, volume: Volume) -> list[str]:
    return [
        node.node_name,
        volume.spec.name or volume.spec.id,
        str(len(volume.containers)),
        format_bytes(volume.bytes),
    ]
