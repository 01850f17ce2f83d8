"""Who a process runs as: users and groups looked up in the container's own files, never in the host's.

Paths are resolved by the kernel with the container's root as "/" (openat2, RESOLVE_IN_ROOT), so that no symbolic link
of an image leads out of it. Rules: those of Docker's `--user`. Source: openat2(2), passwd(5), group(5).
"""

from __future__ import annotations

import os
import re
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
_MAX_BYTES: Final = 1 << 20
_PASSWD: Final = "/etc/passwd"
_GROUP: Final = "/etc/group"
#: Fields of a line at least.
_FIELDS: Final = {_PASSWD: 7, _GROUP: 4}


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
    name = name or "0"
    number = _id(name)
    entry = _find(root, _PASSWD, name, by_number=number is not None)
    if entry is None and number is None:
        raise InvalidSpec(f'user "{name[:80]}" is not in the image\'s /etc/passwd (name one that is, or give a number)')
    uid = number if number is not None and (entry is None or entry[0] != name) else _id_of(entry, 2)
    gid = _id_of(entry, 3) if entry is not None else 0
    home = (entry[5] if entry is not None else "") or "/"
    groups: tuple[int, ...] = ()
    if colon and group:
        gid = _find_group(root, group)
    elif entry is not None:
        groups = _groups_of(root, entry[0])
    groups = tuple(sorted({*groups, *(_find_group(root, name) for name in further)}))
    for kind, value in (("uid", uid), ("gid", gid), *(("gid", extra) for extra in groups)):
        if value >= ID_COUNT:
            raise InvalidSpec(
                f'{kind} {value} of user "{text[:80]}" is not below {ID_COUNT}, which is all a container has'
            )
    return User(uid=uid, gid=gid, groups=groups, home=home)


def _find_group(root: Path, group: str) -> int:
    number = _id(group)
    if (row := _find(root, _GROUP, group)) is not None:
        return _id_of(row, 2)
    if number is None:
        raise InvalidSpec(
            f'group "{group[:80]}" is not in the image\'s /etc/group (name one that is, or give a number)'
        )
    return number


def _groups_of(root: Path, user: str) -> tuple[int, ...]:
    """Return the ids of the groups whose members a user is among."""
    named = rb"(?:[^:\n]*?,)?" + re.escape(_encoded(user)) + rb"(?=[,:\r\n]|\Z)"
    matches = re.finditer(rb"^[ \t]*+(?!#)[^:\n]++:[^:\n]*+:([0-9]{1,10}):" + named, _text(root, _GROUP), re.MULTILINE)
    # The container's file may name it any number of times: there are no more ids than these.
    return tuple(sorted({int(match[1]) for match, _ in zip(matches, range(ID_COUNT), strict=False)}))


def _id(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 11 else None


def _id_of(row: list[str] | None, column: int) -> int:
    value = _id(row[column]) if row is not None else None
    if value is None:
        raise InvalidSpec(f"the image's entry {':'.join(row or [])[:80]!r} has no number in field {column + 1}")
    return value


def _find(root: Path, path: str, name: str, *, by_number: bool = False) -> list[str] | None:
    """Return the first well-formed line that begins with `name`, or has it for its number; None if there is none.

    The file is the container's, of any content, and is looked through for each command: the lines that are not meant
    are never taken apart. No part of the pattern is tried twice.
    """
    most, wanted = _FIELDS[path], re.escape(_encoded(name))
    ways = [wanted + rb"(?::[^:\n]*+){%d,}+" % (most - 1)]
    if by_number:
        ways.append(rb"[^:\n]++:[^:\n]*+:" + wanted + rb"(?::[^:\n]*+){%d,}+" % (most - 3))
    found = re.search(rb"^[ \t]*+(?!#)(?:" + rb"|".join(ways) + rb")$", _text(root, path), re.MULTILINE)
    return None if found is None else found[0].decode("utf-8", errors="surrogateescape").strip().split(":", most)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", errors="surrogateescape")


def _text(root: Path, path: str) -> bytes:
    """Return what is in a file; nothing if there is no such regular file."""
    try:
        # A FIFO or device in place of the file must not block the agent.
        fd = open_in_root(root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return b""
    with os.fdopen(fd, "rb") as file:
        return file.read(_MAX_BYTES) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
