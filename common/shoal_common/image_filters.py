"""By which images a list shows, as `docker image ls --filter` has it: clients check it, controllers decide by it. Pure.

Source: docker image ls, "Filtering"; Go's path.Match for patterns.
"""

from __future__ import annotations

import fnmatch
import re
from typing import Final

from shoal_common.filters import Filter, is_accepted, key_and_value, wrong_value
from shoal_common.references import parse_reference

_HINTS: Final = {
    "before": "IMAGE[:TAG]",
    "dangling": "true or false",
    "label": "KEY[=VALUE]",
    "reference": "a pattern such as web:*, team/*",
    "since": "IMAGE[:TAG]",
}
FILTER_KEYS: Final = tuple(_HINTS)
#: A registry's longest name and a tag.
_LONGEST_PATTERN: Final = 400
_TRUTHS: Final = {"true": True, "1": True, "false": False, "0": False}
#: What may be in a pattern: what is in names, and what stands for it.
_PATTERN: Final = re.compile(r"[A-Za-z0-9._/:*?\[\]^-]+")


def parse_image_filter(text: str) -> Filter:
    """Return the filter that "KEY=VALUE" is.

    Raises:
        InvalidSpec: there is no such key, or the value can never be right.
    """
    key, value = key_and_value(text, FILTER_KEYS)
    if not _is_right(key, value):
        raise wrong_value(text, key, _HINTS[key])
    return Filter(key, value.lower() if key == "dangling" else value)


def choices(key: str) -> tuple[str, ...]:
    """Return the values of a key that has few; else none."""
    return ("true", "false") if key == "dangling" else ()


def is_true(value: str) -> bool:
    """Return what a value of `dangling` means."""
    return _TRUTHS[value]


class NamePattern:
    """What a value of `reference` means. What stands for other text stands for none with a "/"."""

    def __init__(self, text: str) -> None:
        # Not by fnmatch's own functions, which keep thousands of patterns for ever.
        self._parts = [re.compile(fnmatch.translate(part.replace("[^", "[!"))) for part in text.split("/")]

    def fits(self, repository: str, tag: str) -> bool:
        """Say whether an image is meant, by its name or by its name and tag."""
        return self._fits(repository) or self._fits(f"{repository}:{tag}")

    def _fits(self, name: str) -> bool:
        parts = name.split("/")
        return len(parts) == len(self._parts) and all(
            pattern.match(part) for pattern, part in zip(self._parts, parts, strict=True)
        )


def _is_right(key: str, value: str) -> bool:
    match key:
        case "dangling":
            return value.lower() in _TRUTHS
        case "label":
            return value.isprintable() and bool(value.partition("=")[0])
        case "reference":
            return len(value) <= _LONGEST_PATTERN and _PATTERN.fullmatch(value) is not None
        case _:
            return is_accepted(parse_reference, value)
