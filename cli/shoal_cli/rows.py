"""The columns of tables, by the names that templates call them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, TypeAlias, TypeVar

from shoal_cli import port_words, words
from shoal_common.ids import SHORT_ID
from shoal_common.units import format_bytes, format_cpus
from shoal_proto.v1.container_pb2 import Container, ContainerPhase, ContainerState
from shoal_proto.v1.image_pb2 import Image
from shoal_proto.v1.node_pb2 import Node, Stray
from shoal_proto.v1.volume_pb2 import Volume

M = TypeVar("M")
Columns: TypeAlias = Mapping[str, tuple[str, Callable[[M], str]]]

CONTAINER_HEADINGS: Final = ("ID", "Image", "Command", "RunningFor", "Status", "Ports", "Node", "Names")
NODE_HEADINGS: Final = ("ID", "Name", "Status", "Address", "CPUs", "Memory", "Containers", "Version")
STRAY_HEADINGS: Final = ("ID", "Image", "State", "Names")
IMAGE_HEADINGS: Final = ("Repository", "Tag", "ID", "CreatedSince", "Size")
VOLUME_HEADINGS: Final = ("Driver", "Name", "Node")

_COMMAND_WIDTH: Final = 20


def _ago(now: float, then: int) -> str:
    return f"{words.duration(now - then)} ago"


def _at(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S +0000 UTC")


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def container_columns(now: float, *, whole: bool) -> Columns[Container]:
    """Return the columns of containers, as seen at `now` (Unix time); `whole`: nothing is cut."""

    def command(container: Container) -> str:
        text = words.command(container)
        if not text:
            return ""
        return f'"{text if whole else words.cut(text, _COMMAND_WIDTH)}"'

    return {
        "ID": ("CONTAINER ID", lambda c: c.spec.id if whole else c.spec.id[:SHORT_ID]),
        "Image": ("IMAGE", lambda c: c.spec.config.image),
        "Command": ("COMMAND", command),
        "RunningFor": ("CREATED", lambda c: _ago(now, c.spec.created_at.ToSeconds())),
        "CreatedAt": ("CREATED AT", lambda c: _at(c.spec.created_at.ToSeconds())),
        "Status": ("STATUS", lambda c: words.status(c, now)),
        "State": ("STATE", lambda c: _phase(c.phase)),
        "Ports": ("PORTS", port_words.column),
        "Node": ("NODE", lambda c: c.node_name or "-"),
        "Names": ("NAMES", lambda c: c.spec.name),
        "Labels": ("LABELS", lambda c: _labels(c.spec.config.labels)),
        "Mounts": ("MOUNTS", lambda c: ",".join(each.source or each.target for each in c.spec.config.mounts)),
        "Size": ("SIZE", _size),
        "Networks": ("NETWORKS", lambda c: ",".join(each.network for each in c.placement.addresses)),
    }


def _size(container: Container) -> str:
    """Return what a container has written, and what it has with its image; its node may not have said."""
    if not container.HasField("writable_bytes"):
        return "unknown"
    return f"{format_bytes(container.writable_bytes)} (virtual {format_bytes(container.root_bytes)})"


def _phase(phase: int) -> str:
    """Return a phase in lower case; the number of one that only a newer controller knows."""
    known = {number: name.removeprefix("CONTAINER_PHASE_").lower() for name, number in ContainerPhase.items()}
    return known.get(phase, f"unknown ({phase})")


def _used(reserved: str, capacity: str) -> str:
    return f"{reserved} / {capacity}"


def node_columns(now: float, *, whole: bool) -> Columns[Node]:
    """Return the columns of nodes, as seen at `now` (Unix time); `whole`: nothing is cut."""
    return {
        "ID": ("ID", lambda n: n.spec.id if whole else n.spec.id[:SHORT_ID]),
        "Name": ("NAME", lambda n: n.spec.name),
        "Status": ("STATUS", lambda n: words.node_status(n, now)),
        "Address": ("ADDRESS", lambda n: n.status.description.address or "-"),
        "CPUs": (
            "CPUS",
            lambda n: _used(format_cpus(n.ledger.reserved.cpu_millis), format_cpus(n.ledger.capacity.cpu_millis)),
        ),
        "Memory": (
            "MEMORY",
            lambda n: _used(format_bytes(n.ledger.reserved.memory_bytes), format_bytes(n.ledger.capacity.memory_bytes)),
        ),
        "Containers": ("CONTAINERS", lambda n: _used(str(n.running), str(n.containers))),
        "Version": ("VERSION", lambda n: n.status.description.version or "-"),
        "Labels": ("LABELS", lambda n: _labels(node_labels(n))),
        "Hostname": ("HOSTNAME", lambda n: n.spec.name),
        "Availability": ("AVAILABILITY", lambda n: "Drain" if n.spec.cordoned else "Active"),
        "EngineVersion": ("ENGINE VERSION", lambda n: n.status.description.version or "-"),
    }


def node_labels(node: Node) -> dict[str, str]:
    """Return the labels that constraints go by: an operator's win over the agent's own."""
    return {**node.status.description.labels, **node.spec.labels}


def stray_columns() -> Columns[Stray]:
    """Return the columns of strays; one that its node can't read a record of is only an id."""
    return {
        "ID": ("CONTAINER ID", lambda s: s.id[:SHORT_ID]),
        "Image": ("IMAGE", lambda s: s.image or "-"),
        "State": ("STATE", lambda s: _state(s.status.state)),
        "Names": ("NAMES", lambda s: s.name or "-"),
    }


