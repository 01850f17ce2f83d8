"""What `--log-opt` says of a container's log, in Docker's words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from shoal_common.errors import InvalidSpec
from shoal_common.units import format_bytes, parse_bytes

#: Names of labels or variables that can be shown with each line.
MOST_NAMES: Final = 64
#: Bytes after which a file may be rotated, and files that may be kept.
LEAST_SIZE: Final = 4 << 10
MOST_SIZE: Final = 1 << 40
MOST_FILES: Final = 1000
_KEYS: Final = "max-size=SIZE, max-file=N, labels=NAME,... or env=NAME,..."


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What was said.

    Attributes:
        max_size: bytes after which a file is rotated; 0: the node's own.
        max_files: so many of that size are kept; 0: likewise.
        labels: names of labels that are shown with each line (`logs --details`).
        env: names of variables, likewise.
    """

    max_size: int = 0
    max_files: int = 0
    labels: tuple[str, ...] = ()
    env: tuple[str, ...] = ()


def parse_log_option(text: str) -> tuple[str, object]:
    """Return the attribute of `LogOptions` that "key=value" sets, and its value.

    Raises:
        InvalidSpec: it is none.
    """
    key, _, value = text.partition("=")
    match key:
        case "max-size":
            return "max_size", check_size(parse_bytes(value))
        case "max-file":
            return "max_files", check_files(int(value) if value.isdecimal() and len(value) < 9 else 0)
        case "labels" | "env":
            return key, check_names(key, value.split(","))
        case _:
            raise InvalidSpec(f'log option "{text[:80]}" is not known (write {_KEYS})')


def parse_log_options(texts: Iterable[str]) -> LogOptions:
    """Return what several say; of the same key, the last holds.

    Raises:
        InvalidSpec: one of them is none.
    """
    return LogOptions(**dict(parse_log_option(text) for text in texts))  # type: ignore[arg-type]


def check_size(size: int) -> int:
    """Return a size at which a file may be rotated.

    Raises:
        InvalidSpec: none may.
    """
    if not LEAST_SIZE <= size <= MOST_SIZE:
        raise InvalidSpec(
            f"log option max-size of {format_bytes(size)} is not possible (use {format_bytes(LEAST_SIZE)} to "
            f"{format_bytes(MOST_SIZE)}, such as max-size=10m)"
        )
    return size


def check_files(count: int) -> int:
    """Return a number of files that may be kept.

    Raises:
        InvalidSpec: it may not be so.
    """
    if not 0 < count <= MOST_FILES:
        raise InvalidSpec(f"log option max-file is not possible (write a number from 1 to {MOST_FILES})")
    return count


def check_names(kind: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return names of labels or variables that are to be shown.

    Raises:
        InvalidSpec: one of them can't be one, or they are too many.
    """
    found = tuple(names)
    if len(found) > MOST_NAMES:
        raise InvalidSpec(f"log option {kind} names {len(found)}, more than {MOST_NAMES} (name fewer)")
    for name in found:
        if not name or len(name) > 255 or "=" in name or not name.isprintable() or " " in name:
            raise InvalidSpec(f"log option {kind} names {name[:80]!a}, which nothing is called (write {kind}=NAME,...)")
    return found
