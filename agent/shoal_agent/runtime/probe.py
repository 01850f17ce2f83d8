"""One health check: a command beside the first process, with a limit on its time and on what is kept of its output."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from typing import Final

from shoal_agent.core.health import Answer, Check
from shoal_agent.runtime.exec import ExecProcess, ExecSpec, Readable
from shoal_agent.runtime.tasks import TaskKey, Tasks

#: Bytes of output that are kept, as Docker does; the rest is read and thrown away.
OUTPUT_BYTES: Final = 4096
_CHUNK: Final = 64 << 10


async def probe(
    tasks: Tasks, key: TaskKey, check: Check, *, user: str, turn: AbstractAsyncContextManager[object] | None = None
) -> Answer:
    """Make one check. One that is not over in time is killed, with the rest of its process group.

    Args:
        turn: waited for, which is no part of the check's time, and had until the command has begun: one that hangs
            keeps nobody else from being checked.

    Raises:
        Conflict: the task isn't running.
        StartFailed: the command could not be begun.
    """
    kept = bytearray()
    try:
        async with AsyncExitStack() as held:
            await held.enter_async_context(turn or nullcontext())
            async with asyncio.timeout(check.timeout_ms / 1000):
                process = await tasks.exec(key, ExecSpec(args=check.args, user=user))
                try:
                    await held.aclose()
                    code = await _collected(process, kept)
                except BaseException:
                    process.abandon()
                    raise
    except TimeoutError:
        late = f"Health check exceeded timeout ({check.timeout_ms / 1000:g}s)"
        return Answer(ok=False, output="\n".join(filter(None, (late, _text(kept)))))
    return Answer(ok=code == 0, output=_text(kept))


async def _collected(process: ExecProcess, kept: bytearray) -> int:
    async def drain(reader: Readable) -> None:
        while data := await reader.read(_CHUNK):
            kept.extend(data[: max(0, OUTPUT_BYTES - len(kept))])

    async with asyncio.TaskGroup() as group:
        group.create_task(drain(process.stdout), name=f"probe-stdout-{process.pid}")
        if process.stderr is not None:
            group.create_task(drain(process.stderr), name=f"probe-stderr-{process.pid}")
        group.create_task(process.cut_off(), name=f"probe-end-{process.pid}")
    return await process.wait()


def _text(kept: bytearray) -> str:
    # What the replacement of a broken character makes longer is cut again.
    return bytes(kept).decode(errors="replace").encode()[:OUTPUT_BYTES].decode(errors="ignore")
