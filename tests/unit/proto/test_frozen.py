"""What a version once said on the wire and in the store, every later version still understands."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorSet

from tests.parts.peers import frozen, frozen_versions, present


def _messages(files: FileDescriptorSet) -> dict[str, DescriptorProto]:
    return {message.name: message for file in files.file if file.package == "shoal.v1" for message in file.message_type}


def _enums(files: FileDescriptorSet) -> dict[str, EnumDescriptorProto]:
    return {enum.name: enum for file in files.file if file.package == "shoal.v1" for enum in file.enum_type}


def _calls(files: FileDescriptorSet) -> dict[str, tuple[str, str, bool, bool]]:
    return {
        f"{service.name}/{call.name}": (
            call.input_type,
            call.output_type,
            call.client_streaming,
            call.server_streaming,
        )
        for file in files.file
        if file.package == "shoal.v1"
        for service in file.service
        for call in service.method
    }


def breaks(old: FileDescriptorSet, new: FileDescriptorSet) -> list[str]:
    """Return what a peer of `old` and one of `new` would misunderstand."""
    found = []
    messages, enums, calls = _messages(new), _enums(new), _calls(new)
    for name, message in _messages(old).items():
        if name not in messages:
            continue  # Nobody can ask for it any more: its calls and fields would be told below.
        fields = {field.number: field for field in messages[name].field}
        reserved = {number for each in messages[name].reserved_range for number in range(each.start, each.end)}
        for field in message.field:
            now = fields.get(field.number)
            what = f"{name}.{field.name} (field {field.number})"
            if now is None:
                if field.number not in reserved:
                    found.append(f"{what} is gone and its number is not reserved")
            elif (now.name, now.type, now.type_name, now.label) != (
                field.name,
                field.type,
                field.type_name,
                field.label,
            ):
                found.append(f"{what} is another now: {now.name}")
    for name, enum in _enums(old).items():
        values = {value.number: value.name for value in enums[name].value} if name in enums else {}
        found += [
            f"{name}: {value.name} is not {value.number} any more"
            for value in enum.value
            if values.get(value.number) != value.name
        ]
    found += [
        f"call {name} is gone or takes something else" for name, call in _calls(old).items() if calls.get(name) != call
    ]
    return found


@pytest.mark.parametrize("version", frozen_versions())
def test_everything_of_a_frozen_version_means_the_same(version: str) -> None:
    assert breaks(frozen(version), present()) == []


@pytest.mark.parametrize(
    ("message", "field", "change"),
    [
        ("ContainerSpec", "run", {"number": 99}),
        ("ContainerSpec", "run", {"name": "runs"}),
        ("Hold", "generation", {"type": 5}),
    ],
)
def test_a_break_is_seen(message: str, field: str, change: dict[str, object]) -> None:
    changed = present()
    (meant,) = (each for each in _messages(changed)[message].field if each.name == field)
    for name, value in change.items():
        setattr(meant, name, value)
    assert len(breaks(present(), changed)) == 1


def test_a_value_that_means_another_is_seen() -> None:
    changed = present()
    _enums(changed)["NodeState"].value[1].number = 7
    assert breaks(present(), changed) == ["NodeState: NODE_STATE_READY is not 1 any more"]


def test_a_call_that_is_gone_is_seen() -> None:
    changed = present()
    for file in changed.file:
        for service in file.service:
            if service.name == "JoinService":
                del service.method[:]
    assert breaks(present(), changed) == ["call JoinService/Join is gone or takes something else"]
