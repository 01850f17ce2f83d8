"""One command's conversation with a cluster: the only place from which the SDK, and gRPC with it, is loaded."""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING

import click

from shoal_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from shoal.cluster import Cluster


def note(message: str) -> None:
    """Write one line to stderr."""
    click.echo(f"shoal: {printable(' '.join(message.split()))}", err=True)


def converse(action: Callable[[Cluster], Awaitable[int | None]], *, failure: int = 1) -> int:
    """Connect to the cluster that the command line means, await `action`, and return its exit code (None: 0).

    Args:
        action: what to do there.
        failure: exit code for an error of Shoal's.
    """
    # gRPC's core writes its own account of failed connections to stderr.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # What modules leave on being loaded is there to stay: collecting finds nothing in it, neither now nor later.
    gc.disable()
    import asyncio
    import logging

    from shoal.cluster import connect
    from shoal_common.errors import ShoalError

    gc.freeze()
    gc.enable()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("shoal: %(message)s"))
    logging.getLogger("shoal").handlers = [handler]
    context = click.get_current_context().find_root().obj

    async def talk() -> int | None:
        async with connect(context) as cluster:
            return await action(cluster)

    try:
        return asyncio.run(talk()) or 0
    except ShoalError as error:
        note(error.message)
        return failure
