"""One container's overlay: what is mounted, planned as data, and the mounting itself.

mount(2) takes all options on one page of memory, and the newer interface that takes layers one by one needs Linux
6.8. So the layers are first mounted under one-number names in a mount namespace that only the helper enters, the
overlay is mounted there with relative paths, and a copy of it is attached where it belongs. Nothing of the staging is
ever visible, and it goes with the helper.

Only the standard library is imported: the kernel helper runs this module without site-packages.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

from shoal_agent.kernel import syscalls
from shoal_agent.kernel.syscalls import CloneFlag, MountAttr, MountFlag, UnmountFlag
from shoal_agent.sandbox.idmap import open_idmapped

#: The kernel's own limit (OVL_MAX_STACK).
MAX_LAYERS = 500

#: A writable layer must be readable by any kernel and on any host: no inode index, no redirects, no metadata-only
#: copies (kernel documentation, filesystems/overlayfs).
_PORTABLE = "index=off,metacopy=off,redirect_dir=off"

_WRITABLE = "w"
_MERGED = "m"
_EMPTY = "e"

#: Where it all happens, in the namespace of the helper.
_STAGE = "/stage"


@dataclass(frozen=True, slots=True)
class OverlayPlan:
    """What to mount for one container.

    Attributes:
        layers: unpacked layers, lowest first.
        writable: holds `upper` and `work`.
        target: where the merged tree is attached.
        source: how the mount is called in mountinfo.
        uid_base: first id of the sandbox's range.
    """

    layers: tuple[str, ...]
    writable: str
    target: str
    source: str
    uid_base: int

    @property
    def options(self) -> str:
        """Options of mount(2), with paths relative to the staging directory; overlayfs wants the top layer first."""
        lowers = [str(number) for number in reversed(range(len(self.layers)))] or [_EMPTY]
        return f"lowerdir={':'.join(lowers)},upperdir={_WRITABLE}/upper,workdir={_WRITABLE}/work,{_PORTABLE}"


def overlay_plan(layers: Sequence[str], writable: str, target: str, *, source: str, uid_base: int) -> OverlayPlan:
    """Return the plan, checked. Raises ValueError for what the kernel can't do."""
    if len(layers) > MAX_LAYERS:
        raise ValueError(f"{len(layers)} layers, and the kernel stacks {MAX_LAYERS} at most")
    return OverlayPlan(layers=tuple(layers), writable=writable, target=target, source=source, uid_base=uid_base)


class Staging:
    """The mount namespace in which overlays are put together. One per helper process, which has one thread.

    Args:
        directory: any existing directory; nothing is changed in it.
    """

    def __init__(self, directory: str) -> None:
        self._host = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        syscalls.unshare(CloneFlag.NEWNS)
        self._private = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        syscalls.mount("none", "/", flags=MountFlag.REC | MountFlag.PRIVATE)
        # Nothing of the host stays mounted in here, else unmounting it there would not let go of it.
        syscalls.mount("shoal-staging", directory, "tmpfs", data="mode=0700,size=64k")
        os.chdir(directory)
        syscalls.pivot_root(".", ".")
        syscalls.umount(".", UnmountFlag.DETACH)
        os.mkdir(_STAGE)
        syscalls.setns(self._host, CloneFlag.NEWNS)
        # Changing the file-system ids must not drop the right to write anywhere.
        syscalls.keep_capabilities_on_setuid()

    def mount(self, plan: OverlayPlan, userns_fd: int | None) -> None:
        """Mount the overlay at `plan.target`, an existing directory. Raises OSError naming what failed.

        Layers are opened in the host's namespace, as it is now; only then the private one is entered, so that layers
        that were mounted after the helper started are seen.
        """
        with contextlib.ExitStack() as stack:
            layers = [open_idmapped(layer, userns_fd, read_only=True) for layer in plan.layers]
            for fd in layers:
                stack.callback(os.close, fd)
            writable = open_idmapped(plan.writable, userns_fd, read_only=False)
            stack.callback(os.close, writable)
            merged = self._assemble(plan, layers, writable)
            stack.callback(os.close, merged)
            # The kernel falls back to read-only without a word when it can't use the work directory.
            if os.fstatvfs(merged).f_flag & os.ST_RDONLY:
                raise OSError(30, "the overlay came up read-only", plan.writable)
            # The runtime gives the container its devices; none is opened from an image.
            syscalls.mount_setattr(merged, MountAttr.NODEV)
            syscalls.move_mount(merged, plan.target)

    def _assemble(self, plan: OverlayPlan, layers: Sequence[int], writable: int) -> int:
        syscalls.setns(self._private, CloneFlag.NEWNS)
        try:
            syscalls.mount("shoal-staging", _STAGE, "tmpfs", data="mode=0700,size=64k,nr_inodes=1024")
            try:
                os.chdir(_STAGE)
                for name in (*map(str, range(len(layers))), _WRITABLE, _MERGED, _EMPTY):
                    os.mkdir(name, 0o755)
                for number, fd in enumerate(layers):
                    syscalls.move_mount(fd, str(number))
                syscalls.move_mount(writable, _WRITABLE)
                self._mount_as(plan)
                return syscalls.open_tree_clone(_MERGED)
            finally:
                os.chdir("/")
                syscalls.umount(_STAGE, UnmountFlag.DETACH)
        finally:
            # This also takes the working directory back to the root of the host's namespace.
            syscalls.setns(self._host, CloneFlag.NEWNS)

    @staticmethod
    def _mount_as(plan: OverlayPlan) -> None:
        """Mount the overlay with the file-system ids of the range's root.

        overlayfs acts with the ids of whoever mounted it. Host root has no id in the idmapped writable layer, so that
        creating the work directory would fail with EOVERFLOW, which ends in a read-only overlay.
        """
        syscalls.set_filesystem_ids(plan.uid_base, plan.uid_base)
        try:
            syscalls.mount(plan.source, _MERGED, "overlay", data=plan.options)
        finally:
            syscalls.set_filesystem_ids(0, 0)
