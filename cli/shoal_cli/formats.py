"""How results are written: tables as Docker's, JSON of the API's objects, Go's templates."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Final, TypeVar

import click

from shoal_cli import templates
from shoal_cli.printable import printable, printable_json
from shoal_cli.templates import ABSENT, ByKey, Struct, TemplateError

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from shoal_cli.templates.nodes import Node

M = TypeVar("M", bound="Message")

_TABLE: Final = "table"
_JSON: Final = "json"


def as_dict(message: Message) -> dict[str, object]:
    """Return an API object as JSON has it: names as in the .proto files, 64-bit numbers and bytes as strings."""
    from google.protobuf.json_format import MessageToDict

    found: dict[str, object] = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return found


def as_json(message: Message) -> str:
    """Return an API object as one line of JSON."""
    return printable_json(json.dumps(as_dict(message), ensure_ascii=False))


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return aligned columns, three spaces apart, with their headings."""
    lines = [list(headers), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
    return "\n".join(
        "   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def is_table(form: str) -> bool:
    """Say whether a format means a table: all of its columns, or those of a template after the word."""
    return form == _TABLE or form.startswith(f"{_TABLE} ")


def check(form: str) -> None:
    """Check what `--format` says.

    Raises:
        TemplateError: it is a template that is none.
    """
    if form not in (_TABLE, _JSON):
        _parsed(_template(form))


def expand(form: str, document: Mapping[str, object]) -> str:
    """Return a template filled in.

    Raises:
        click.UsageError: it is none, or asks for what the object does not have.
    """
    try:
        return templates.render(_parsed(form), document)
    except TemplateError as error:
        shown = form if len(form) <= 60 else f"{form[:59]}…"
        raise click.UsageError(f'template "{printable(shown)}": {error.message}') from None


def api_fields(message: Message) -> dict[str, object]:
    """Return an API object for templates: what is not set can be asked for as well, and is nothing."""
    return {**dict.fromkeys((each.name for each in message.DESCRIPTOR.fields), ABSENT), **as_dict(message)}


def row(
    message: M, columns: Mapping[str, tuple[str, Callable[[M], str]]], labels: Mapping[str, str] | None = None
) -> Struct:
    """Return what a template of a list is filled in from: the columns, and the API's object beside them.

    Args:
        labels: asked for one by one, as `{{.Label "KEY"}}`.
    """

    def more() -> dict[str, object]:
        return {**api_fields(message), **({} if labels is None else {"Label": ByKey(labels)})}

    return Struct({name: cell(message) for name, (_, cell) in columns.items()}, cache(more))


def show(
    messages: Sequence[M],
    form: str,
    columns: Mapping[str, tuple[str, Callable[[M], str]]],
    headings: Sequence[str],
    labels: Callable[[M], Mapping[str, str]] | None = None,
) -> None:
    """Write objects to stdout, as `shown` returns them."""
    for line in shown(messages, form, columns, headings, labels):
        click.echo(line)


def shown(
    messages: Sequence[M],
    form: str,
    columns: Mapping[str, tuple[str, Callable[[M], str]]],
    headings: Sequence[str],
    labels: Callable[[M], Mapping[str, str]] | None = None,
) -> list[str]:
    """Return objects as they are written.

    Args:
        messages: API objects.
        form: "table", "json" (one object a line), a template, or "table " and a template.
        columns: by their names in templates: heading, and what makes the cell.
        headings: names of those that the table has, in order.
        labels: returns those of an object.
    """

    def document(message: M) -> Struct:
        return row(message, columns, None if labels is None else labels(message))

    if form == _TABLE:
        chosen = [columns[name] for name in headings]
        rows = [[cell(message) for _, cell in chosen] for message in messages]
        return [table([heading for heading, _ in chosen], rows)]
    if form == _JSON:
        return [as_json(message) for message in messages]
    return filled([document(message) for message in messages], form, {name: each[0] for name, each in columns.items()})


def filled(documents: Sequence[Mapping[str, object]], form: str, names: Mapping[str, str]) -> list[str]:
    """Return a template filled in from each document.

    Args:
        form: a template, or "table " and one: then aligned, with headings.
        names: the headings, by the names of the fields.
    """
    if is_table(form):
        template = _template(form)
        lines = [expand(template, document) for document in documents]
        return [_aligned([templates.header(_parsed(template), names), *lines])]
    return [expand(form, document) for document in documents]


def show_list(
    messages: Sequence[M],
    form: str,
    columns: Mapping[str, tuple[str, Callable[[M], str]]],
    headings: Sequence[str],
    *,
    quiet: bool,
    labels: Callable[[M], Mapping[str, str]] | None = None,
) -> None:
    """Write objects as `show` does, or their ids if `quiet` and no other format was asked for."""
    if quiet and is_table(form):
        for message in messages:
            click.echo(columns["ID"][1](message))
    else:
        show(messages, form, columns, headings, labels)


def inspect(messages: Sequence[M], form: str | None, document: Callable[[M], Struct] | None = None) -> None:
    """Write all of each object.

    Args:
        messages: API objects.
        form: left out: a JSON list of the documents; "json": one of the API's objects, on a line; else a template.
        document: returns an object as Docker shows it; left out: as the API does.
    """
    if form == _JSON:
        click.echo(printable_json(json.dumps([as_dict(message) for message in messages], ensure_ascii=False)))
    elif form is None:
        shown = [document(message) if document is not None else as_dict(message) for message in messages]
        click.echo(printable_json(json.dumps(shown, indent=4, ensure_ascii=False)))
    else:
        for message in messages:
            click.echo(expand(form, document(message) if document is not None else Struct(api_fields(message))))


def _template(form: str) -> str:
    return form.removeprefix(_TABLE).lstrip(" ") if is_table(form) else form


@cache
def _parsed(template: str) -> tuple[Node, ...]:
    return templates.parse(template)


def _aligned(lines: Sequence[str]) -> str:
    """Return lines with tabs between their cells as columns, three spaces apart; the last of a line is no column."""
    cells = [line.split("\t") for line in "\n".join(lines).split("\n")]
    widths: dict[int, int] = {}
    for line in cells:
        for column, cell in enumerate(line[:-1]):
            widths[column] = max(widths.get(column, 0), len(cell))
    return "\n".join(
        "   ".join([*(cell.ljust(widths[column]) for column, cell in enumerate(line[:-1])), line[-1]]).rstrip()
        for line in cells
    )
