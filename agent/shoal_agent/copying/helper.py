"""The copying process: enters one container, does one job there, and ends.

The tar goes through stdin or stdout. On stderr it says how it goes, one JSON object a line: `info`, the path that was
found; `bytes`, once what is asked for is there and the tar may come; last `done`, or `error` and `message`. What else
is on stderr is a fault.

Started with `python -I -S`, so that only the standard library and its neighbours without dependencies are imported.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
from collections.abc import Callable, Iterator
from typing import Final

from shoal_agent.copying.inside import Mounted, Place, enter, read_only
from shoal_agent.copying.lookup import Found, Lookup
from shoal_agent.copying.writable import Change, Image, changes
from shoal_agent.core.changes import Kind
from shoal_agent.kernel.syscalls import filesystem_type
from shoal_common.archives.headers import header
from shoal_common.archives.packing import CannotPack, Packer, shown
from shoal_common.archives.placing import CannotPlace, Placer
from shoal_common.archives.tarstream import Entry, MalformedArchive

_WHITEOUT: Final = b".wh."
_PIECE: Final = 256 << 10
#: Bytes between two messages of how far it is.
_PROGRESS: Final = 4 << 20
#: The kernel's own file systems (linux/magic.h): proc, sysfs, cgroup, cgroup2, devpts, mqueue.
_KERNEL: Final = frozenset({0x9FA0, 0x62656572, 0x27E0EB, 0x63677270, 0x1CD1, 0x19800202})
_TMPFS: Final = 0x01021994
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)


class _Refused(Exception):
    """The job can't be done as it was asked for."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def tell(**message: object) -> None:
    """Say how it goes."""
    data = json.dumps(message).encode() + b"\n"
    while data:
        data = data[os.write(2, data) :]


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


def _find(lookup: Lookup, path: str, *, follow: bool) -> Found:
    try:
        return lookup.find(path, follow=follow)
    except OSError as error:
        if error.errno == errno.ENOENT:
            raise _Refused("not-found", f"{_quoted(path)} is not there") from error
        if error.errno == errno.ENOTDIR:
            raise _Refused("conflict", f"{_quoted(path)} is not there: what leads to it is no directory") from error
        raise _Refused("conflict", f"{_quoted(path)} can't be looked up: {os.strerror(error.errno or 0)}") from error


def _info(found: Found) -> dict[str, object]:
    status = found.status
    return {
        "path": os.fsencode(found.path).decode(errors="replace"),
        "size": status.st_size,
        "mode": status.st_mode,
        "mtime": status.st_mtime_ns,
        "link": os.fsencode(found.link_target).decode(errors="replace"),
    }


def stat_path(lookup: Lookup, order: dict[str, object]) -> None:
    """Say what a path is."""
    tell(info=_info(_find(lookup, str(order["path"]), follow=False)))


def copy_out(lookup: Lookup, order: dict[str, object]) -> None:
    """Pack what a path is, under its own last name."""
    path = str(order["path"])
    found = _find(lookup, path, follow=bool(order["follow"]))
    tell(info=_info(found))
    parts = [part for part in path.split("/") if part not in ("", ".")]
    name = parts[-1] if parts and parts[-1] != ".." else found.name
    for piece in Packer(xattrs=True, enter=_enter).archive(found.parent, found.name, os.fsencode(name)):
        _write(piece)


def copy_in(lookup: Lookup, order: dict[str, object]) -> None:
    """Place the tar that comes in in a directory."""
    path = str(order["path"])
    found = _find(lookup, path, follow=True)
    if not stat.S_ISDIR(found.status.st_mode):
        raise _Refused("conflict", f"{_quoted(path)} is no directory")
    root = os.open(found.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=found.parent)
    if order["read_only"] or os.fstatvfs(root).f_flag & os.ST_RDONLY:
        raise _Refused("conflict", f"{_quoted(path)} is read-only")
    charge = _Charge(int(str(order["memory"])))
    charge.to(root)
    tell(bytes=0)
    taken = told = 0

    def pull() -> bytes:
        nonlocal taken, told
        data = os.read(0, _PIECE)
        taken += len(data)
        if taken - told >= _PROGRESS:
            told = taken
            tell(bytes=taken)
        return data

    placer = Placer(
        root,
        keep_ids=bool(order["keep_ids"]),
        unique=str(order["unique"]),
        step=lambda directory, name: charge.to(lookup.step(directory, name)),
    )
    placer.place(pull)
    if placer.devices:
        raise _Refused("invalid", f"{placer.devices} devices were left out: no container can make them")
    tell(bytes=taken)


