"""The data that templates are filled in from: what JSON has, and two kinds of object that know more."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

from shoal_cli.printable import printable_json
from shoal_cli.templates.errors import TemplateError


class Absent:
    """What a map does not have."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False


ABSENT: Final = Absent()


class Struct(dict[str, object]):
    """An object whose fields are known: to ask for another one is a mistake. In a plain dict it is not: keys are data.

    Args:
        fields: in the order in which they are shown.
        also: returns further fields, which can be asked for by their names, and are not shown.
    """

    __slots__ = ("_also",)

    def __init__(self, fields: Mapping[str, object], also: Callable[[], Mapping[str, object]] | None = None) -> None:
        super().__init__(fields)
        self._also = also

    def field(self, name: str) -> object:
        """Return a field.

        Raises:
            TemplateError: there is none of this name.
        """
        if name in self:
            return self[name]
        more = self._also() if self._also is not None else {}
        if name in more:
            return more[name]
        raise TemplateError(f'there is no field "{name[:40]}" (there are: {", ".join([*self, *more])})')


class ByKey(dict[str, str]):
    """A field that is asked with a key, such as `{{.Label "tier"}}`."""

    __slots__ = ()


def field(item: object, name: str) -> object:
    """Return `item.name`, of a list the item of this number.

    Raises:
        TemplateError: it can't have such a field.
    """
    if isinstance(item, Struct):
        return item.field(name)
    if isinstance(item, Absent):
        return ABSENT
    if isinstance(item, list) and name.isdecimal():
        return item[int(name)] if int(name) < len(item) else ABSENT
    if isinstance(item, dict):
        return item.get(name, ABSENT)
    if item is None:
        raise TemplateError(f'"{name[:40]}" is asked of what is not set (ask before, with {{{{if}}}} or {{{{with}}}})')
    raise TemplateError(f'"{name[:40]}" is asked of {kind(item)}, which has no fields')


def kind(item: object) -> str:
    """Return what a value is, in words."""
    match item:
        case bool():
            return "true or false"
        case str():
            return "text"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case dict():
            return "an object"
    return "nothing"


def written(item: object) -> str:
    """Return a value as Go's print has it."""
    match item:
        case str():
            return item
        case bool():
            return "true" if item else "false"
        case float():
            return str(int(item)) if item.is_integer() and abs(item) < 1e15 else repr(item)
        case int():
            return str(item)
        case list():
            return f"[{' '.join(map(written, item))}]"
        case dict():
            return f"map[{' '.join(f'{key}:{written(item[key])}' for key in sorted(item))}]"
        case None:
            return "<nil>"
    return "<no value>"


def as_json(item: object) -> str:
    """Return a value as JSON, in which nothing moves a terminal's cursor."""
    return printable_json(json.dumps(item, ensure_ascii=False, default=lambda absent: None, separators=(",", ":")))
