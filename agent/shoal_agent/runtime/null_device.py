"""Keeps /dev/null the host's own.

crun (1.8) gives whatever a container's streams are to the container's user, and conmon has it read from /dev/null: the
one of the host, which is in every container as well. Whoever owns it may take it from everybody (chmod).
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

_NULL: Final = Path("/dev/null")
_EVERYBODY: Final = 0o666


def give_back(null: Path = _NULL) -> None:
    """Give the host's /dev/null back to root: after a container was created, and before anything of it runs.

    One that is created at the same time may take it again, and gives it back before anything of it runs. An agent of an
    older version did not: what a container took then is everybody's again as well.
    """
    status = null.stat()
    if (status.st_uid, status.st_gid) != (0, 0):
        os.chown(null, 0, 0)
    if stat.S_IMODE(status.st_mode) != _EVERYBODY:
        null.chmod(_EVERYBODY)
