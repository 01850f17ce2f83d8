"""By what containers can be chosen, as `docker ps --filter` has it: clients check it, controllers decide by it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from shoal_common.containers.ports import parse_exposed
from shoal_common.filters import Filter, is_accepted, key_and_value, wrong_value
from shoal_common.references import parse_reference

#: What ContainerPhase has, by the names that people read.
STATUSES: Final = (
    "pending",
    "preparing",
    "created",
    "starting",
    "running",
    "paused",
    "restarting",
    "stopping",
    "exited",
    "failed",
    "removing",
    "lost",
)
#: Docker's word for what will never run again, and whose remains can only be removed.
DEAD: Final = "dead"
HEALTHS: Final = ("starting", "healthy", "unhealthy", "none")
#: Docker's name of the network that containers are on if nothing else is said, and ours.
NETWORKS: Final = ("default", "bridge", "none", "host")

#: Values by key; of a key without any, what a value looks like.
_CHOICES: Final = {"status": (*STATUSES, DEAD), "health": HEALTHS, "network": NETWORKS}
_HINTS: Final = {
    "ancestor": "IMAGE[:TAG], or a digest",
    "before": "CONTAINER",
    "exited": "CODE",
    "expose": "PORT[-PORT][/tcp|udp]",
    "id": "the beginning of an id",
    "label": "KEY[=VALUE]",
    "name": "TEXT, ^ for its beginning and $ for its end",
    "node": "NODE",
    "publish": "PORT[-PORT][/tcp|udp]",
    "since": "CONTAINER",
    "volume": "VOLUME, or where it is mounted",
}
FILTER_KEYS: Final = tuple(sorted({*_CHOICES, *_HINTS}))

#: Part of a name, and Docker's way of anchoring it (a name of Docker's begins with a slash).
_NAME: Final = re.compile(r"(\^?)/?([A-Za-z0-9_.-]*)(\$?)")
_ID: Final = re.compile(r"[0-9a-f]{1,64}")
_EXIT_CODE: Final = re.compile(r"[0-9]{1,3}")
_DIGEST: Final = re.compile(r"(?:sha256:)?([0-9a-f]{6,64})")


@dataclass(frozen=True, slots=True)
class NamePattern:
    """What a filter wants of a name."""

    text: str
    at_start: bool
    at_end: bool

    def fits(self, name: str) -> bool:
        """Say whether a name is as wanted."""
        if self.at_start and self.at_end:
            return name == self.text
        if self.at_start:
            return name.startswith(self.text)
        return name.endswith(self.text) if self.at_end else self.text in name


def parse_filter(text: str) -> Filter:
    """Return the filter that "KEY=VALUE" is.

    Raises:
        InvalidSpec: there is no such key, or the value can never be right.
    """
    key, value = key_and_value(text, FILTER_KEYS)
    known = _CHOICES.get(key)
    if not _is_right(key, value):
        raise wrong_value(text, key, f"one of {', '.join(known)}" if known else _HINTS[key])
    return Filter(key, value)


def choices(key: str) -> tuple[str, ...]:
    """Return the values of a key that has few; else none."""
    return _CHOICES.get(key, ())


def name_pattern(value: str) -> NamePattern | None:
    """Return what a value of `name` means; None if it is none."""
    match = _NAME.fullmatch(value)
    return NamePattern(match[2], bool(match[1]), bool(match[3])) if match is not None and match[2] else None


def digest_part(value: str) -> str:
    """Return the beginning of a digest's digits, if that is what a value of `ancestor` may be; else nothing."""
    match = _DIGEST.fullmatch(value)
    return match[1] if match is not None else ""


def _is_right(key: str, value: str) -> bool:
    if not value or not value.isprintable():
        return False
    match key:
        case "status" | "health" | "network":
            return value in _CHOICES[key]
        case "name":
            return name_pattern(value) is not None
        case "id":
            return _ID.fullmatch(value) is not None
        case "exited":
            return _EXIT_CODE.fullmatch(value) is not None and int(value) <= 255
        case "label":
            return bool(value.partition("=")[0])
        case "publish" | "expose":
            return is_accepted(parse_exposed, value)
        case "ancestor":
            return bool(digest_part(value)) or is_accepted(parse_reference, value)
        case _:
            return True
