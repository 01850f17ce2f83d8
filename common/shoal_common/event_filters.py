"""By what events can be chosen: clients check and complete it, controllers decide by it."""

from __future__ import annotations

from typing import Final

from shoal_common.errors import InvalidSpec
from shoal_common.filters import Filter

FILTER_KEYS: Final = ("type", "action", "container", "node", "namespace", "label", "image")
#: Docker's names of some.
_ALSO_CALLED: Final = {"event": "action"}
#: Characters of one filter.
_LONGEST: Final = 1_000


def parse_event_filter(text: str) -> Filter:
    """Return the filter that "KEY=VALUE" is.

    Raises:
        InvalidSpec: it is something else, there is no such key, or it is too long.
    """
    key, _, value = text.partition("=")
    key = _ALSO_CALLED.get(key, key)
    if key not in FILTER_KEYS or not value or len(text) > _LONGEST:
        raise InvalidSpec(f'filter "{text[:80]}" is not valid (write KEY=VALUE, KEY one of {", ".join(FILTER_KEYS)})')
    return Filter(key, value)
