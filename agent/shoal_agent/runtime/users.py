"""Who a process runs as: users and groups looked up in the container's own files, never in the host's.

Paths are resolved by the kernel with the container's root as "/" (openat2, RESOLVE_IN_ROOT), so that no symbolic link
of an image leads out of it. Rules: those of Docker's `--user`. Source: openat2(2), passwd(5), group(5).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shoal_agent.kernel.syscalls import Resolve, openat2
from shoal_common.errors import InvalidSpec

#: Ids that a container has: 0 to 65535.
ID_COUNT: Final = 65536
#: A passwd or group file larger than this is not one.
_MAX_BYTES: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class User:
    """Ids as the container sees them, and the home directory for HOME."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


def open_in_root(root: Path, path: str, flags: int) -> int:
    """Open `path` with `root` as "/"; return the descriptor (close-on-exec).

    Nothing that is mounted in there is entered: a running container could link its files to /proc, where the host's
    root may read more than the container (/proc/kmsg, for one).

    Raises:
        OSError: as open(2).
    """
    directory = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        while True:
            try:
                return openat2(
                    directory, path, flags, resolve=Resolve.IN_ROOT | Resolve.NO_MAGICLINKS | Resolve.NO_XDEV
                )
            except (BlockingIOError, InterruptedError):
                # Something was renamed while the kernel walked (openat2(2), EAGAIN): the same again is right.
                continue
    finally:
        os.close(directory)


def find_user(root: Path, text: str, further: Sequence[str] = ()) -> User:
    """Resolve "user", "uid", "user:group" or "uid:gid" inside `root`; "" means root.

    Args:
        root: of the container.
        text: names the user.
        further: names or numbers of groups that the user is to be in as well.

    Raises:
        InvalidSpec: the user or group is not in the image's files, or an id is beyond the container's 65536.
    """
    name, colon, group = text.partition(":")
    passwd = _table(root, "/etc/passwd", 7)
    name = name or "0"
    number = _id(name)
    entry = next((row for row in passwd if row[0] == name or (number is not None and row[2] == name)), None)
    if entry is None and number is None:
        raise InvalidSpec(f'user "{name[:80]}" is not in the image\'s /etc/passwd (name one that is, or give a number)')
    uid = number if number is not None and (entry is None or entry[0] != name) else _id_of(entry, 2)
    gid = _id_of(entry, 3) if entry is not None else 0
    home = (entry[5] if entry is not None else "") or "/"
    groups: tuple[int, ...] = ()
    if colon and group:
        gid = _find_group(root, group)
    elif entry is not None:
        rows = _table(root, "/etc/group", 4)
        groups = tuple(
            sorted({found for row in rows if entry[0] in row[3].split(",") and (found := _id(row[2])) is not None})
        )
    groups = tuple(sorted({*groups, *(_find_group(root, name) for name in further)}))
    for kind, value in (("uid", uid), ("gid", gid), *(("gid", extra) for extra in groups)):
        if value >= ID_COUNT:
            raise InvalidSpec(
                f'{kind} {value} of user "{text[:80]}" is not below {ID_COUNT}, which is all a container has'
            )
    return User(uid=uid, gid=gid, groups=groups, home=home)


def _find_group(root: Path, group: str) -> int:
    number = _id(group)
    for row in _table(root, "/etc/group", 4):
        if row[0] == group:
            return _id_of(row, 2)
    if number is None:
        raise InvalidSpec(
            f'group "{group[:80]}" is not in the image\'s /etc/group (name one that is, or give a number)'
        )
    return number


def _id(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 11 else None


def _id_of(row: list[str] | None, column: int) -> int:
    value = _id(row[column]) if row is not None else None
    if value is None:
        raise InvalidSpec(f"the image's entry {':'.join(row or [])[:80]!r} has no number in field {column + 1}")
    return value


def _table(root: Path, path: str, columns: int) -> list[list[str]]:
    """Return the well-formed rows of a colon-separated file; none if there is no such regular file."""
    try:
        # A FIFO or device in place of the file must not block the agent.
        fd = open_in_root(root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return []
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return []
        text = file.read(_MAX_BYTES).decode("utf-8", errors="surrogateescape")
    rows = (line.strip().split(":") for line in text.splitlines())
    return [row for row in rows if len(row) >= columns and row[0] and not row[0].startswith("#")]
