"""Where everything lies in etcd: builders of keys, and the one parser. Pure.

A key is a small frozen object whose string is its path, so that building and parsing can't disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shoal_common.errors import Internal

#: Everything of Shoal lies below it; the version is that of the layout of keys.
PREFIX: Final = "/shoal/v1/"


class ContainerPart(StrEnum):
    """The three objects of a container, one writer each."""

    SPEC = "spec"
    PLACEMENT = "placement"
    STATUS = "status"


class NodePart(StrEnum):
    """The single objects of a node."""

    SPEC = "spec"
    SESSION = "session"
    STATUS = "status"
    LEDGER = "ledger"


class VolumePart(StrEnum):
    """The two objects of a volume, one writer each."""

    SPEC = "spec"
    PLACEMENT = "placement"


_VOLUME_PARTS: Final[frozenset[str]] = frozenset(VolumePart)
_CONTAINER_PARTS: Final[frozenset[str]] = frozenset(ContainerPart)
_NODE_PARTS: Final[frozenset[str]] = frozenset(NodePart)


def _path(*segments: str) -> str:
    for segment in segments:
        # An empty segment or a slash inside one would make a key that means another object.
        if not segment or "/" in segment:
            raise Internal(f"{segment!r} can't be part of a key ({'/'.join(segments)})")
    return PREFIX + "/".join(segments)


@dataclass(frozen=True, slots=True)
class ClusterKey:
    """The cluster's own object: its id and epoch."""

    def __str__(self) -> str:
        return _path("cluster")


@dataclass(frozen=True, slots=True)
class LeaderKey:
    """Who leads."""

    def __str__(self) -> str:
        return _path("leader")


@dataclass(frozen=True, slots=True)
class ContainerKey:
    """One part of a container."""

    namespace: str
    id: str
    part: ContainerPart

    def __str__(self) -> str:
        return _path("containers", self.namespace, self.id, self.part)


@dataclass(frozen=True, slots=True)
class NameKey:
    """A unique name; its value is the id of the object that has it. `kind` is "container", "node" and so on."""

    namespace: str
    kind: str
    name: str

    def __str__(self) -> str:
        return _path("names", self.namespace, self.kind, self.name)


@dataclass(frozen=True, slots=True)
class AddressKey:
    """An address in use; its value is the id of the container that has it."""

    network: str
    ip: str

    def __str__(self) -> str:
        return _path("addresses", self.network, self.ip)


@dataclass(frozen=True, slots=True)
class NodeKey:
    """One part of a node."""

    node: str
    part: NodePart

    def __str__(self) -> str:
        return _path("nodes", self.node, self.part)


@dataclass(frozen=True, slots=True)
class HoldKey:
    """That a node may have a copy of a container."""

    node: str
    container: str

    def __str__(self) -> str:
        return _path("nodes", self.node, "holds", self.container)


@dataclass(frozen=True, slots=True)
class VolumeKey:
    """One part of a volume."""

    namespace: str
    id: str
    part: VolumePart

    def __str__(self) -> str:
        return _path("volumes", self.namespace, self.id, self.part)


