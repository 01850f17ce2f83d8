"""Rotation of a log that the real conmon writes, by agents that are killed."""

from __future__ import annotations

import asyncio
import random
import sys

from shoal_agent.care.log_rotation import rotate
from shoal_agent.runtime.control import Control
from shoal_agent.runtime.log_files import log_files
from shoal_agent.runtime.logs import read_attempt
from shoal_agent.runtime.tasks import TaskKey
from tests.integration.agent_runtime.node import CONTAINER, Node, kill_hard, line, next_exit, opened, spawn

KEY = TaskKey(CONTAINER, 1, 1)
#: Counts, in bursts, until it is told to end.
COUNTS = """i=0
while ! test -e /tmp/end; do
  j=0; while test $j -lt 50; do i=$((i+1)); j=$((j+1)); echo $i; done
  usleep 100
done
echo $i is the last"""
_AGENTS = 8


async def rotated(node: Node) -> None:
    """Agents rotate the log as often as they can, and are killed; a reader sees every line once."""
    seen: list[bytes] = []
    ended = asyncio.Event()

    async def follow() -> None:
        logs = node.paths.logs(CONTAINER, 1)
        async for batch in read_attempt(logs, generation=1, attempt=1, cursor=None, follow=True, ended=ended):
            assert not batch.lost_bytes
            seen.extend(entry.data for entry in batch.entries)

    async with opened(node) as tasks:
        await tasks.start(node.spec("sh", "-c", COUNTS))
        await line(node, "1")
        follower = asyncio.create_task(follow())
        script = [sys.executable, "-m", "tests.integration.agent_runtime.cases", "rotator", node.runtime]
        for _ in range(_AGENTS):
            agent = spawn([*script, str(node.top), node.parent])
            assert agent.stdout is not None
            await asyncio.to_thread(agent.stdout.readline)
            await asyncio.sleep(random.uniform(0, 0.1))
            kill_hard(agent)
            agent.stdout.close()
        assert len(log_files(node.paths.logs(CONTAINER, 1))) > _AGENTS
        (node.rootfs / "tmp/end").touch()
        assert (await next_exit(tasks))[1].code == 0
        ended.set()
        await follower
    # A line may be recorded in pieces.
    lines = b"".join(seen).split(b"\n")
    assert lines[-2:] == [b"%d is the last" % (len(lines) - 2), b""]
    wrong = [(line, number) for number, line in enumerate(lines[:-2], 1) if line != b"%d" % number]
    assert not wrong, (len(lines), wrong[:3])


async def rotator(node: Node) -> None:
    """Be an agent that does nothing else."""
    control = Control.of(node.paths.tasks / str(KEY))
    print(flush=True)
    while True:
        await rotate(node.paths.logs(CONTAINER, 1), 1, control, 1)
        await asyncio.sleep(0)
