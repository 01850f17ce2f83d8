"""Which events somebody wants to hear of."""

from __future__ import annotations

from collections.abc import Iterable

from shoal_common.event_filters import parse_event_filter
from shoal_common.filters import parsed
from shoal_common.ids import SHORT_ID
from shoal_controller.core.events.telling import LABEL
from shoal_proto.v1.event_pb2 import Event


class Filters:
    """Lets events through: of the same key any, of different keys all.

    Args:
        filters: "key=value" each.

    Raises:
        InvalidSpec: one of them is malformed, or they are too many.
    """

    def __init__(self, filters: Iterable[str]) -> None:
        self._wanted: dict[str, set[str]] = {}
        for each in parsed(filters, parse_event_filter):
            self._wanted.setdefault(each.key, set()).add(each.value)

    def fit(self, event: Event) -> bool:
        """Say whether `event` is let through."""
        return all(any(_is(event, key, value) for value in values) for key, values in self._wanted.items())


def _is(event: Event, key: str, value: str) -> bool:
    match key:
        case "type":
            return event.type == value
        case "action":
            return event.action == value
        case "container":
            return event.type == "container" and _names(event.object, event.name, value)
        case "node":
            return event.node == value or (event.type == "node" and _names(event.object, event.name, value))
        case "namespace":
            return event.namespace == value
        case "image":
            image = event.attributes.get("image", "")
            return image == value or image.partition("@")[0] == value or _without_tag(image) == value
        case _:
            label, equals, wanted = value.partition("=")
            if LABEL + label not in event.attributes:
                return False
            return not equals or event.attributes[LABEL + label] == wanted


def _names(identifier: str, name: str, value: str) -> bool:
    return value in (name, identifier) or (len(value) >= SHORT_ID and identifier.startswith(value))


def _without_tag(image: str) -> str:
    start, colon, tag = image.partition("@")[0].rpartition(":")
    return start if colon and "/" not in tag else image