class _Charge:
    """Has what is written into a container's memory (tmpfs) counted as its own, as if it had written that itself.

    Else no limit of the container would hold, and what stays there would be missing for all other copies of the node.

    Args:
        group: `cgroup.procs` of the container's control group, open; -1 if it does not run.
    """

    def __init__(self, group: int) -> None:
        self._group = group

    def to(self, directory: int) -> int:
        """Enter the group if a directory that is written to is of memory; return the directory."""
        if self._group >= 0 and filesystem_type(directory) == _TMPFS:
            try:
                os.write(self._group, b"0")
            except OSError as error:
                raise _Refused("conflict", "it ended at this moment (try again)") from error
            self._group = -1
        return directory


def export(lookup: Lookup, order: dict[str, object]) -> None:
    """Pack the whole root file system; what is mounted in it is left out, and is an empty directory."""
    found = _find(lookup, "/", follow=False)
    tell(bytes=0)
    packer = Packer(xattrs=True, enter=lambda directory, foreign: not foreign)
    for piece in packer.archive(found.parent, found.name, b"."):
        _write(piece)


def diff(writable: int, image: Image) -> None:
    """Say what a writable layer changes: a letter, a path and a NUL each, on stdout."""
    tell(bytes=0)
    buffer = bytearray()
    for each in changes(writable, image):
        buffer += each.kind.encode() + b"/" + each.path + b"\0"
        if len(buffer) >= _PIECE:
            _write(bytes(buffer))
            buffer.clear()
    _write(bytes(buffer))


def layer(writable: int, image: Image) -> None:
    """Pack what a writable layer changes, as the layer of an image."""
    tell(bytes=0)
    packer = Packer(xattrs=True, enter=lambda directory, foreign: False)
    for piece in packer.joined(_layer(packer, changes(writable, image))):
        _write(piece)


def _layer(packer: Packer, found: Iterator[Change]) -> Iterator[bytes]:
    for each in found:
        above, slash, name = each.path.rpartition(b"/")
        if name.startswith(_WHITEOUT):
            raise CannotPack(f"{shown(each.path)} has a name by which an image's layers say that a file is gone")
        if each.kind is Kind.DELETED:
            yield header(Entry(above + slash + _WHITEOUT + name, b"", 0x30, 0, 0, 0, 0, 0, 0))
        else:
            yield from packer.entry(each.parent, each.name, each.path)


def _enter(directory: int, foreign: bool) -> bool:
    return not foreign or filesystem_type(directory) not in _KERNEL


def _quoted(path: str) -> str:
    return f'"{ascii(path[-200:])[1:-1]}"'


_INSIDE: Final = {"stat": stat_path, "out": copy_out, "in": copy_in, "export": export}
_BESIDE: Final = {"diff": diff, "layer": layer}


def _go_inside(order: dict[str, object]) -> Callable[[], None]:
    process, user_ns, root, base, parent = (
        int(str(order[name])) for name in ("process", "user_ns", "root", "uid_base", "parent")
    )
    listed = order["mounts"]
    mounts = [Mounted(**each) for each in listed] if isinstance(listed, list) else []
    # What places files must not be killed in the middle of one: its input ends with the agent, and so does it.
    descriptors = enter(Place(process, user_ns, root, mounts, base), 0 if order["do"] == "in" else parent)
    lookup = Lookup(os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC), descriptors)
    return lambda: _INSIDE[str(order["do"])](lookup, order)


def _stand_beside(order: dict[str, object]) -> Callable[[], None]:
    writable, layers = int(str(order["root"])), order["layers"]
    if not isinstance(layers, list):
        raise ValueError("layers must be a list")
    read_only(writable, int(str(order["parent"])))
    return lambda: _BESIDE[str(order["do"])](writable, Image(layers))


def _run(job: Callable[[], None]) -> None:
    try:
        job()
    except _Refused as error:
        tell(error=error.kind, message=str(error))
    except MalformedArchive as error:
        tell(error="invalid", message=f"the tar can't be unpacked: {error}")
    except (CannotPack, CannotPlace) as error:
        tell(error="conflict", message=str(error))
    except BrokenPipeError:
        # Whoever asked has gone.
        tell(error="gone", message="nobody reads the tar any more")
    except MemoryError:
        tell(error="invalid", message="it takes more memory than a copy may have")
    except OSError as error:
        if error.errno in _NO_ROOM:
            tell(error="no-room", message="there is no room for what is copied (free some, or take off its limit)")
        else:
            tell(error="internal", message=os.strerror(error.errno or 0))
    else:
        tell(done=True)


def main() -> None:
    """Run the order given as the one argument: a JSON object (see `jobs`)."""
    order = json.loads(sys.argv[1])
    # Of what shares its bounds, others are not to be killed for it.
    with open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")
    try:
        job = _go_inside(order) if order["do"] in _INSIDE else _stand_beside(order)
    except (ProcessLookupError, FileNotFoundError):
        # Its first process, or what is mounted in it.
        tell(error="conflict", message="it ended or was taken down at this moment (try again)")
    else:
        _run(job)
    # No clean-up of the interpreter, which might look for a module.
    os._exit(0)
