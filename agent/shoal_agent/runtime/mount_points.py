"""Where mounts of a container really go: an image's links must not lead one over what the kernel shows."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from shoal_agent.kernel.mounts import parse_mountinfo
from shoal_agent.runtime.failures import RUNTIME_FAILED, StartFailed
from shoal_agent.runtime.users import open_in_root
from shoal_common.containers.mounts import check_target
from shoal_common.errors import InvalidSpec

#: What is mounted once in every container.
_OURS: Final = ("/", "/proc", "/sys", "/dev")


def check_mount_points(root: Path, targets: Iterable[str]) -> None:
    """Refuse links that would lead a mount where none may be made.

    crun (1.8 and 1.21) follows an absolute /dev on the host, and makes a file there with the ids of the container. A
    volume whose target the image links to /proc would take the container's masked paths away (CVE-2019-16884).

    Args:
        root: the root file system; nothing is mounted in it yet, and nothing runs in it.
        targets: of what a user asked for, in their shortest form.

    Raises:
        StartFailed: a link leads there.
    """
    for name in ("dev", "proc", "sys"):
        if (root / name).is_symlink():
            raise StartFailed(RUNTIME_FAILED, f"/{name} of the image is a link (make it a directory)")
    for target in targets:
        try:
            check_target(_followed(root, target))
        except InvalidSpec as error:
            raise StartFailed(
                RUNTIME_FAILED, f"mount target {target} is a link in the image: {error.message}"
            ) from None
        except OSError as error:
            said = f"mount target {target} can't be used in the image: {error.strerror} (choose another)"
            raise StartFailed(RUNTIME_FAILED, said) from None


def covered(mountinfo: str) -> str:
    """Return what is wrong with the mounts of a container that was created, before anything of it runs; "" if nothing.

    A link in a volume leads a mount that is made in it, and whoever shares the volume may make one at any time.

    Args:
        mountinfo: of its first process (proc(5)).
    """
    points = [entry.target for entry in parse_mountinfo(mountinfo)]
    over = next((point for point in _OURS if points.count(point) > 1), "")
    return f"a link in a volume leads another mount over {over} (choose another target for that)" if over else ""


def _followed(root: Path, target: str) -> str:
    """Return where a path of the root leads, all of its links followed; what is not there yet stays as it is said.

    Raises:
        OSError: a link in it leads nowhere, or something is no directory.
    """
    missing: list[str] = []
    path = target
    while True:
        try:
            fd = open_in_root(root, path, os.O_PATH)
        except FileNotFoundError:
            path, _, name = path.rpartition("/")
            path, missing = path or "/", [name, *missing]
            continue
        try:
            if missing and not stat.S_ISDIR(os.fstat(fd).st_mode):
                raise NotADirectoryError(20, os.strerror(20), path)
            if missing and _is_link(fd, missing[0]):
                raise FileNotFoundError(2, "a link in it leads nowhere", path)
            found = Path(os.readlink(f"/proc/self/fd/{fd}")).relative_to(root.resolve())
        finally:
            os.close(fd)
        return str(Path("/", found, *missing))


def _is_link(directory: int, name: str) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False
