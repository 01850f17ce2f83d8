"""Writes docs/reference/api.md from the comments in the .proto files; with --check, says whether it is up to date."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import grpc_tools
from google.protobuf import descriptor_pb2
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "reference" / "api.md"
#: What clients use; the internal services and what nodes keep are described where they are written.
FILES = ("container", "node", "image", "cluster", "event", "resources", "join")

_SCALARS = {
    number: name.removeprefix("TYPE_").lower() for name, number in descriptor_pb2.FieldDescriptorProto.Type.items()
}
_REPEATED = descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED

Field = descriptor_pb2.FieldDescriptorProto
Message = descriptor_pb2.DescriptorProto
File = descriptor_pb2.FileDescriptorProto


def _load() -> list[File]:
    with tempfile.NamedTemporaryFile() as out:
        arguments = ["protoc", f"-I{ROOT / 'proto'}", f"-I{Path(grpc_tools.__file__).parent / '_proto'}"]
        arguments += ["--include_source_info", f"--descriptor_set_out={out.name}"]
        if protoc.main([*arguments, *(f"shoal_proto/v1/{name}.proto" for name in FILES)]) != 0:
            raise SystemExit("protoc failed")
        return list(descriptor_pb2.FileDescriptorSet.FromString(Path(out.name).read_bytes()).file)


def _comments(file: File) -> dict[tuple[int, ...], str]:
    return {
        tuple(location.path): " ".join(location.leading_comments.split())
        for location in file.source_code_info.location
        if location.leading_comments
    }


def _type(field: Field, message: Message) -> str:
    name = field.type_name.removeprefix(".shoal.v1.") or _SCALARS[field.type]
    entries = {f"{message.name}.{nested.name}": nested for nested in message.nested_type if nested.options.map_entry}
    if name in entries:
        key, value = entries[name].field
        return f"map of {_type(key, message)} to {_type(value, message)}"
    if field.label == _REPEATED:
        return f"list of {name}"
    return f"optional {name}" if field.proto3_optional else name


def _message(message: Message, path: tuple[int, ...], comments: dict[tuple[int, ...], str]) -> Iterator[str]:
    yield f"#### {message.name}\n"
    if comment := comments.get(path):
        yield f"{comment}\n"
    if not message.field:
        yield "No fields.\n"
        return
    yield "| field | type | |"
    yield "| --- | --- | --- |"
    for number, field in enumerate(message.field):
        comment = comments.get((*path, 2, number), "").replace("|", "\\|")
        if field.HasField("oneof_index") and not field.proto3_optional:
            comment = f"(one of `{message.oneof_decl[field.oneof_index].name}`) {comment}"
        yield f"| `{field.name}` | {_type(field, message)} | {comment} |"
    yield ""


def _file(file: File) -> Iterator[str]:
    comments = _comments(file)
    yield f"## {Path(file.name).stem}\n"
    # The comment at the top of a file hangs on its syntax line.
    if comment := comments.get((12,)):
        yield f"{comment}\n"
    for number, service in enumerate(file.service):
        yield f"### {service.name}\n"
        yield f"{comments.get((6, number), '')}\n"
        for index, method in enumerate(service.method):
            request, response = (name.removeprefix(".shoal.v1.") for name in (method.input_type, method.output_type))
            request = f"stream of {request}" if method.client_streaming else request
            response = f"stream of {response}" if method.server_streaming else response
            yield f"- **{method.name}** ({request}) → {response}  "
            yield f"  {comments.get((6, number, 2, index), '')}"
        yield ""
    for number, enum in enumerate(file.enum_type):
        yield f"#### {enum.name}\n"
        if comment := comments.get((5, number)):
            yield f"{comment}\n"
        for index, value in enumerate(enum.value):
            yield f"- `{value.name}` = {value.number}: {comments.get((5, number, 2, index), '')}".rstrip(": ")
        yield ""
    for number, message in enumerate(file.message_type):
        yield from _message(message, (4, number), comments)


def reference() -> str:
    """Return the whole page."""
    lines = ["# API reference: shoal.v1\n", "Generated from the comments in `proto/shoal_proto/v1` by `make proto`.\n"]
    for file in _load():
        lines += _file(file)
    return "\n".join(line.rstrip(" ") for line in lines).rstrip() + "\n"


def main() -> None:
    """Write the page, or check it."""
    page = reference()
    if "--check" in sys.argv[1:]:
        if not TARGET.exists() or TARGET.read_text() != page:
            raise SystemExit(f"{TARGET.relative_to(ROOT)} is not what the .proto files say (run: make proto)")
        return
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(page)


if __name__ == "__main__":
    main()
