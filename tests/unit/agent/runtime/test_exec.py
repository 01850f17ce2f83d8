"""How the runtime's helper for a command is started."""

from __future__ import annotations

import asyncio
import subprocess
from typing import Any

import pytest

from shoal_agent.runtime import exec as executing


async def test_a_program_that_has_ended_before_it_is_looked_at_is_one_that_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    start = loop.subprocess_exec

    async def late(*args: Any, **options: Any) -> Any:
        transport, protocol = await start(*args, **options)
        pipe = transport.get_pipe_transport(1)
        assert pipe is not None
        for _ in range(10_000):
            if pipe.get_extra_info("pipe").closed:
                break
            await asyncio.sleep(0.001)
        assert pipe.get_extra_info("pipe").closed
        return transport, protocol

    monkeypatch.setattr(loop, "subprocess_exec", late)
    process, _, _ = await executing._subprocess(["/bin/true"], stdin=subprocess.DEVNULL, output=subprocess.PIPE)
    assert await process.wait() == 0
