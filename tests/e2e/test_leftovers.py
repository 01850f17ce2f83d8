"""A lab that is down has left nothing."""

from __future__ import annotations

from pathlib import Path

from shoal_lab.image import SERVE, root_filesystem
from tests.parts import machine
from tests.parts.lab import LabUnderTest, eventually


def test_down_leaves_nothing_behind(tmp_path: Path) -> None:
    before = machine.traces()
    lab = LabUnderTest("left", "10.79.0.0/24", {"SHOAL_CONFIG": str(tmp_path / "config.json")}, "left/web:1")
    try:
        lab.run("lab", "up", "--name", "left", "--subnet", lab.subnet, "--nodes", "2")
        (tmp_path / "web.tar").write_bytes(root_filesystem())
        lab.run("image", "import", str(tmp_path / "web.tar"), lab.image, "--cmd", "sleep 1000")
        for number in range(4):
            lab.run("run", "-d", "--name", f"l{number}", lab.image, "sh", "-c", SERVE)
        lab.run("stop", "-t", "0", "l0")
        lab.lab("kill", "node1")
    finally:
        lab.run("lab", "down", "--name", "left")

    # Reaping is up to this machine's first process, and the kernel takes namespaces down on its own time.
    eventually(lambda: not _more(before), seconds=20, what=f"the machine as it was; more: {_more(before)}")


def _more(before: dict[str, set[str]]) -> dict[str, list[str]]:
    more = {kind: sorted(found - before[kind]) for kind, found in machine.traces().items()}
    return {kind: found for kind, found in more.items() if found}