def _state(state: int) -> str:
    known = {number: name.removeprefix("CONTAINER_STATE_").lower() for name, number in ContainerState.items()}
    return known.get(state, f"unknown ({state})") if state else "-"


def _repository(image: Image) -> str:
    name = image.reference.partition("@")[0]
    head, _, last = name.rpartition("/")
    last = last.partition(":")[0]
    return f"{head}/{last}" if head else last


def _tag(image: Image) -> str:
    return image.reference.partition("@")[0].rpartition("/")[2].partition(":")[2] or "<none>"


def _short(digest: str, *, whole: bool) -> str:
    return digest if whole else digest.removeprefix("sha256:")[:SHORT_ID]


def image_columns(now: float, *, whole: bool) -> Columns[Image]:
    """Return the columns of images, as seen at `now` (Unix time); `whole`: nothing is cut."""
    return {
        "Repository": ("REPOSITORY", _repository),
        "Tag": ("TAG", _tag),
        "ID": ("IMAGE ID", lambda i: _short(i.config_digest, whole=whole)),
        "Digest": ("DIGEST", lambda i: i.digest),
        "CreatedSince": (
            "CREATED",
            lambda i: _ago(now, i.created_at.ToSeconds()) if i.HasField("created_at") else "-",
        ),
        "CreatedAt": ("CREATED AT", lambda i: _at(i.created_at.ToSeconds()) if i.HasField("created_at") else "-"),
        "Size": ("SIZE", lambda i: format_bytes(i.size_bytes)),
    }


def volume_columns() -> Columns[Volume]:
    """Return the columns of volumes."""
    return {
        "Driver": ("DRIVER", lambda v: v.spec.driver),
        "Name": ("VOLUME NAME", lambda v: v.spec.name),
        "Node": ("NODE", _volume_node),
        "Labels": ("LABELS", lambda v: _labels(v.spec.labels)),
        "Scope": ("SCOPE", lambda v: "local"),
        "Containers": ("CONTAINERS", lambda v: ",".join(v.containers)),
        "CreatedAt": ("CREATED AT", lambda v: _at(v.spec.created_at.ToSeconds())),
        "Size": ("SIZE", lambda v: format_bytes(v.bytes) if v.HasField("bytes") else "N/A"),
    }


def _volume_node(volume: Volume) -> str:
    if volume.placement.HasField("lost_at"):
        return "lost"
    return volume.node_name or "-"
