"""Runs a scenario in mount and network namespaces of its own, and checks that it left nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
#: crun refuses a host where a version 2 tree is mounted beside those of version 1; a tmpfs over it hides it.
PREPARE = (
    'ip link set lo up; if [ -d /sys/fs/cgroup/unified ]; then mount -t tmpfs t /sys/fs/cgroup/unified; fi; exec "$@"'
)


@pytest.fixture
def agent_host() -> Callable[[str], None]:
    """Run a scenario."""

    def run(scenario: str) -> None:
        assert os.geteuid() == 0, "these tests need root (make test runs them so)"
        name = f"shl-agent-{uuid.uuid4().hex[:12]}"
        # The container's root walks to its files: what pytest makes is closed to all but us.
        top = Path("/tmp", name)
        top.mkdir(mode=0o711)
        script = [sys.executable, "-W", "error", "-m", "tests.integration.agent.scenarios", scenario]
        command = ["unshare", "-m", "-n", "--propagation", "private", "sh", "-ec", PREPARE, "sh", *script]
        try:
            result = subprocess.run(
                [*command, str(top), f"/{name}"], cwd=ROOT, capture_output=True, text=True, timeout=180
            )
            assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
        finally:
            left = _remove_groups(name)
            subprocess.run(["rm", "-rf", "--one-file-system", str(top)], check=True)
        assert left == []

    return run


def _remove_groups(name: str) -> list[str]:
    """Remove the control groups of a scenario and what runs in them; return what should not have been there."""
    groups = [
        Path(directory)
        for top in Path("/sys/fs/cgroup").glob(f"*/{name}")
        for directory, _, _ in os.walk(top, topdown=False)
    ]
    left = {pid for group in groups for pid in (group / "cgroup.procs").read_text().split()}
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    deadline = time.monotonic() + 10
    while any((group / "cgroup.procs").read_text() for group in groups) and time.monotonic() < deadline:
        time.sleep(0.01)
    for group in groups:
        group.rmdir()
    return [f"process {pid}" for pid in sorted(left)]
