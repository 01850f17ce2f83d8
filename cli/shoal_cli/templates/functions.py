"""The functions that a template can call: Go's own that need no reflection, and those that Docker adds."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from shoal_cli.templates.errors import TemplateError
from shoal_cli.templates.values import ABSENT, Absent, Struct, as_json, kind, written

#: Longest padding.
MAX_WIDTH: Final = 1000

Arguments = Sequence[object]


@dataclass(frozen=True, slots=True)
class _Known:
    call: Callable[..., object]
    least: int
    most: int | None


def call(name: str, arguments: Arguments) -> object:
    """Return what a function makes of its arguments.

    Raises:
        TemplateError: they are not what it takes.
    """
    known = _TABLE[name]
    if len(arguments) < known.least or (known.most is not None and len(arguments) > known.most):
        raise TemplateError(f"{name} does not take {len(arguments)} arguments")
    return known.call(*arguments)


def truth(item: object) -> bool:
    """Say whether a value counts as true: it is neither empty, nor 0, nor nothing."""
    return bool(item)


def _text(name: str, item: object) -> str:
    if not isinstance(item, str):
        raise TemplateError(f'{name} takes text, not {kind(item)} (write it as text with: printf "%v")')
    return item


def _number(name: str, item: object) -> int:
    if isinstance(item, bool) or not isinstance(item, int):
        raise TemplateError(f"{name} takes a whole number, not {kind(item)}")
    return item


def _join(items: object, separator: object) -> str:
    if not isinstance(items, list):
        raise TemplateError(f"join takes a list, not {kind(items)}")
    return _text("join", separator).join(map(written, items))


def _title(item: object) -> str:
    return re.sub(r"(?<![\w'])[^\W\d_]", lambda match: match[0].upper(), _text("title", item))


def _split(item: object, separator: object) -> list[object]:
    text, by = _text("split", item), _text("split", separator)
    return list(text.split(by)) if by else list(text)


def _pad(item: object, before: object, after: object) -> str:
    widths = [_number("pad", before), _number("pad", after)]
    if not all(0 <= width <= MAX_WIDTH for width in widths):
        raise TemplateError(f"pad takes widths from 0 to {MAX_WIDTH}")
    return f"{' ' * widths[0]}{_text('pad', item)}{' ' * widths[1]}"


def _truncate(item: object, limit: object) -> str:
    length = _number("truncate", limit)
    if length < 0:
        raise TemplateError("truncate takes a length of 0 or more")
    return _text("truncate", item)[:length]


def _len(item: object) -> int:
    if isinstance(item, str):
        return len(item.encode())
    if isinstance(item, list | dict):
        return len(item)
    raise TemplateError(f"len takes text, a list or an object, not {kind(item)}")


def _index(item: object, *keys: object) -> object:
    for key in keys:
        item = _at(item, key)
    return item


def _at(item: object, key: object) -> object:
    if isinstance(item, list | str):
        number = _number("index", key)
        if not 0 <= number < len(item):
            raise TemplateError(f"index {number} is not there: {kind(item)} has {len(item)} items")
        return item[number]
    if isinstance(item, Struct):
        return item.field(_text("index", key))
    if isinstance(item, dict):
        # In Go the zero value of what the map holds.
        nothing = "" if all(isinstance(value, str) for value in item.values()) else ABSENT
        return item.get(_text("index", key), nothing)
    raise TemplateError(f"index takes a list or an object, not {kind(item)}")


def _slice(item: object, *bounds: object) -> object:
    if not isinstance(item, list | str):
        raise TemplateError(f"slice takes text or a list, not {kind(item)}")
    numbers = [_number("slice", bound) for bound in bounds]
    first, last = numbers[0] if numbers else 0, numbers[1] if len(numbers) > 1 else len(item)
    if not 0 <= first <= last <= len(item):
        raise TemplateError(f"slice from {first} to {last} is not there: {kind(item)} has {len(item)} items")
    return item[first:last]


def _comparable(name: str, one: object, other: object) -> tuple[object, object]:
    """Return two values that can be compared.

    Raises:
        TemplateError: they are of different kinds.
    """
    if isinstance(one, list | dict) or isinstance(other, list | dict):
        raise TemplateError(f"{name} does not compare {kind(one)} with {kind(other)}")
    # What is not there is like nil, and equal to nothing else.
    left, right = (None if isinstance(each, Absent) else each for each in (one, other))
    if left is not None and right is not None and kind(left) != kind(right):
        raise TemplateError(f"{name} does not compare {kind(left)} with {kind(right)}")
    return left, right


def _eq(first: object, *others: object) -> bool:
    pairs = [_comparable("eq", first, other) for other in others]
    return any(one == other for one, other in pairs)


def _ne(one: object, other: object) -> bool:
    left, right = _comparable("ne", one, other)
    return left != right


def _ordered(name: str, holds: Callable[[int], bool]) -> Callable[[object, object], bool]:
    def compare(one: object, other: object) -> bool:
        left, right = _comparable(name, one, other)
        if isinstance(left, str) and isinstance(right, str):
            return holds((left > right) - (left < right))
        if isinstance(left, int | float) and isinstance(right, int | float) and not isinstance(left, bool):
            return holds((left > right) - (left < right))
        raise TemplateError(f"{name} does not compare {kind(one)} with {kind(other)}")

    return compare


def _print(*items: object) -> str:
    """Return values one after the other, with a blank between two of which neither is text."""
    made = ""
    for number, item in enumerate(items):
        if number and not isinstance(item, str) and not isinstance(items[number - 1], str):
            made += " "
        made += written(item)
    return made


def _println(*items: object) -> str:
    return " ".join(map(written, items)) + "\n"


_VERB: Final = re.compile(r"%([-+0 ]*)([0-9]*)(?:\.([0-9]*))?(.)?", re.DOTALL)


def _printf(form: object, *items: object) -> str:
    left = list(items)

    def replaced(match: re.Match[str]) -> str:
        flags, width, precision, verb = match.groups()
        if verb == "%":
            return "%"
        if int((width or "0")[:9]) > MAX_WIDTH or int((precision or "0")[:9]) > MAX_WIDTH:
            raise TemplateError(f"printf takes widths up to {MAX_WIDTH}")
        if not left:
            raise TemplateError("printf has fewer arguments than its format asks for")
        made = _formatted(verb or "", left.pop(0), flags, None if precision is None else int(precision or 0))
        numeric = verb in ("d", "x", "X", "f", "g", "e")
        if "-" in flags:
            return made.ljust(int(width or 0))
        return made.zfill(int(width or 0)) if "0" in flags and numeric else made.rjust(int(width or 0))

    made = _VERB.sub(replaced, _text("printf", form))
    if left:
        raise TemplateError("printf has more arguments than its format asks for")
    return made


def _formatted(verb: str, item: object, flags: str, precision: int | None) -> str:
    match verb:
        case "v":
            return written(item)
        case "s" if isinstance(item, str | list | dict):
            return written(item)[:precision]
        case "q" if isinstance(item, str):
            return as_json(item)
        case "t" if isinstance(item, bool):
            return written(item)
        case "d" if isinstance(item, int) and not isinstance(item, bool):
            return f"{item:+d}" if "+" in flags else str(item)
        case "x" | "X" if isinstance(item, int) and not isinstance(item, bool):
            return f"{item:{verb}}"
        case "f" | "g" | "e" if isinstance(item, float):
            return f"{item:.{6 if precision is None else precision}{verb}}"
    raise TemplateError(f"printf does not write {kind(item)} with %{verb}")


_TABLE: Final[Mapping[str, _Known]] = {
    "json": _Known(as_json, 1, 1),
    "join": _Known(_join, 2, 2),
    "lower": _Known(lambda item: _text("lower", item).lower(), 1, 1),
    "upper": _Known(lambda item: _text("upper", item).upper(), 1, 1),
    "title": _Known(_title, 1, 1),
    "split": _Known(_split, 2, 2),
    "pad": _Known(_pad, 3, 3),
    "truncate": _Known(_truncate, 2, 2),
    "len": _Known(_len, 1, 1),
    "index": _Known(_index, 1, None),
    "slice": _Known(_slice, 1, 3),
    "not": _Known(lambda item: not truth(item), 1, 1),
    "eq": _Known(_eq, 2, None),
    "ne": _Known(_ne, 2, 2),
    "lt": _Known(_ordered("lt", lambda sign: sign < 0), 2, 2),
    "le": _Known(_ordered("le", lambda sign: sign <= 0), 2, 2),
    "gt": _Known(_ordered("gt", lambda sign: sign > 0), 2, 2),
    "ge": _Known(_ordered("ge", lambda sign: sign >= 0), 2, 2),
    "print": _Known(_print, 0, None),
    "println": _Known(_println, 0, None),
    "printf": _Known(_printf, 1, None),
}
#: These two look at an argument only if those before leave it open.
LAZY: Final = ("and", "or")
NAMES: Final = frozenset({*_TABLE, *LAZY})
