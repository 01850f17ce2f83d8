"""By what events can be chosen; clients complete it, controllers check it."""

from __future__ import annotations

from typing import Final

from shoal_common.errors import InvalidSpec

FILTER_KEYS: Final = ("type", "action", "container", "node", "namespace", "label", "image")
#: Docker's names of some.
ALSO_CALLED: Final = {"event": "action"}


def check_event_filter(text: str) -> None:
    """Check one filter.

    Raises:
        InvalidSpec: it is not "KEY=VALUE", or there is no such key.
    """
    key, _, value = text.partition("=")
    if ALSO_CALLED.get(key, key) not in FILTER_KEYS or not value:
        raise InvalidSpec(f'filter "{text[:80]}" is not valid (write KEY=VALUE, KEY one of {", ".join(FILTER_KEYS)})')
