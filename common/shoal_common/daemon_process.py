"""What a daemon settles for its process before it does anything."""

from __future__ import annotations

import ctypes
import os
from typing import Final

#: `M_ARENA_MAX` of malloc.h; in the C library of Debian, and in few others.
_ARENA_MAX: Final = -8
_ARENAS: Final = 2


def prepare_process() -> None:
    """Keep memory and gRPC's voice small. To be called while the process has one thread."""
    # gRPC's core writes its own account of addresses that are taken to stderr.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # Each of gRPC's threads would get an arena of its own, and each would keep what the busiest stream left in it.
    if (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_ARENA_MAX, _ARENAS)
