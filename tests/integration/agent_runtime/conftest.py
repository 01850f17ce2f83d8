"""Runs a case of `cases` in a process of its own, in a private mount namespace, and checks that it left nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
#: crun refuses a host where a version 2 tree is mounted beside those of version 1; a tmpfs over it hides it. The shell
#: is process 1 of a namespace, which reaps orphans at once: a container ends only when all of its zombies are gone.
PREPARE = 'if [ -d /sys/fs/cgroup/unified ]; then mount -t tmpfs t /sys/fs/cgroup/unified; fi; "$@"; exit $?'


@pytest.fixture(params=["crun", "runc"])
def runtime(request: pytest.FixtureRequest) -> str:
    """Each OCI runtime."""
    name: str = request.param
    return name


@pytest.fixture
def inside(runtime: str, tmp_path: Path) -> Callable[..., str]:
    """Run a case with the runtime; return its standard output."""

    def run(case: str, *arguments: str) -> str:
        assert os.geteuid() == 0, "these tests need root (make test runs them so)"
        parent = f"/shl-runtime-{uuid.uuid4().hex[:12]}"
        # The container's root walks to its files: what pytest makes is closed to all but us.
        top = Path(f"/tmp{parent}")
        script = [sys.executable, "-W", "error", "-m", "tests.integration.agent_runtime.cases"]
        unshare = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--mount-proc"]
        command = [*unshare, "--kill-child", "sh", "-ec", PREPARE, "sh", *script]
        try:
            result = subprocess.run(
                [*command, case, runtime, str(top), parent, *arguments],
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=120,
            )
            assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
            assert result.stderr == ""
        finally:
            left = _remove_groups(parent)
            subprocess.run(["rm", "-rf", "--one-file-system", str(top)], check=True)
        assert left == []
        return result.stdout

    return run


def _remove_groups(parent: str) -> list[str]:
    """Remove the control groups of a case; return those that should not have been there, and processes in them."""
    left: list[str] = []
    for top in Path("/sys/fs/cgroup").glob(f"*{parent}"):
        for directory, _, _ in os.walk(top, topdown=False):
            group = Path(directory)
            left += [f"{group}: process {pid}" for pid in (group / "cgroup.procs").read_text().split()]
            if group not in (top, top / "agent"):
                left.append(str(group))
            if not (group / "cgroup.procs").read_text():
                group.rmdir()
    return left