@dataclass(frozen=True, slots=True)
class TombstoneKey:
    """What is remembered of a removed container for an hour."""

    namespace: str
    id: str

    def __str__(self) -> str:
        return _path("tombstones", self.namespace, self.id)


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A join token."""

    id: str

    def __str__(self) -> str:
        return _path("tokens", self.id)


@dataclass(frozen=True, slots=True)
class ControllerKey:
    """A controller that runs, kept by a lease."""

    name: str

    def __str__(self) -> str:
        return _path("controllers", self.name)


@dataclass(frozen=True, slots=True)
class RevocationKey:
    """That the certificates of one holder count no more."""

    role: str
    id: str

    def __str__(self) -> str:
        return _path("revoked", self.role, self.id)


@dataclass(frozen=True, slots=True)
class PolicyKey:
    """What containers may ask for."""

    def __str__(self) -> str:
        return _path("policy")


Key = (
    ClusterKey
    | LeaderKey
    | ContainerKey
    | NameKey
    | AddressKey
    | NodeKey
    | HoldKey
    | VolumeKey
    | TombstoneKey
    | TokenKey
    | ControllerKey
    | RevocationKey
    | PolicyKey
)


def parse(key: str) -> Key | None:
    """Return what `key` names, or None for a key of a newer version of Shoal (or of somebody else)."""
    if not key.startswith(PREFIX):
        return None
    segments = key[len(PREFIX) :].split("/")
    if not all(segments):
        return None
    match segments:
        case ["cluster"]:
            return ClusterKey()
        case ["leader"]:
            return LeaderKey()
        case ["containers", namespace, container, part] if part in _CONTAINER_PARTS:
            return ContainerKey(namespace, container, ContainerPart(part))
        case ["names", namespace, kind, name]:
            return NameKey(namespace, kind, name)
        case ["addresses", network, ip]:
            return AddressKey(network, ip)
        case ["nodes", node, "holds", container]:
            return HoldKey(node, container)
        case ["nodes", node, part] if part in _NODE_PARTS:
            return NodeKey(node, NodePart(part))
        case ["volumes", namespace, volume, part] if part in _VOLUME_PARTS:
            return VolumeKey(namespace, volume, VolumePart(part))
        case ["tombstones", namespace, container]:
            return TombstoneKey(namespace, container)
        case ["tokens", token]:
            return TokenKey(token)
        case ["controllers", name]:
            return ControllerKey(name)
        case ["revoked", role, holder]:
            return RevocationKey(role, holder)
        case ["policy"]:
            return PolicyKey()
    return None


def cluster() -> str:
    """Return the key of the cluster's own object."""
    return str(ClusterKey())


def leader() -> str:
    """Return the key of the elected controller; its creation revision fences what the leader writes."""
    return str(LeaderKey())


def container_spec(namespace: str, container: str) -> str:
    """Return the key of what the user wants of a container."""
    return str(ContainerKey(namespace, container, ContainerPart.SPEC))


def container_placement(namespace: str, container: str) -> str:
    """Return the key of where a container was placed."""
    return str(ContainerKey(namespace, container, ContainerPart.PLACEMENT))


def container_status(namespace: str, container: str) -> str:
    """Return the key of what the node saw of a container."""
    return str(ContainerKey(namespace, container, ContainerPart.STATUS))


def name(namespace: str, kind: str, text: str) -> str:
    """Return the key that makes the name `text` unique among the `kind` ("container", "volume") of a namespace."""
    return str(NameKey(namespace, kind, text))


def address(network: str, ip: str) -> str:
    """Return the key that makes an address of a network unique."""
    return str(AddressKey(network, ip))


def node_spec(node: str) -> str:
    """Return the key of what operators say of a node."""
    return str(NodeKey(node, NodePart.SPEC))


def node_session(node: str) -> str:
    """Return the key of the agent process that speaks for a node."""
    return str(NodeKey(node, NodePart.SESSION))


def node_status(node: str) -> str:
    """Return the key of a node's capacity and readiness."""
    return str(NodeKey(node, NodePart.STATUS))


def node_ledger(node: str) -> str:
    """Return the key of what is booked on a node."""
    return str(NodeKey(node, NodePart.LEDGER))


def hold(node: str, container: str) -> str:
    """Return the key that says that a node may have a copy of a container."""
    return str(HoldKey(node, container))


def volume_spec(namespace: str, volume: str) -> str:
    """Return the key of what users say of a volume."""
    return str(VolumeKey(namespace, volume, VolumePart.SPEC))


def volume_placement(namespace: str, volume: str) -> str:
    """Return the key of where a volume's data is."""
    return str(VolumeKey(namespace, volume, VolumePart.PLACEMENT))


def tombstone(namespace: str, container: str) -> str:
    """Return the key of what is remembered of a removed container."""
    return str(TombstoneKey(namespace, container))


def token(token_id: str) -> str:
    """Return the key of a join token."""
    return str(TokenKey(token_id))


def controller(name_: str) -> str:
    """Return the key that says that a controller process runs."""
    return str(ControllerKey(name_))


def revocation(role: str, holder: str) -> str:
    """Return the key that says that the certificates of a holder count no more."""
    return str(RevocationKey(role, holder))


def policy() -> str:
    """Return the key of what containers may ask for."""
    return str(PolicyKey())
