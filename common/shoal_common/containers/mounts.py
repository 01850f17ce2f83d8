"""What is mounted into a container, and how people write it: as -v, --mount and --tmpfs of Docker have it."""

from __future__ import annotations

import csv
import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from shoal_common.errors import InvalidSpec
from shoal_common.ids import check_name
from shoal_common.units import parse_bytes

#: PATH_MAX of the kernel, less the byte that ends it.
_LONGEST: Final = 4095
#: Where the runtime mounts what belongs to the kernel: nothing of a user's may cover it.
_KERNEL: Final = ("/proc", "/sys")
#: In /dev these are the runtime's own; anything else in there, such as /dev/shm, may be covered.
_DEVICES: Final = ("/dev", "/dev/pts", "/dev/mqueue", "/dev/console", "/dev/fd", "/dev/ptmx")
_OCTAL: Final = re.compile(r"[0-7]{1,4}")
_TRUE: Final = frozenset({"true", "1"})
_FALSE: Final = frozenset({"false", "0"})


class Kind(StrEnum):
    """What is mounted."""

    #: A file or directory of the node's.
    BIND = "bind"
    #: A directory of one node's that outlives containers.
    VOLUME = "volume"
    #: Memory.
    TMPFS = "tmpfs"


@dataclass(frozen=True, slots=True)
class Mount:
    """One thing that is mounted into a container.

    Attributes:
        kind: what is mounted.
        target: absolute path in the container.
        source: BIND: absolute path on the node; VOLUME: its name, "" for one of the container's own.
        read_only: it can't be written to.
        tmpfs_size: TMPFS: bytes; 0 for half of the node's memory.
        tmpfs_mode: TMPFS: permissions of its root; 0 for 1777 (octal).
        tmpfs_exec: TMPFS: programs in it can be executed.
        no_copy: VOLUME: an empty one is not filled with what the image has there.
    """

    kind: Kind
    target: str
    source: str = ""
    read_only: bool = False
    tmpfs_size: int = 0
    tmpfs_mode: int = 0
    tmpfs_exec: bool = False
    no_copy: bool = False


def check_target(text: str) -> str:
    """Return a path in a container at which something may be mounted, in its shortest form.

    Raises:
        InvalidSpec: it is none.
    """
    path = _path("mount target", text, "the container")
    if path == "/":
        raise InvalidSpec('mount target "/" is the whole container (name a directory below it, such as /data)')
    if path in _DEVICES or any(path == top or path.startswith(f"{top}/") for top in _KERNEL):
        raise InvalidSpec(
            f'mount target "{path[:200]}" would cover what the kernel shows the container '
            "(choose a path outside /proc, /sys and /dev; /dev/shm is possible)"
        )
    return path


def check_bind_source(text: str) -> str:
    """Return a path on a node that may be named as the source of a bind mount, in its shortest form.

    Raises:
        InvalidSpec: it is none.
    """
    return _path("bind source", text, "the node")


def _shown(text: str) -> str:
    """Return a text that somebody wrote, quoted, in one line."""
    return f'"{text[:200]}"' if text.isprintable() else ascii(text[:200])


def _path(what: str, text: str, where: str) -> str:
    if not text.startswith("/") or len(text) > _LONGEST or not text.isprintable():
        raise InvalidSpec(f"{what} {_shown(text)} is not valid (write an absolute path in {where}, such as /srv/data)")
    if ".." in text.split("/"):
        raise InvalidSpec(f'{what} {_shown(text)} goes up with ".." (write the path that is meant)')
    # normpath keeps two slashes at the beginning, which POSIX leaves open.
    return posixpath.normpath("/" + text.lstrip("/"))


def parse_volume(text: str) -> Mount:
    """Return what a value of -v means: "[SOURCE:]TARGET[:OPTIONS]".

    SOURCE is a volume's name or an absolute path on the node; OPTIONS of ro, rw, nocopy, and z and Z, which mean
    nothing here.

    Raises:
        InvalidSpec: it is none.
    """
    parts = text.split(":")
    if len(parts) > 3 or not all(parts):
        raise InvalidSpec(f"volume {_shown(text)} is not valid (write [SOURCE:]TARGET[:ro])")
    source = "" if len(parts) == 1 else parts[0]
    target = check_target(parts[0] if len(parts) == 1 else parts[1])
    if source.startswith("/"):
        mount = Mount(Kind.BIND, target, check_bind_source(source))
    elif source.startswith(("./", "../", "~")) or source in (".", ".."):
        raise InvalidSpec(f"volume {_shown(text)} starts with a relative path (write an absolute one of the node)")
    else:
        mount = Mount(Kind.VOLUME, target, check_name("volume", source) if source else "")
    return _with_options(mount, parts[2].split(",") if len(parts) == 3 else (), text)


def _with_options(mount: Mount, options: Iterable[str], text: str) -> Mount:
    for option in options:
        match option:
            case "ro":
                mount = replace(mount, read_only=True)
            case "nocopy" if mount.kind is Kind.VOLUME:
                mount = replace(mount, no_copy=True)
            case "rw" | "z" | "Z":
                pass
            case _:
                known = "ro, rw, nocopy" if mount.kind is Kind.VOLUME else "ro, rw"
                raise InvalidSpec(f"option {_shown(option)} of volume {_shown(text)} is not known (there are {known})")
    return mount


