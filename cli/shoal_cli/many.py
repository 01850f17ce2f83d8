"""The same done to several containers at once: each told when it is done, one line for each that failed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import click

from shoal_cli.codes import FAILED
from shoal_cli.session import note
from shoal_common.errors import ShoalError, first_cause

#: At a time.
WIDTH: Final = 32


async def each(refs: Sequence[str], action: Callable[[str], Awaitable[str | None]]) -> int:
    """Await `action` for every one of `refs`, print what it returns if anything, and return the exit code."""
    room = asyncio.Semaphore(WIDTH)
    failed = False

    async def do(ref: str) -> None:
        nonlocal failed
        async with room:
            try:
                if (line := await action(ref)) is not None:
                    click.echo(line)
            except ShoalError as error:
                failed = True
                note(error.message)

    try:
        async with asyncio.TaskGroup() as tasks:
            for ref in dict.fromkeys(refs):
                tasks.create_task(do(ref), name=f"shoal-{ref}")
    except BaseExceptionGroup as group:
        # What keeps one of them from being asked keeps all.
        raise first_cause(group) from None
    return FAILED if failed else 0
