"""How results are written: tables as Docker's, JSON of the API's objects, templates with simple fields."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

import click

from shoal_cli.printable import printable

if TYPE_CHECKING:
    from google.protobuf.message import Message

M = TypeVar("M", bound="Message")

_FIELD: Final = re.compile(r"\{\{\s*(json\s+)?\.([\w.-]*)\s*\}\}")
_ESCAPES: Final = {r"\t": "\t", r"\n": "\n"}


def as_dict(message: Message) -> dict[str, object]:
    """Return an API object as JSON has it: names as in the .proto files, 64-bit numbers and bytes as strings."""
    from google.protobuf.json_format import MessageToDict

    found: dict[str, object] = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return found


def as_json(message: Message) -> str:
    """Return an API object as one line of JSON."""
    return json.dumps(as_dict(message), ensure_ascii=False)


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return aligned columns, three spaces apart, with their headings."""
    lines = [list(headers), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
    return "\n".join(
        "   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def expand(template: str, columns: Mapping[str, str], whole: Callable[[], Mapping[str, object]]) -> str:
    """Return `template` with each {{.NAME}} replaced.

    Args:
        template: NAME is a column, or a path into the API object such as `spec.config.image`, where list items are
            numbered from 0; {{json .PATH}} gives JSON. Backslash t and n are a tab and a new line.
        columns: values by the names of Docker's columns.
        whole: returns the API object.

    Raises:
        click.UsageError: it has no such field, or is no template.
    """
    for mark, character in _ESCAPES.items():
        template = template.replace(mark, character)
    if "{{" in _FIELD.sub("", template):
        raise click.UsageError(
            f'template "{template}" is not valid (write fields as {{{{.Name}}}} or {{{{json .path}}}})'
        )

    def value(match: re.Match[str]) -> str:
        as_json, path = bool(match[1]), match[2]
        found: object = columns[path] if path in columns else _at(whole(), path, columns)
        if as_json or not isinstance(found, str | int | float | bool | None):
            return json.dumps(found, ensure_ascii=False)
        return "" if found is None else str(found).lower() if isinstance(found, bool) else str(found)

    return _FIELD.sub(value, template)


def _at(item: object, path: str, columns: Mapping[str, str]) -> object:
    found = item
    for part in path.split(".") if path else ():
        if isinstance(found, list) and part.isdigit():
            found = found[int(part)] if int(part) < len(found) else None
        elif isinstance(found, dict) and part in found:
            found = found[part]
        elif isinstance(found, dict) and isinstance(item, dict) and path.split(".")[0] in item:
            # Left out of the object because it is not set (a container without status).
            return None
        else:
            fields = ", ".join([*columns, *(item if isinstance(item, dict) else ())])
            raise click.UsageError(f'there is no field "{path}" (there are: {fields})')
    return found


def show(
    messages: Sequence[M],
    format: str,
    columns: Mapping[str, tuple[str, Callable[[M], str]]],
    headings: Sequence[str],
) -> None:
    """Write objects to stdout.

    Args:
        messages: API objects.
        format: "table", "json" (one object a line) or a template.
        columns: by their names in templates: heading, and what makes the cell.
        headings: names of those that the table has, in order.
    """
    if format == "table":
        chosen = [columns[name] for name in headings]
        rows = [[cell(message) for _, cell in chosen] for message in messages]
        click.echo(table([heading for heading, _ in chosen], rows))
        return
    for message in messages:
        if format == "json":
            click.echo(as_json(message))
        else:
            cells = {name: cell(message) for name, (_, cell) in columns.items()}
            click.echo(expand(format, cells, lambda message=message: as_dict(message)))  # type: ignore[misc]


def show_list(
    messages: Sequence[M],
    format: str,
    columns: Mapping[str, tuple[str, Callable[[M], str]]],
    headings: Sequence[str],
    *,
    quiet: bool,
) -> None:
    """Write objects as `show` does, or their ids if `quiet` and no other format was asked for."""
    if quiet and format == "table":
        for message in messages:
            click.echo(columns["ID"][1](message))
    else:
        show(messages, format, columns, headings)


def inspect(messages: Sequence[Message], format: str | None) -> None:
    """Write all of each object: a JSON list, or a template's result a line."""
    if format is None or format == "json":
        indent = 4 if format is None else None
        click.echo(json.dumps([as_dict(message) for message in messages], indent=indent, ensure_ascii=False))
        return
    for message in messages:
        whole = as_dict(message)
        click.echo(expand(format, {}, lambda whole=whole: whole))  # type: ignore[misc]
