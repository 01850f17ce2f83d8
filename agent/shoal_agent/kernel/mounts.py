"""What is mounted where: reading mountinfo, and unmounting that may be repeated."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shoal_agent.kernel import syscalls
from shoal_agent.kernel.syscalls import UnmountFlag

_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class MountEntry:
    """One line of mountinfo (proc_pid_mountinfo(5)), as far as it is needed."""

    target: str
    filesystem: str
    source: str


def parse_mountinfo(text: str) -> Iterator[MountEntry]:
    """Yield the mounts that `text` lists, oldest first."""
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, tail = before.split(" "), after.split(" ")
        if len(fields) >= 6 and len(tail) >= 2:
            yield MountEntry(target=_unescaped(fields[4]), filesystem=tail[0], source=_unescaped(tail[1]))


def mounts_below(directory: Path) -> list[MountEntry]:
    """Return the mounts at `directory` and below it, oldest first."""
    prefix = f"{directory}/"
    text = Path("/proc/thread-self/mountinfo").read_text()
    return [entry for entry in parse_mountinfo(text) if f"{entry.target}/".startswith(prefix)]


def is_mounted(path: Path) -> bool:
    """Tell whether something of another file system is mounted at `path`, without following a link."""
    try:
        return path.lstat().st_dev != path.parent.stat().st_dev
    except FileNotFoundError:
        return False


def unmount_all(path: Path) -> None:
    """Unmount everything that is stacked at `path`; nothing there is success.

    What is busy is detached: it goes when its last user does.
    """
    while True:
        try:
            syscalls.umount(path)
        except OSError as error:
            if error.errno == errno.EBUSY:
                syscalls.umount(path, UnmountFlag.DETACH | UnmountFlag.NOFOLLOW)
            elif error.errno in (errno.EINVAL, errno.ENOENT):
                return
            else:
                raise


def _unescaped(field: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), field)
