"""The system calls that Python lacks, declared once; each wrapper raises OSError and does nothing else.

Only the standard library is imported: the kernel helper runs this module without site-packages. Numbers are those of
the generic table, which x86-64 and arm64 share from `open_tree` (428) on.
"""

from __future__ import annotations

import ctypes
import os
from enum import IntFlag

_libc = ctypes.CDLL(None, use_errno=True)

_SYS_OPEN_TREE = 428
_SYS_MOVE_MOUNT = 429
_SYS_OPENAT2 = 437
_SYS_MOUNT_SETATTR = 442

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
_AT_SYMLINK_NOFOLLOW = 0x100

_OPEN_TREE_CLONE = 1
_OPEN_TREE_CLOEXEC = os.O_CLOEXEC
_MOVE_MOUNT_F_EMPTY_PATH = 0x4
_MOVE_MOUNT_T_EMPTY_PATH = 0x40

_FALLOC_FL_KEEP_SIZE = 0x1
_FALLOC_FL_PUNCH_HOLE = 0x2

_PR_SET_SECUREBITS = 28
_SECBIT_NO_SETUID_FIXUP = 1 << 2


class CloneFlag(IntFlag):
    """Kinds of namespaces, for `unshare` and `setns` (clone(2))."""

    NEWNS = 0x00020000
    NEWCGROUP = 0x02000000
    NEWUTS = 0x04000000
    NEWIPC = 0x08000000
    NEWUSER = 0x10000000
    NEWPID = 0x20000000
    NEWNET = 0x40000000


class MountFlag(IntFlag):
    """Flags of mount(2)."""

    RDONLY = 0x1
    NOSUID = 0x2
    NODEV = 0x4
    NOEXEC = 0x8
    BIND = 0x1000
    REC = 0x4000
    PRIVATE = 0x40000
    SLAVE = 0x80000


class UnmountFlag(IntFlag):
    """Flags of umount2(2)."""

    DETACH = 0x2
    NOFOLLOW = 0x8


class MountAttr(IntFlag):
    """Attributes of mount_setattr(2)."""

    RDONLY = 0x00000001
    NOSUID = 0x00000002
    NODEV = 0x00000004
    NOEXEC = 0x00000008
    IDMAP = 0x00100000


class Resolve(IntFlag):
    """How openat2(2) may walk a path."""

    NO_XDEV = 0x01
    NO_MAGICLINKS = 0x02
    NO_SYMLINKS = 0x04
    BENEATH = 0x08
    IN_ROOT = 0x10


class _MountAttrStruct(ctypes.Structure):
    _fields_ = [
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    ]


class _OpenHow(ctypes.Structure):
    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


def _checked(result: int, name: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
    return result


def _encoded(path: str | os.PathLike[str] | None) -> bytes | None:
    return None if path is None else os.fsencode(path)


def unshare(flags: CloneFlag) -> None:
    """Move the calling thread into new namespaces (unshare(2))."""
    _checked(_libc.unshare(ctypes.c_int(flags)), "unshare")


def setns(fd: int, kind: CloneFlag) -> None:
    """Move the calling thread into the namespace that `fd` names (setns(2))."""
    _checked(_libc.setns(fd, ctypes.c_int(kind)), "setns")


def mount(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    filesystem: str | None = None,
    flags: MountFlag = MountFlag(0),  # noqa: B008 - an immutable number
    data: str | None = None,
) -> None:
    """Mount a file system, bind a directory or change propagation (mount(2))."""
    kind = None if filesystem is None else filesystem.encode()
    options = None if data is None else data.encode()
    result = _libc.mount(_encoded(source), _encoded(target), kind, ctypes.c_ulong(flags), options)
    _checked(result, os.fspath(target))


def umount(target: str | os.PathLike[str], flags: UnmountFlag = UnmountFlag.NOFOLLOW) -> None:
    """Unmount what is on top at `target` (umount2(2))."""
    _checked(_libc.umount2(_encoded(target), ctypes.c_int(flags)), os.fspath(target))


def pivot_root(new_root: str | os.PathLike[str], put_old: str | os.PathLike[str]) -> None:
    """Make `new_root` the root of the mount namespace and move the old one to `put_old` (pivot_root(2))."""
    _checked(_libc.pivot_root(_encoded(new_root), _encoded(put_old)), os.fspath(new_root))


def open_tree_clone(path: str | os.PathLike[str]) -> int:
    """Return a descriptor of a detached copy of the one mount at `path`, rooted there (open_tree(2))."""
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC
    return _checked(_libc.syscall(_SYS_OPEN_TREE, AT_FDCWD, _encoded(path), ctypes.c_uint(flags)), os.fspath(path))


def open_tree_clone_of(fd: int) -> int:
    """Return a descriptor of a detached copy of the one mount that `fd` is in, rooted at it (open_tree(2))."""
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | AT_EMPTY_PATH
    return _checked(_libc.syscall(_SYS_OPEN_TREE, fd, b"", ctypes.c_uint(flags)), "open_tree")


def syncfs(fd: int) -> None:
    """Write everything of the file system that `fd` is on to its disk (syncfs(2))."""
    _checked(_libc.syncfs(fd), "syncfs")


def punch_hole(fd: int, offset: int, size: int) -> None:
    """Give back what a part of a file takes on the disk; it reads as zeros then (fallocate(2))."""
    mode = _FALLOC_FL_KEEP_SIZE | _FALLOC_FL_PUNCH_HOLE
    _checked(_libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(size)), "fallocate")


