"""The mounts of a container: the kernel's file systems, its own host files, and what its user asked for.

Pure. Source: OCI runtime specification 1.0.2, config.md; Docker's defaults (moby, oci/defaults.go).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from shoal_proto.v1.container_pb2 import Mount, MountKind

Json: TypeAlias = dict[str, Any]

#: Files of a container's own that are bound over the image's.
HOST_FILES: Final = ("hosts", "hostname", "resolv.conf")
#: Of /dev/shm.
DEFAULT_SHM_BYTES: Final = 64 << 20
_DEFAULT_TMPFS_MODE: Final = 0o1777

_NOSUID_NOEXEC_NODEV: Final = ("nosuid", "noexec", "nodev")


@dataclass(frozen=True, slots=True)
class Attached:
    """A directory or file that stands ready on the node, and where it goes in the container."""

    source: Path
    target: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class FileSystems:
    """What of a container's files is not the image's.

    Attributes:
        attached: volumes and binds.
        tmpfs: asked for as such.
        read_only: nothing but what is mounted can be written to.
        shm_bytes: of /dev/shm; 0: there is none.
    """

    attached: tuple[Attached, ...] = ()
    tmpfs: tuple[Mount, ...] = ()
    read_only: bool = False
    shm_bytes: int = DEFAULT_SHM_BYTES

    @property
    def targets(self) -> tuple[str, ...]:
        """Paths in the container that were asked for."""
        return (*(each.target for each in self.attached), *(each.target for each in self.tmpfs))


def tmpfs_of(mounts: Iterable[Mount]) -> tuple[Mount, ...]:
    """Return those mounts that are of memory."""
    return tuple(mount for mount in mounts if mount.kind == MountKind.MOUNT_KIND_TMPFS)


def mount_section(
    systems: FileSystems, files: Path, *, writable_sys: bool = False, shm: Path | None = None
) -> list[Json]:
    """Return the section `mounts`, in the order in which they are made.

    What a user asks for takes the place of a mount of ours at the same target, and comes before what is below it.

    Args:
        systems: what the user asked for.
        files: directory with the container's own HOST_FILES.
        writable_sys: /sys, which is that of its own network, can be written to.
        shm: what is mounted at /dev/shm; None: memory of its own, if any.
    """
    asked = [*(_attached(each) for each in systems.attached), *(_tmpfs(each) for each in systems.tmpfs)]
    taken = {entry["destination"] for entry in asked}
    ours = [
        entry
        for entry in _kernel_mounts(systems.shm_bytes, writable_sys=writable_sys, shm=shm)
        if entry["destination"] not in taken
    ]
    own = [entry for entry in _file_mounts(files, read_only=systems.read_only) if entry["destination"] not in taken]
    return [*ours, *sorted([*asked, *own], key=lambda entry: entry["destination"].count("/"))]


def _entry(destination: str, kind: str, source: str, *options: str) -> Json:
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}


def _kernel_mounts(shm_bytes: int, *, writable_sys: bool, shm: Path | None) -> list[Json]:
    return [
        _entry("/proc", "proc", "proc", *_NOSUID_NOEXEC_NODEV),
        _entry("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _entry(
            "/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"
        ),
        *_shm_mount(shm_bytes, shm),
        _entry("/dev/mqueue", "mqueue", "mqueue", *_NOSUID_NOEXEC_NODEV),
        _entry("/sys", "sysfs", "sysfs", *_NOSUID_NOEXEC_NODEV, *(() if writable_sys else ("ro",))),
        _entry("/sys/fs/cgroup", "cgroup", "cgroup", *_NOSUID_NOEXEC_NODEV, "ro"),
    ]


def _shm_mount(size: int, shared: Path | None) -> list[Json]:
    if shared is not None:
        return [_entry("/dev/shm", "bind", str(shared), "bind", "rprivate", *_NOSUID_NOEXEC_NODEV)]
    if not size:
        return []
    return [_entry("/dev/shm", "tmpfs", "shm", *_NOSUID_NOEXEC_NODEV, "mode=1777", f"size={size}")]


def _file_mounts(files: Path, *, read_only: bool) -> list[Json]:
    extra = ("ro",) if read_only else ()
    return [
        _entry(f"/etc/{name}", "bind", str(files / name), "bind", "rprivate", "nosuid", "nodev", *extra)
        for name in HOST_FILES
    ]


def _attached(each: Attached) -> Json:
    # The flags are those of the mount that stands ready: a user namespace can't take them off again.
    extra = ("ro",) if each.read_only else ()
    return _entry(each.target, "bind", str(each.source), "bind", "rprivate", "nosuid", "nodev", *extra)


def _tmpfs(mount: Mount) -> Json:
    options = ["nosuid", "nodev", *(() if mount.tmpfs_exec else ("noexec",)), *(("ro",) if mount.read_only else ())]
    options.append(f"mode={mount.tmpfs_mode or _DEFAULT_TMPFS_MODE:o}")
    if mount.tmpfs_size_bytes:
        options.append(f"size={mount.tmpfs_size_bytes}")
    return _entry(mount.target, "tmpfs", "tmpfs", *options)
