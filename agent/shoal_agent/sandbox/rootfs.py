"""Root file systems of containers: idmapped layers and an idmapped writable layer, joined by an overlay."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from shoal_agent.kernel.mounts import is_mounted, mounts_below, unmount_all
from shoal_agent.kernel_work import finished
from shoal_agent.paths import NodePaths
from shoal_agent.sandbox.helper_client import HelperClient
from shoal_agent.sandbox.sandboxes import Sandbox, checked_key
from shoal_common.errors import Conflict, Internal, NotFound

T = TypeVar("T")

#: Beside a root file system: what else the container mounts.
_ATTACHED: Final = "attached"


class RootFilesystems:
    """The merged trees of this node, `paths.rootfs/<key>/root` each.

    The runtime looks the tree up with the ids of the container's root, who must get there; other users of the host
    must not, or they could run the container's setuid programs and so act as its root. So the roots above may be
    passed through, not listed, and `<key>` is open to host root and to the group of the container's root alone.

    They outlive the agent: a new one finds them by `mounted`, and `mount` of what is mounted changes nothing.
    """

    def __init__(self, paths: NodePaths) -> None:
        self._paths = paths
        # umount writes the file system's dirty pages back and may take long.
        self._executor = ThreadPoolExecutor(4, thread_name_prefix="shoal-rootfs")
        self._helper: HelperClient | None = None

    async def open(self) -> None:
        """Start the helper and remove directories that a crash left without a mount."""
        await self._run(self._prepare)
        await self._ready_helper().start()

    async def close(self) -> None:
        """End the helper; what is mounted stays so."""
        if self._helper is not None:
            await self._helper.close()
            self._helper = None
        self._executor.shutdown(wait=False)

    async def mount(self, key: str, *, layers: Sequence[Path], writable: Path, sandbox: Sandbox) -> Path:
        """Mount a container's root file system and return where.

        Args:
            key: names the placement.
            layers: unpacked layers, lowest first; never written to.
            writable: a directory in which `upper` and `work` are made; ids in it are the container's own.
            sandbox: whose range of ids the tree appears with.

        Raises:
            NotFound: a layer is missing.
            Conflict: mounted for another range of ids.
            Internal: the kernel refused; the message names the path and the reason.
        """
        target = self._target(key)
        if await self._run(lambda: self._stage(key, target, layers, writable, sandbox.uid_base)):
            return target
        try:
            await self._ready_helper().request(
                do="overlay",
                layers=[str(layer) for layer in layers],
                writable=str(writable),
                target=str(target),
                source=_source(sandbox.uid_base),
                uid_base=sandbox.uid_base,
                user_ns=str(sandbox.user_ns),
            )
        except Internal as error:
            raise Internal(
                f"can't mount the root file system of {key}: {error} (layers and writable layers need a file system "
                "that can be idmapped and is no overlay itself, such as ext4 or xfs)",
                metadata=error.metadata,
            ) from None
        return target

    async def attach(self, key: str, name: str, top: Path, way: str, *, read_only: bool, sandbox: Sandbox) -> None:
        """Attach a directory or file of the node's beside a root file system that is mounted, idmapped likewise.

        What is attached already stays. It goes with the root file system.

        Args:
            key: names the placement.
            name: of what is attached, among the placement's.
            top: a path that is trusted.
            way: from there to what is attached, "." for itself; no link leads out of `top`.
            read_only: nobody may write through it.
            sandbox: whose range of ids it appears with.

        Raises:
            Conflict: there is nothing.
            Internal: the kernel refused; the message names the path and the reason.
        """
        target = self.attachment(key, name)
        if await self._run(lambda: _is_attached(target)):
            return
        await self._run(lambda: _make_passable(target.parent))
        try:
            await self._ready_helper().request(
                do="attach",
                top=str(top),
                way=way,
                target=str(target),
                user_ns=str(sandbox.user_ns),
                read_only=read_only,
            )
        except Internal as error:
            path = top if way == "." else top / way
            number_said = int(error.metadata.get("errno", "0"))
            if number_said in (errno.ENOENT, errno.ENOTDIR):
                raise Conflict(f"{path} is not there on this node (make it before it is mounted)") from None
            if number_said in (errno.EXDEV, errno.ELOOP):
                raise Conflict(f"{path} leads out of {top}, which is all that this node lets be mounted") from None
            raise Internal(
                f"can't mount {path}: {error} (its file system has to be one that can be idmapped: ext4, xfs, tmpfs)",
                metadata=error.metadata,
            ) from None

    async def detach(self, key: str, name: str) -> None:
        """Take away what is attached; doing it again changes nothing."""
        target = self.attachment(key, name)
        await self._run(lambda: _detach(target))

    def attachment(self, key: str, name: str) -> Path:
        """Return where something is attached."""
        return self._target(key).with_name(_ATTACHED) / name

    async def unmount(self, key: str) -> None:
        """Unmount a container's root file system and what is attached; data stays. Doing it again changes nothing."""
        target = self._target(key)
        await self._run(lambda: _unmount(target))

    def find(self, key: str) -> Path | None:
        """Return where a container's root file system is mounted; None if it isn't."""
        target = self._target(key)
        return target if is_mounted(target) else None

    def mounted(self) -> set[str]:
        """Return the keys of what is mounted now, also by an agent before this one."""
        targets = (Path(entry.target) for entry in mounts_below(self._paths.rootfs))
        return {target.parent.name for target in targets if target == self._target(target.parent.name)}

    def _target(self, key: str) -> Path:
        return self._paths.rootfs / checked_key(key) / "root"

    def _prepare(self) -> None:
        self._paths.rootfs.mkdir(mode=0o711, parents=True, exist_ok=True)
        for directory in (self._paths.run, self._paths.rootfs):
            directory.chmod(0o711)
        for directory in self._paths.rootfs.iterdir():
            if not is_mounted(directory / "root"):
                _unmount(directory / "root")

    def _stage(self, key: str, target: Path, layers: Sequence[Path], writable: Path, uid_base: int) -> bool:
        """Make the directories; return whether it is mounted already."""
        if is_mounted(target):
            entries = [entry for entry in mounts_below(target) if entry.target == str(target)]
            if any(entry.source != _source(uid_base) for entry in entries):
                raise Conflict(f"root file system of {key} is mounted for another range of ids (unmount it first)")
            return True
        for layer in layers:
            if not layer.is_dir():
                raise NotFound(f"layer {layer} of {key} is not there (pull the image again)")
        writable.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, mode in (("upper", 0o755), ("work", 0o700)):
            # The root directory of the container is `upper` itself, whatever the layers say: as other tools have it.
            with contextlib.suppress(FileExistsError):
                os.mkdir(writable / name, mode)
                os.chmod(writable / name, mode)
        if not self._paths.rootfs.exists():
            self._prepare()
        target.parent.mkdir(mode=0o700, exist_ok=True)
        os.chown(target.parent, 0, uid_base)
        target.parent.chmod(0o710)
        target.mkdir(mode=0o700, exist_ok=True)
        return False

    def _ready_helper(self) -> HelperClient:
        if self._helper is None:
            self._helper = HelperClient(self._paths.run, name="shoal-overlay")
        return self._helper

    async def _run(self, function: Callable[[], T]) -> T:
        return await finished(self._executor, function)


def _source(uid_base: int) -> str:
    """Return how a mount is called in mountinfo: so it tells whose ids it shows."""
    return f"shoal-{uid_base}"


def _is_attached(target: Path) -> bool:
    # It may be of the same file system as what it is attached to.
    return any(entry.target == str(target) for entry in mounts_below(target.parent))


def _make_passable(directory: Path) -> None:
    # Whoever gets as far as its parent is the container's root, or the node's.
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o755)
    directory.chmod(0o755)


def _detach(target: Path) -> None:
    unmount_all(target)
    if target.is_dir():
        target.rmdir()
    else:
        target.unlink(missing_ok=True)


def _unmount(target: Path) -> None:
    attached = target.with_name(_ATTACHED)
    for each in attached.iterdir() if attached.is_dir() else ():
        _detach(each)
    with contextlib.suppress(FileNotFoundError):
        attached.rmdir()
    unmount_all(target)
    for directory in (target, target.parent):
        with contextlib.suppress(FileNotFoundError):
            directory.rmdir()
