"""Peers of other versions: one that was frozen, and one from tomorrow, with more fields and values than we know.

Their messages are made from descriptors in pools of their own, so that nothing of the present code helps them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeVar

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from shoal_proto.v1 import (
    agent_pb2,
    cluster_pb2,
    container_pb2,
    dispatcher_pb2,
    event_pb2,
    image_pb2,
    join_pb2,
    node_pb2,
    resources_pb2,
)

M = TypeVar("M", bound=Message)

FROZEN: Final = Path(__file__).parents[2] / "proto" / "frozen"
#: Of a field that every message of tomorrow has, and of a value that every enum has.
TOMORROW: Final = 1000
#: What tomorrow's peer writes into that field.
WORDS: Final = "from tomorrow"

_PRESENT: Final = (
    agent_pb2,
    cluster_pb2,
    container_pb2,
    dispatcher_pb2,
    event_pb2,
    image_pb2,
    join_pb2,
    node_pb2,
    resources_pb2,
)


class Peer:
    """The messages of one version."""

    def __init__(self, files: FileDescriptorSet) -> None:
        self._pool = DescriptorPool()
        for file in files.file:
            self._pool.Add(file)

    def type(self, name: str) -> type[Message]:
        """Return the class of a message, such as "ContainerSpec"."""
        return GetMessageClass(self._pool.FindMessageTypeByName(f"shoal.v1.{name}"))

    def knows(self, name: str) -> bool:
        """Say whether the version has a message of that name."""
        try:
            self.type(name)
        except KeyError:
            return False
        return True

    def read(self, message: Message) -> Message:
        """Return what this peer reads when it is sent one of our messages."""
        return self.type(message.DESCRIPTOR.name).FromString(message.SerializeToString())


def frozen_versions() -> list[str]:
    """Return the versions of which the messages are frozen, the oldest first."""
    return sorted((path.stem for path in FROZEN.glob("*.binpb")), key=lambda each: [int(x) for x in each.split(".")])


def frozen(version: str) -> FileDescriptorSet:
    """Return the descriptors of a frozen version."""
    return FileDescriptorSet.FromString((FROZEN / f"{version}.binpb").read_bytes())


def present() -> FileDescriptorSet:
    """Return the descriptors of the present code, with all that they need, in an order that a pool takes."""
    files: dict[str, FileDescriptorProto] = {}

    def add(descriptor: object) -> None:
        for dependency in descriptor.dependencies:  # type: ignore[attr-defined]
            add(dependency)
        if descriptor.name not in files:  # type: ignore[attr-defined]
            proto = FileDescriptorProto()
            descriptor.CopyToProto(proto)  # type: ignore[attr-defined]
            files[proto.name] = proto

    for module in _PRESENT:
        add(module.DESCRIPTOR)
    return FileDescriptorSet(file=files.values())


def tomorrow() -> Peer:
    """Return a peer of a version to come: each message has one field more, each enum one value more."""
    files = present()
    for file in files.file:
        if file.package != "shoal.v1":
            continue
        for message in file.message_type:
            _extend(message)
        for enum in file.enum_type:
            _extend_enum(enum)
    return Peer(files)


def _extend(message: DescriptorProto) -> None:
    if message.options.map_entry:
        return
    message.field.add(
        name="tomorrow",
        number=TOMORROW,
        type=FieldDescriptorProto.TYPE_STRING,
        label=FieldDescriptorProto.LABEL_OPTIONAL,
        json_name="tomorrow",
    )
    for nested in message.nested_type:
        _extend(nested)
    for enum in message.enum_type:
        _extend_enum(enum)


def _extend_enum(enum: EnumDescriptorProto) -> None:
    prefix = enum.value[0].name.removesuffix("UNSPECIFIED")
    enum.value.add(name=f"{prefix}TOMORROW", number=TOMORROW)


def rewritten(peer: Peer, ours: M) -> M:
    """Return one of our messages after a peer of tomorrow has read it, filled in its own fields, and written it."""
    theirs = peer.read(ours)
    for part in _parts(theirs):
        part.tomorrow = WORDS  # type: ignore[attr-defined]
    return type(ours).FromString(theirs.SerializeToString())


def remembered(peer: Peer, ours: Message) -> frozenset[str]:
    """Return the names of the messages in `ours`, itself included, in which tomorrow's field is still there."""
    return frozenset(
        part.DESCRIPTOR.name
        for part in _parts(peer.read(ours))
        if part.tomorrow == WORDS  # type: ignore[attr-defined]
    )


def _parts(message: Message) -> Iterator[Message]:
    """Yield a message of ours and all messages of ours that are set in it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.file.package != "shoal.v1":
            continue
        if field.message_type.GetOptions().map_entry:
            continue
        for each in value if field.is_repeated else (value,):
            yield from _parts(each)
