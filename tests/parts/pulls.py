"""A pull that a test decides when to begin."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

from shoal_lab.image import root_filesystem
from tests.parts.lab import LabUnderTest, eventually


@contextmanager
def about_to_pull(lab: LabUnderTest, folder: Path) -> Iterator[tuple[Popen[bytes], str]]:
    """Have a `run -d` of an image that no node has accepted, waiting for room on node3.

    Yields:
        The process, and the name of the container that takes the room.
    """
    image = f"test/other:{time.time_ns()}"
    (folder / "other.tar").write_bytes(other_root())
    lab.run("image", "import", str(folder / "other.tar"), image)
    here = ("--constraint", "node.name==node3", "--memory", "3g")
    lab.run("run", "-d", "--name", "full", *here, lab.image)
    waiting = lab.spawn("run", "-d", "--name", "pulls", *here, image, "sh", "-c", "echo began; exec sleep 1000")
    try:
        eventually(lambda: "pulls" in lab.containers(), seconds=20, what="a container that waits")
        yield waiting, "full"
    finally:
        waiting.kill()
        waiting.communicate()


def other_root() -> bytes:
    """Return the test image's files and one more, so that its layer is another."""
    data = io.BytesIO(root_filesystem())
    with tarfile.open(fileobj=data, mode="a") as archive:
        archive.addfile(tarfile.TarInfo(f"other-{time.time_ns()}"))
    return data.getvalue()
