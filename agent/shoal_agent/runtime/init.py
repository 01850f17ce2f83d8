"""`--init`: a small init as process 1, which passes signals on and reaps what is left over. Pure but for one look.

tini, as Docker has it: the static one of Debian's package, bound into the container's own /dev, where it leaves nothing
in the image's files.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final, TypeAlias

from shoal_agent.runtime.failures import RUNTIME_FAILED, StartFailed

Json: TypeAlias = dict[str, Any]

INIT: Final = Path("/usr/bin/tini-static")
_TARGET: Final = "/dev/init"


def under_init(config: Json) -> None:
    """Change an OCI configuration so that its program runs under the init.

    Raises:
        StartFailed: this host has none.
    """
    if not os.access(INIT, os.X_OK):
        raise StartFailed(RUNTIME_FAILED, f"{INIT} is not installed on its node (apt-get install tini)")
    process = config["process"]
    process["args"] = [_TARGET, "--", *process["args"]]
    options = ["bind", "rprivate", "ro", "nosuid", "nodev"]
    config["mounts"].append({"destination": _TARGET, "type": "bind", "source": str(INIT), "options": options})
