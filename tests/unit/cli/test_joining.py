"""Joined to streams that go on, and let go of."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

from shoal_cli.joining import OUTPUT, join


async def _endless() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


async def test_letting_go_says_nothing() -> None:
    said: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: said.append(context))
    other = cast("Any", SimpleNamespace(stdout=_endless(), stderr=_endless()))
    joined = asyncio.create_task(join(other, OUTPUT))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    joined.cancel()
    await asyncio.wait([joined])
    assert joined.cancelled()
    del joined
    gc.collect()
    assert said == []
