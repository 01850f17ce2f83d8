"""Removing trees whose files strangers made."""

from __future__ import annotations

import errno
import subprocess
from pathlib import Path


def remove_tree(path: Path) -> None:
    """Remove a tree of any depth, whose files strangers named; shutil.rmtree recurses and would overflow.

    Raises:
        OSError: something of it can't be removed.
    """
    done = subprocess.run(
        ["rm", "-rf", "--one-file-system", "--", str(path)], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode != 0:
        complaint = done.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise OSError(errno.EIO, f"cannot remove {path}: {complaint[:300]}")
