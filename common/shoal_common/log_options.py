"""What `--log-opt` says of a container's log, in Docker's words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from shoal_common.errors import InvalidSpec

#: Names of labels or variables that can be shown with each line.
MOST_NAMES: Final = 64
_KEYS: Final = "labels=NAME,... or env=NAME,..."


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What was said.

    Attributes:
        labels: names of labels that are shown with each line (`logs --details`).
        env: names of variables, likewise.
    """

    labels: tuple[str, ...] = ()
    env: tuple[str, ...] = ()


def parse_log_option(text: str) -> tuple[str, object]:
    """Return the attribute of `LogOptions` that "key=value" sets, and its value.

    Raises:
        InvalidSpec: it is none.
    """
    key, _, value = text.partition("=")
    match key:
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
