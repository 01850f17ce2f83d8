"""What is tried of a task's life beside its start and end; see `cases.py`."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import signal
from collections.abc import Callable
from pathlib import Path

from shoal_agent.core.health import Answer, Check
from shoal_agent.kernel import processes
from shoal_agent.runtime.failures import StartFailed
from shoal_agent.runtime.probe import probe
from shoal_agent.runtime.tasks import Running, TaskKey, Tasks
from shoal_common.errors import Conflict
from tests.integration.agent_runtime.node import CONTAINER, Node, line, next_exit, opened, refused

KEY = TaskKey(CONTAINER, 1, 1)


async def freezes(node: Node) -> None:
    """What is frozen does nothing, and is killed and cleared away all the same."""
    count = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done"

    async def lines() -> int:
        await asyncio.sleep(0.1)
        return node.log().read_text().count("\n")

    async with opened(node) as tasks:
        name = str(KEY)
        await tasks.start(node.spec("sh", "-c", f"{count} & {count}"))
        await line(node, "9")
        assert not tasks.groups.frozen(name)
        await tasks.groups.freeze(name)
        await tasks.groups.freeze(name)
        assert tasks.groups.frozen(name)
        before = await lines()
        assert await lines() == before
        # The next agent finds it so.
        assert isinstance(await tasks.adopt(KEY), Running)
        assert tasks.groups.frozen(name)
        tasks.groups.thaw(name)
        tasks.groups.thaw(name)
        assert not tasks.groups.frozen(name)
        assert await lines() > before
        await tasks.groups.freeze(name)
        await tasks.signal(KEY, signal.SIGKILL)
        assert (await next_exit(tasks))[1].code == 137
        await tasks.delete(KEY)
        tasks.groups.thaw(name)
        assert not tasks.groups.frozen(name)
        await tasks.start(node.spec("sleep", "1000", attempt=2))
        key = TaskKey(CONTAINER, 1, 2)
        await tasks.groups.freeze(str(key))
        await tasks.delete(key)
        assert tasks.known() == set()


async def probes(node: Node) -> None:
    """A health check has a time limit, keeps little of what it says, and leaves nothing."""
    async with opened(node) as tasks:
        await tasks.start(node.spec("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done"))
        group = str(KEY)

        async def ask(line: str, timeout_ms: int = 20_000) -> Answer:
            return await probe(tasks, KEY, Check(args=("sh", "-c", line), timeout_ms=timeout_ms), user="web")

        both = await ask("id -un; echo err >&2")
        # Of two outputs nothing says which was written first.
        assert both in (Answer(ok=True, output="web\nerr\n"), Answer(ok=True, output="err\nweb\n"))
        assert await ask("echo no; exit 3") == Answer(ok=False, output="no\n")
        flood = await ask("yes | head -c 1000000; printf '\\377'")
        assert (flood.ok, len(flood.output)) == (True, 4096)
        async with asyncio.timeout(60):
            late = await ask("echo begun; sleep 1234 & sleep 1234", timeout_ms=500)
        assert late == Answer(ok=False, output="Health check exceeded timeout (0.5s)\nbegun\n")
        await ended_all(tasks, group, b"1234")
        error = await refused(StartFailed, probe(tasks, KEY, Check(args=("nope",)), user=""))
        assert error.code == 127
        # Broken off, by a stop or the agent's end.
        asked = asyncio.create_task(ask("echo begun; sleep 4321"))
        await until(lambda: any(b"4321" in command_line(pid) for pid in tasks.groups.processes("containers", group)))
        asked.cancel()
        await asyncio.wait([asked])
        await ended_all(tasks, group, b"4321")
        assert [entry.name for entry in (node.paths.tasks / group).glob("exec-*")] == []
        await tasks.signal(KEY, signal.SIGKILL)
        await next_exit(tasks)
        await refused(Conflict, ask("true"))


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


async def ended_all(tasks: Tasks, group: str, word: bytes) -> None:
    """Wait until no process of a container has `word` in its command line."""
    async with asyncio.timeout(5):
        while left := [pid for pid in tasks.groups.processes("containers", group) if word in command_line(pid)]:
            await processes.ended(left[0])


async def under_an_init(node: Node) -> None:
    """It is process 1, passes signals and codes on, and reaps what others leave."""
    async with opened(node) as tasks:
        script = "trap 'exit 9' TERM; (sleep 0.05 &) ; cat /proc/1/comm; echo up; while :; do sleep 0.05; done"
        running = await tasks.start(dataclasses.replace(node.spec("sh", "-c", script), init=True))
        await line(node, "up")
        assert "init" in node.log().read_text() or "tini" in node.log().read_text()
        assert not (node.rootfs / "dev/init").exists()
        await until(lambda: "zombie" not in "".join(states(running.pid)))
        await tasks.signal(KEY, signal.SIGTERM)
        assert (await next_exit(tasks))[1].code == 9
        await tasks.delete(KEY)
        await tasks.start(dataclasses.replace(node.spec("nope", attempt=2), init=True))
        assert (await next_exit(tasks))[1].code == 127


def states(pid: int) -> list[str]:
    """Return the states of the children of a process."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    found = []
    for child in children:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found.append(Path(f"/proc/{child}/status").read_text().split("State:")[1].split("\n")[0])
    return found


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that nobody tells of."""
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come")
