"""Looking a path up inside a container, for a process whose root is the container's.

The kernel walks (openat2), so that links lead no further than the root, and magic ones of /proc nowhere. Names are
only told to clients: whatever is opened afterwards is walked to again, or reached from an open directory.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from typing import Final

from shoal_agent.kernel.syscalls import Resolve, openat2

_WALK: Final = Resolve.IN_ROOT | Resolve.NO_MAGICLINKS
_TRIES: Final = 100


@dataclass(frozen=True, slots=True)
class Found:
    """What a path leads to.

    Attributes:
        parent: descriptor of the directory that it is in; the root itself is in itself.
        name: its last name, "." for the root.
        path: where it is, without links in the way.
        link_target: what it leads to in the end, if it is a link; an absolute path.
    """

    parent: int
    name: str
    path: str
    status: os.stat_result
    link_target: str = ""


class Lookup:
    """Looks paths up below the directory open at `root`.

    Args:
        root: this process's root.
        descriptors: the list of this process's descriptors (/proc/self/fd), open.
    """

    def __init__(self, root: int, descriptors: int) -> None:
        self._root = root
        self._descriptors = descriptors

    def find(self, path: str, *, follow: bool) -> Found:
        """Return what `path` is.

        Args:
            path: with or without a leading slash; one that ends in "/" or "/." must be a directory.
            follow: if it is a link, return what it leads to.

        Raises:
            OSError: as open(2).
        """
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if not parts or parts[-1] == ".." or path.endswith(("/", "/.")):
            return self._whole(path, directory=True)
        parent = self.open("/".join(parts[:-1]) or "/", os.O_PATH | os.O_DIRECTORY)
        status = os.stat(parts[-1], dir_fd=parent, follow_symlinks=False)
        if not stat.S_ISLNK(status.st_mode):
            return Found(parent, parts[-1], self._below(parent, parts[-1]), status)
        if follow:
            os.close(parent)
            return self._whole(path, directory=False)
        target = self._target(parent, parts[-1], "/".join(parts))
        return Found(parent, parts[-1], self._below(parent, parts[-1]), status, target)

    def open(self, path: str, flags: int) -> int:
        """Open a path, its links followed inside the root."""
        for _ in range(_TRIES):
            try:
                return openat2(self._root, path, flags, resolve=_WALK)
            except (BlockingIOError, InterruptedError):
                # Something was renamed while the kernel walked (openat2(2), EAGAIN): the same again is right.
                continue
        raise OSError(errno.EAGAIN, "the directories on the way keep being renamed")

    def step(self, directory: int, name: str) -> int:
        """Open a directory by its name; a link to one is one, wherever in the root it leads."""
        try:
            return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                raise
        return self.open(self._below(directory, name), os.O_RDONLY | os.O_DIRECTORY)

    def _whole(self, path: str, *, directory: bool) -> Found:
        opened = self.open(path or "/", os.O_PATH | (os.O_DIRECTORY if directory else 0))
        try:
            real = self._name(opened)
        finally:
            os.close(opened)
        above, _, last = real.rpartition("/")
        parent = self.open(above or "/", os.O_PATH | os.O_DIRECTORY)
        return Found(parent, last or ".", real, os.stat(last or ".", dir_fd=parent, follow_symlinks=False))

    def _target(self, parent: int, name: str, path: str) -> str:
        try:
            opened = self.open(path, os.O_PATH)
        except OSError:
            # It leads to nothing that is there: say where that would be.
            text = os.readlink(name, dir_fd=parent)
            return os.path.normpath(text if text.startswith("/") else self._below(parent, text))
        try:
            return self._name(opened)
        finally:
            os.close(opened)

    def _below(self, directory: int, name: str) -> str:
        above = self._name(directory)
        return f"{above if above != '/' else ''}/{name}"

    def _name(self, opened: int) -> str:
        return os.readlink(str(opened), dir_fd=self._descriptors)
