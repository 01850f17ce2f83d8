"""A container that ends just as a copying process is to enter it."""

from __future__ import annotations

import os
import subprocess

import pytest

from shoal_agent.copying.jobs import Entrance, Job
from shoal_common.errors import Conflict


def _ended() -> int:
    """Return a descriptor of a process that is gone."""
    process = subprocess.Popen(["sleep", "1000"])
    descriptor = os.pidfd_open(process.pid)
    process.kill()
    process.wait()
    return descriptor


async def test_one_that_has_ended_is_told_as_such() -> None:
    descriptor = _ended()
    try:
        async with Job(Entrance(process=descriptor), do="stat", path="/", follow=False) as job:
            with pytest.raises(Conflict, match="it ended or was taken down at this moment"):
                await job.said()
    finally:
        os.close(descriptor)