def mount_setattr(fd: int, attributes: MountAttr, *, userns_fd: int = 0) -> None:
    """Set attributes of the mount that `fd` names, an id mapping among them (mount_setattr(2), Linux 5.12)."""
    value = _MountAttrStruct(attr_set=attributes, userns_fd=userns_fd)
    result = _libc.syscall(
        _SYS_MOUNT_SETATTR, fd, b"", ctypes.c_uint(AT_EMPTY_PATH), ctypes.byref(value), ctypes.sizeof(value)
    )
    _checked(result, "mount_setattr")


def move_mount(fd: int, target: str | os.PathLike[str]) -> None:
    """Attach the detached mount `fd` at `target` (move_mount(2))."""
    result = _libc.syscall(
        _SYS_MOVE_MOUNT, fd, b"", AT_FDCWD, _encoded(target), ctypes.c_uint(_MOVE_MOUNT_F_EMPTY_PATH)
    )
    _checked(result, os.fspath(target))


def move_mount_onto(fd: int, target: int) -> None:
    """Attach the detached mount `fd` at the open file or directory `target` (move_mount(2))."""
    flags = _MOVE_MOUNT_F_EMPTY_PATH | _MOVE_MOUNT_T_EMPTY_PATH
    _checked(_libc.syscall(_SYS_MOVE_MOUNT, fd, b"", target, b"", ctypes.c_uint(flags)), "move_mount")


def openat2(directory: int, path: str | os.PathLike[str], flags: int, *, resolve: Resolve, mode: int = 0) -> int:
    """Open `path` below the directory descriptor, walking it as `resolve` allows (openat2(2), Linux 5.6)."""
    how = _OpenHow(flags=flags | os.O_CLOEXEC, mode=mode, resolve=resolve)
    result = _libc.syscall(_SYS_OPENAT2, directory, _encoded(path), ctypes.byref(how), ctypes.sizeof(how))
    return _checked(result, os.fspath(path))


def filesystem_type(fd: int) -> int:
    """Return the magic number of the file system that an open file is on (statfs(2), f_type)."""
    # Its first field, of the 120 bytes that the structure has on 64-bit machines.
    buffer = (ctypes.c_long * 32)()
    _checked(_libc.fstatfs(fd, ctypes.byref(buffer)), "fstatfs")
    return int(buffer[0]) & 0xFFFFFFFF


def keep_capabilities_on_setuid() -> None:
    """Let the calling thread change its user ids without losing capabilities (SECBIT_NO_SETUID_FIXUP, prctl(2))."""
    _checked(_libc.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0), "prctl")


def set_filesystem_ids(uid: int, gid: int) -> None:
    """Set the ids that the calling thread's file accesses are made with (setfsuid(2), setfsgid(2)).

    Both calls return the previous id and never fail, so they are asked again, with an id that is never valid.
    """
    for call, wanted in ((_libc.setfsgid, gid), (_libc.setfsuid, uid)):
        call(ctypes.c_uint(wanted))
        if call(ctypes.c_uint(0xFFFFFFFF)) & 0xFFFFFFFF != wanted:
            raise PermissionError(1, os.strerror(1), "setfsuid")


def supports_mount_setattr() -> bool:
    """Tell whether the kernel knows mount_setattr(2): a descriptor that is none gives EBADF, not ENOSYS."""
    try:
        mount_setattr(-1, MountAttr.IDMAP)
    except OSError as error:
        return error.errno != 38
    return True
