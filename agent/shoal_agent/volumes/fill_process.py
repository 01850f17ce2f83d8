"""Copies what an image has at a path into an empty volume. Run as: fill_process.py USERNS ROOT VOLUME TARGET.

The first three are descriptors: the container's user namespace, its merged root file system, and the volume as the
container will see it. In that namespace this process has no right but over the container's own files, and keeps none
but over files, since the namespace may be the node's own. It reads paths with the container's root as "/", so that no
link of the image leads it elsewhere.

It answers one line of JSON on its standard output: {"copied": true} or {"copied": false} (there is nothing to copy), or
{"errno": N, "error": "..."}.

Started with `python -I -S`, so only the standard library and its neighbours without dependencies are imported.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
import stat
import sys

from shoal_agent.images.confinement import Capability, bound, drop_capabilities, last_capability
from shoal_agent.kernel import syscalls
from shoal_agent.kernel.syscalls import CloneFlag, Resolve

#: Deeper than any path that can be named at once, with a descriptor of both sides for each.
_MAX_DEPTH = 2048
_PIECE = 1 << 20
#: Python, and the names of files that have several; two descriptors for each level, and some.
_LIMITS = {resource.RLIMIT_AS: 1 << 30, resource.RLIMIT_NOFILE: 2 * _MAX_DEPTH + 64, resource.RLIMIT_CORE: 0}
#: Attributes that mean the same in any file system.
_KEPT = ("user.", "security.capability", "system.posix_acl")


def become_root_of(user_namespace: int) -> None:
    """Enter a user namespace and become its root, with rights over files and bounds; there is no way back."""
    last = last_capability()
    if not os.path.samestat(os.fstat(user_namespace), os.stat("/proc/self/ns/user")):
        syscalls.setns(user_namespace, CloneFlag.NEWUSER)
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    bound(_LIMITS)
    drop_capabilities({*Capability} - {Capability.MKNOD}, last=last)


def open_source(root: int, target: str) -> int | None:
    """Return a descriptor of the image's directory, or None if it has none there."""
    try:
        resolve = Resolve.IN_ROOT | Resolve.NO_MAGICLINKS
        return syscalls.openat2(root, target, os.O_RDONLY | os.O_DIRECTORY, resolve=resolve)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return None
        raise


class Copier:
    """Copies one tree. Files with several names keep them.

    Args:
        top: descriptor of the directory that is filled.
    """

    def __init__(self, top: int) -> None:
        self._top = top
        self._links: dict[tuple[int, int], str] = {}

    def copy(self, source: int, target: int, path: str = "", depth: int = 0) -> None:
        """Copy what is in a directory, and how it is, into another."""
        if depth > _MAX_DEPTH:
            raise OSError(errno.ELOOP, "the image's directories are nested too deeply", path)
        with os.scandir(source) as entries:
            for entry in entries:
                info = entry.stat(follow_symlinks=False)
                name, whole = entry.name, f"{path}/{entry.name}" if path else entry.name
                if stat.S_ISDIR(info.st_mode):
                    os.mkdir(name, 0o700, dir_fd=target)
                    with _opened(name, source) as inner, _opened(name, target) as made:
                        self.copy(inner, made, whole, depth + 1)
                else:
                    self._copy_entry(name, whole, info, source, target)
        _describe(source, target, os.fstat(source))

    def _copy_entry(self, name: str, whole: str, info: os.stat_result, source: int, target: int) -> None:
        identity = (info.st_dev, info.st_ino)
        if identity in self._links:
            os.link(self._links[identity], name, src_dir_fd=self._top, dst_dir_fd=target, follow_symlinks=False)
            return
        if info.st_nlink > 1:
            self._links[identity] = whole
        if stat.S_ISREG(info.st_mode):
            _copy_file(name, info, source, target)
        elif stat.S_ISLNK(info.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
            os.chown(name, info.st_uid, info.st_gid, dir_fd=target, follow_symlinks=False)
            os.utime(name, ns=(info.st_atime_ns, info.st_mtime_ns), dir_fd=target, follow_symlinks=False)
        elif stat.S_ISFIFO(info.st_mode):
            os.mkfifo(name, 0o600, dir_fd=target)
            os.chown(name, info.st_uid, info.st_gid, dir_fd=target, follow_symlinks=False)
            os.chmod(name, stat.S_IMODE(info.st_mode), dir_fd=target)
        # Devices are the runtime's to give, and a socket without whoever listened is nothing.


def _copy_file(name: str, info: os.stat_result, source: int, target: int) -> None:
    reading = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=source)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        writing = os.open(name, flags, 0o600, dir_fd=target)
        try:
            while os.sendfile(writing, reading, None, _PIECE):
                pass
            _describe(reading, writing, info)
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _describe(source: int, target: int, info: os.stat_result) -> None:
    """Give a file or directory the owner, attributes, mode and times of another."""
    os.fchown(target, info.st_uid, info.st_gid)
    for name in os.listxattr(source):
        if name.startswith(_KEPT):
            # What the volume's file system can't keep is no reason to refuse the rest.
            with contextlib.suppress(OSError):
                os.setxattr(target, name, os.getxattr(source, name))
    # After the owner, which takes setuid away.
    os.fchmod(target, stat.S_IMODE(info.st_mode))
    os.utime(target, ns=(info.st_atime_ns, info.st_mtime_ns))


@contextlib.contextmanager
def _opened(name: str, directory: int):  # type: ignore[no-untyped-def]
    fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        yield fd
    finally:
        os.close(fd)


def main() -> None:
    """Do what the arguments say, and answer."""
    sys.setrecursionlimit(4 * _MAX_DEPTH)
    user_namespace, root, volume = (int(number) for number in sys.argv[1:4])
    try:
        become_root_of(user_namespace)
        source = open_source(root, sys.argv[4])
        if source is not None:
            Copier(volume).copy(source, volume)
        print(json.dumps({"copied": source is not None}))
    except (OSError, RecursionError) as error:
        number = error.errno if isinstance(error, OSError) else errno.ELOOP
        print(json.dumps({"errno": number or 0, "error": str(error)}))
