"""Runs a scenario in mount and network namespaces of its own, so that the machine's are never touched."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[3]
_PACKAGE = "tests.integration.agent_sandbox"
_DEADLINE_SECONDS = 120
_OURS = re.compile(r"shl[0-9a-f]{12}|shoal0|uplink|up0")


def _machine() -> dict[str, set[str]]:
    """What a scenario must leave as it was."""
    cgroups = {str(path) for path in Path("/sys/fs/cgroup").glob("*/shl-sandbox*")}
    links = {path.name for path in Path("/sys/class/net").iterdir() if _OURS.fullmatch(path.name)}
    return {"mounts": set(Path("/proc/self/mountinfo").read_text().splitlines()), "links": links, "cgroups": cgroups}


@pytest.fixture
def private_host(tmp_path: Path) -> Iterator[Callable[[str, str], None]]:
    """Return what runs the scenario of this name, of a module here, and fails with its output."""
    before = _machine()

    def run(module: str, name: str) -> None:
        command = ["unshare", "-m", "-n", "--propagation", "private", sys.executable, "-W", "error"]
        command += ["-m", f"{_PACKAGE}.{module}"]
        result = subprocess.run(
            [*command, name, str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=_DEADLINE_SECONDS,
            check=False,
            cwd=_ROOT,
        )
        assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
        assert "Warning" not in result.stderr, result.stderr

    yield run
    after = _machine()
    assert not after["links"] - before["links"]
    assert not after["cgroups"] - before["cgroups"]
    assert not [line for line in after["mounts"] if tmp_path.name in line]
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                command = (process / "cmdline").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            assert tmp_path.name not in command, f"process {process.name} is left: {command!r}"
