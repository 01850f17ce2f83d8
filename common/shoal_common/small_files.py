"""Files that people name on a command line, read whole: small ones, whatever is really there."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from shoal_common.errors import InvalidSpec

#: Bytes that such a file may have. A device may have no end.
MOST: Final = 4 << 20


def read_small(what: str, path: Path) -> bytes:
    """Return what is in a file.

    Args:
        what: names it, for errors, such as "--env-file".
        path: the file.

    Raises:
        InvalidSpec: it can't be read, or is too large.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "that is no path"
        raise InvalidSpec(f"{what} {path}: {reason}") from None
    if len(data) > MOST:
        raise InvalidSpec(f"{what} {path}: it is too large (more than {MOST >> 20} MiB)")
    return data


def first_line(what: str, path: Path) -> str:
    """Return the first line of a file, without its end; arguments and errors as `read_small`'s."""
    try:
        return read_small(what, path).partition(b"\n")[0].rstrip(b"\r").decode()
    except UnicodeDecodeError:
        raise InvalidSpec(f"{what} {path}: it is no text in UTF-8") from None
