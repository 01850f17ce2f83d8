"""By what events can be chosen; clients complete it, controllers check it."""

from __future__ import annotations

from typing import Final

FILTER_KEYS: Final = ("type", "action", "container", "node", "namespace", "label", "image")
#: Docker's names of some.
ALSO_CALLED: Final = {"event": "action"}
