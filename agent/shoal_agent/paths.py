"""Where a node keeps its things."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


def placement_key(container: str, generation: int) -> str:
    """Return the key by which sandbox and root file system of a placement are known."""
    return f"{container}-{generation}"


@dataclass(frozen=True, slots=True)
class NodePaths:
    """The two roots of a node, and everything below them. Nothing is created here.

    Attributes:
        data: survives a boot (/var/lib/shoal); root's alone, mode 0700.
        run: a tmpfs that does not (/run/shoal); mode 0711, since the OCI runtime enters a container's user namespace
            before it walks to the root file system. What is secret below it has a mode of its own.
    """

    data: Path
    run: Path

    @property
    def identity(self) -> Path:
        """Key and certificate of the node, the CA's certificate, the key that seals records."""
        return self.data / "identity"

    @property
    def images(self) -> Path:
        """Blobs, unpacked layers, and the database of both."""
        return self.data / "images"

    @property
    def spares(self) -> Path:
        """Files that take records on a full disk."""
        return self.data / "spares"

    @property
    def containers(self) -> Path:
        """One directory per container, by id."""
        return self.data / "containers"

    @property
    def volumes(self) -> Path:
        """One directory per volume, by id."""
        return self.data / "volumes"

    def volume_data(self, volume: str) -> Path:
        """What is in a volume."""
        return self.volumes / volume / "_data"

    def record(self, container: str) -> Path:
        """The container's durable record (a serialised ContainerRecord)."""
        return self.containers / container / "record"

    def placement(self, container: str, generation: int) -> Path:
        """What belongs to one placement of a container: its writable layer and its logs."""
        return self.containers / container / str(generation)

    def writable(self, container: str, generation: int) -> Path:
        """The placement's writable layer: `upper` and `work` below it."""
        return self.placement(container, generation) / "writable"

    def logs(self, container: str, generation: int) -> Path:
        """The placement's log files, `<attempt>.<segment>.log`."""
        return self.placement(container, generation) / "logs"

    @property
    def sandboxes(self) -> Path:
        """Pinned namespaces, one directory per placement."""
        return self.run / "sandboxes"

    @property
    def rootfs(self) -> Path:
        """Mounted root file systems, one directory per placement."""
        return self.run / "rootfs"

    @property
    def tasks(self) -> Path:
        """Bundles, sockets, pid and exit files, one directory per attempt."""
        return self.run / "tasks"

    @property
    def exits(self) -> Path:
        """Exit codes, one file per attempt that ended, written by conmon."""
        return self.run / "exits"

    @property
    def runtimes(self) -> Path:
        """What OCI runtimes remember of containers, one directory per runtime."""
        return self.run / "runtimes"
