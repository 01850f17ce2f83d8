"""Exit codes of the `shoal` command; `run` and `exec` otherwise end with the container's or the command's own."""

from __future__ import annotations

from typing import Final

#: What was asked for failed.
FAILED: Final = 1
#: The command line is wrong; nothing was sent.
USAGE: Final = 2
#: `run` and `exec`: Shoal could not do it. 126 (not executable) and 127 (not found) come from the node.
CANNOT: Final = 125
#: Ctrl-C; other signals likewise give 128 and their number.
INTERRUPTED: Final = 130
