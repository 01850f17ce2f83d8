"""Names of OCI runtimes, as nodes call theirs and containers ask for one. Pure."""

from __future__ import annotations

import re
from typing import Final

from shoal_common.errors import InvalidSpec
from shoal_common.quoting import quoted

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


def check_runtime(name: str) -> str:
    """Return a name.

    Raises:
        InvalidSpec: no runtime is called so.
    """
    if _NAME.fullmatch(name) is None:
        raise InvalidSpec(f"runtime {quoted(name)} is not valid (name one that the nodes have, such as crun)")
    return name
