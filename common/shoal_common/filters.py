"""Filters as users write them, "KEY=VALUE": what those of containers, images and events have in common. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final

from shoal_common.errors import InvalidSpec
from shoal_common.quoting import quoted

#: Filters that one request has at most.
MAX_FILTERS: Final = 100


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter; its value is a right one for its key."""

    key: str
    value: str

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


def key_and_value(text: str, keys: Collection[str]) -> tuple[str, str]:
    """Return the two that "KEY=VALUE" is.

    Raises:
        InvalidSpec: it is something else, or the key is none of `keys`.
    """
    key, equals, value = text.partition("=")
    if not equals or key not in keys:
        raise InvalidSpec(f"filter {quoted(text)} is not valid (write KEY=VALUE, KEY one of {', '.join(keys)})")
    return key, value


def wrong_value(text: str, key: str, remedy: str) -> InvalidSpec:
    """Return the error of a filter whose value can never be right.

    Args:
        remedy: what a value looks like.
    """
    return InvalidSpec(f"filter {quoted(text)} is not valid (write {key}=VALUE, VALUE {remedy})")


def parsed(texts: Iterable[str], parse: Callable[[str], Filter]) -> list[Filter]:
    """Return the filters of a request.

    Raises:
        InvalidSpec: one of them is malformed, or they are too many.
    """
    found = list(texts)
    if len(found) > MAX_FILTERS:
        raise InvalidSpec(f"{len(found)} filters were given ({MAX_FILTERS} is the most)")
    return [parse(text) for text in found]


def is_accepted(parse: Callable[[str], object], value: str) -> bool:
    """Say whether a parser takes a value."""
    try:
        parse(value)
    except InvalidSpec:
        return False
    return True
