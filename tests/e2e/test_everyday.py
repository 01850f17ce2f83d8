"""The everyday tasks of docs/guides/everyday.md, done as they are written there, with what they are to print.

In what a command is to print, `...` stands for anything in a line, and a line of it for any lines.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from shoal_lab.image import SERVE, root_filesystem
from tests.parts.lab import SHOAL, LabUnderTest

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "everyday.md"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Step:
    """One command, and what it is to print."""

    command: str
    expected: str

    def matches(self, printed: str) -> bool:
        lines = [".*" if line == "..." else re.escape(line).replace(r"\.\.\.", "[^\n]*") for line in self.lines]
        pattern = "".join(rf"(?:{line}\n)*" if line == ".*" else rf"{line}\n" for line in lines)
        return re.fullmatch(pattern, re.sub(r"[^\S\n]+$", "", printed, flags=re.MULTILINE)) is not None

    @property
    def lines(self) -> list[str]:
        return self.expected.splitlines()


def steps() -> list[Step]:
    found = []
    for block in BLOCK.findall(GUIDE.read_text()):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            found.append(Step(command, expected))
    return found


@pytest.fixture
def demo(clean_lab: LabUnderTest, tmp_path: Path) -> Iterator[LabUnderTest]:
    """A lab as `make demo` leaves it, its image by the name that it has there."""
    archive = tmp_path / "web.tar"
    archive.write_bytes(root_filesystem())
    words = "".join(f'"{word}", ' for word in ("sh", "-c")) + '"' + SERVE.replace('"', '\\"') + '"'
    clean_lab.run("image", "import", str(archive), "demo/web:1", "--cmd", f"[{words}]")
    yield clean_lab
    clean_lab.run("volume", "rm", "-f", "rows", "restored", ok=None)


def test_the_everyday_tasks_do_what_the_guide_says(demo: LabUnderTest, tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    path = f"{Path(SHOAL).parent}:{os.environ['PATH']}"
    for step in steps():
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", step.command],
            cwd=folder,
            env={**os.environ, **demo.env, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=60,
            check=False,
        )
        told = f"$ {step.command}\n{done.stdout}(ended with {done.returncode})\nthe guide says:\n{step.expected}"
        assert done.returncode == 0, told
        assert step.matches(done.stdout), told