def parse_tmpfs(text: str) -> Mount:
    """Return what a value of --tmpfs means: "TARGET[:OPTIONS]", OPTIONS of size=, mode=, ro, rw, exec and noexec.

    Raises:
        InvalidSpec: it is none.
    """
    target, _, options = text.partition(":")
    mount = Mount(Kind.TMPFS, check_target(target))
    for option in filter(None, options.split(",")):
        name, equals, value = option.partition("=")
        match name, bool(equals):
            case "size", True:
                mount = replace(mount, tmpfs_size=_tmpfs_size(value))
            case "mode", True:
                mount = replace(mount, tmpfs_mode=_tmpfs_mode(value))
            case "ro" | "rw", False:
                mount = replace(mount, read_only=name == "ro")
            case "exec" | "noexec", False:
                mount = replace(mount, tmpfs_exec=name == "exec")
            case "nosuid" | "nodev", False:
                pass
            case _:
                raise InvalidSpec(
                    f"option {_shown(option)} of tmpfs {_shown(text)} is not known "
                    "(there are size=, mode=, ro, rw, exec, noexec)"
                )
    return mount


def _tmpfs_size(text: str) -> int:
    size = parse_bytes(text)
    if not size:
        raise InvalidSpec("a tmpfs of size 0 holds nothing (leave the size out for half of the node's memory)")
    return size


def _tmpfs_mode(text: str) -> int:
    if _OCTAL.fullmatch(text) is None or not int(text, 8):
        raise InvalidSpec(f"mode {_shown(text)} of a tmpfs is not valid (write it in octal, such as 1777)")
    return int(text, 8)


def parse_mount(text: str) -> Mount:
    """Return what a value of --mount means: "type=volume,source=data,target=/data,readonly", in CSV.

    Raises:
        InvalidSpec: it is none.
    """
    try:
        if not text.isprintable():
            raise ValueError
        (fields,) = csv.reader([text], strict=True)
    except (csv.Error, ValueError):
        raise InvalidSpec(f"mount {_shown(text)} is not valid (write KEY=VALUE,KEY=VALUE)") from None
    values: dict[str, str] = {}
    for each in fields:
        key, equals, value = each.strip().partition("=")
        key = _ALIASES.get(key.lower(), key.lower())
        if key in values:
            raise InvalidSpec(f"mount {_shown(text)} says {_shown(key)} twice")
        values[key] = value if equals or key not in _FLAGS else "true"
    try:
        kind = Kind(values.pop("type", "volume"))
    except ValueError:
        raise InvalidSpec(f"mount {_shown(text)} is of no type that there is (bind, volume or tmpfs)") from None
    return _mount_of(kind, values, text)


_ALIASES: Final = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly"}
_FLAGS: Final = frozenset({"readonly", "volume-nocopy"})
_KEYS: Final = {
    Kind.BIND: ("source", "target", "readonly"),
    Kind.VOLUME: ("source", "target", "readonly", "volume-nocopy"),
    Kind.TMPFS: ("target", "readonly", "tmpfs-size", "tmpfs-mode"),
}


def _mount_of(kind: Kind, values: dict[str, str], text: str) -> Mount:
    for key in values:
        if key not in _KEYS[kind]:
            raise InvalidSpec(
                f"{_shown(key)} of mount {_shown(text)} is not known for type {kind} (there are type, "
                f"{', '.join(_KEYS[kind])})"
            )
    if not values.get("target"):
        raise InvalidSpec(f"mount {_shown(text)} says not where to (add target=/PATH)")
    source = values.get("source", "")
    if kind is Kind.BIND:
        if not source:
            raise InvalidSpec(f"mount {_shown(text)} says not what to bind (add source=/PATH, of the node)")
        source = check_bind_source(source)
    elif source:
        check_name("volume", source)
    return Mount(
        kind,
        check_target(values["target"]),
        source,
        read_only=_flag(values, "readonly", text),
        tmpfs_size=_tmpfs_size(values["tmpfs-size"]) if "tmpfs-size" in values else 0,
        tmpfs_mode=_tmpfs_mode(values["tmpfs-mode"]) if "tmpfs-mode" in values else 0,
        no_copy=_flag(values, "volume-nocopy", text),
    )


def _flag(values: dict[str, str], key: str, text: str) -> bool:
    value = values.get(key, "false").lower()
    if value not in _TRUE | _FALSE:
        raise InvalidSpec(f"{_shown(f'{key}={value}')} of mount {_shown(text)} is neither true nor false")
    return value in _TRUE


def check_targets(mounts: Iterable[Mount]) -> None:
    """Check that no two mounts have the same target.

    Raises:
        InvalidSpec: two have.
    """
    seen: set[str] = set()
    for mount in mounts:
        if mount.target in seen:
            raise InvalidSpec(f'two mounts have the target "{mount.target[:200]}" (leave one out)')
        seen.add(mount.target)
