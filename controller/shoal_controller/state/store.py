"""Stored objects: what type lies at which key, and what a reader holds of it.

A stored object is a protobuf message. Readers treat it as frozen; a writer copies it (`CopyFrom`) and sets fields, so
that fields of a newer version survive an older controller.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

from google.protobuf.message import DecodeError, Message

from shoal_common.errors import Internal
from shoal_controller.state.kv import KV, Entry
from shoal_proto.v1.container_pb2 import ContainerPlacement, ContainerSpec, ContainerStatus
from shoal_proto.v1.node_pb2 import Hold, NodeLedger, NodeSession, NodeSpec, NodeStatus
from shoal_proto.v1.volume_pb2 import VolumePlacement, VolumeSpec

#: Version of the stored forms that this version of Shoal writes, for the field `schema` of each.
SCHEMA: Final = 1
#: The driver of volumes that there is: a directory on a node.
LOCAL: Final = "local"

M = TypeVar("M")
P = TypeVar("P", bound=Message)


@dataclass(frozen=True, slots=True)
class Stored(Generic[M]):
    """An object as the store has it: `revision` is what a transaction that writes it must expect."""

    value: M
    revision: int
    create_revision: int


@dataclass(frozen=True, slots=True)
class ContainerEntry:
    """What is stored of one container; never changed, only replaced."""

    namespace: str
    id: str
    spec: Stored[ContainerSpec] | None = None
    placement: Stored[ContainerPlacement] | None = None
    status: Stored[ContainerStatus] | None = None


@dataclass(frozen=True, slots=True)
class VolumeEntry:
    """What is stored of one volume; never changed, only replaced."""

    namespace: str
    id: str
    spec: Stored[VolumeSpec] | None = None
    placement: Stored[VolumePlacement] | None = None


@dataclass(frozen=True, slots=True)
class NodeEntry:
    """What is stored of one node; never changed, only replaced. `holds` is by container id."""

    id: str
    spec: Stored[NodeSpec] | None = None
    session: Stored[NodeSession] | None = None
    status: Stored[NodeStatus] | None = None
    ledger: Stored[NodeLedger] | None = None
    holds: dict[str, Stored[Hold]] = field(default_factory=dict)


class _Versioned(Protocol):
    schema: int

    def SerializeToString(self, *, deterministic: bool = ...) -> bytes: ...


def encode(value: _Versioned | str) -> bytes:
    """Return the stored form of a message, or of the id that a name or an address points to.

    Raises:
        Internal: the message has no `schema`.
    """
    if isinstance(value, str):
        return value.encode()
    if value.schema == 0:
        raise Internal(f"{type(value).__name__} has no schema (set it to {SCHEMA} when it is made)")
    return value.SerializeToString(deterministic=True)


def decode(type_: type[P], key: str, value: bytes) -> P:
    """Return the message of a type that is stored at `key`.

    Raises:
        Internal: the value is not one.
    """
    try:
        return type_.FromString(value)
    except DecodeError as error:
        raise Internal(f"{key} does not hold a {type_.__name__} ({error})") from error


def decode_id(key: str, value: bytes) -> str:
    """Return the id that is stored at `key`, a name or an address.

    Raises:
        Internal: the value is no text.
    """
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise Internal(f"{key} does not hold an id ({error})") from error


async def read(kv: KV, type_: type[P], key: str) -> tuple[int, Stored[P] | None]:
    """Return the store's revision and the object of a type at `key`, straight from the store.

    Raises:
        Unavailable: the store does not answer.
        Internal: the value is not of this type.
    """
    revision, entry = await kv.get(key)
    return revision, None if entry is None else stored(type_, entry)


def stored(type_: type[P], entry: Entry) -> Stored[P]:
    """Return the object of a type in `entry`.

    Raises:
        Internal: the value is not of this type.
    """
    return Stored(decode(type_, entry.key, entry.value), entry.mod_revision, entry.create_revision)
