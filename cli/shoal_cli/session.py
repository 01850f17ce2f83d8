"""One command's conversation with a cluster: the only place from which the SDK, and gRPC with it, is loaded."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from typing import TYPE_CHECKING, Final

import click

from shoal_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from shoal.cluster import Cluster


#: Where click's context says whether the way of requests is to be shown.
DEBUG: Final = "shoal.debug"


#: What goes before and after a line on stderr; a terminal in raw mode needs more (see `terminal.raw`).
line_ends = ("", "\n")


def note(message: str) -> None:
    """Write one line to stderr."""
    before, after = line_ends
    click.echo(f"{before}shoal: {printable(' '.join(message.split()))}{after}", err=True, nl=False)


@contextlib.contextmanager
def absent(module: str) -> Iterator[None]:
    """Have imports of a module that is not loaded yet fail, as if it were not installed."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[module]


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
    # asyncio does without ssl, and so without loading OpenSSL, where there is none; gRPC brings its own.
    with absent("ssl"):
        import asyncio
    import logging

    from shoal.cluster import connect
    from shoal_cli.signals import interruptible
    from shoal_common.errors import ShoalError
    from shoal_common.tracing import new_trace_id, set_trace

    gc.freeze()
    gc.enable()

    class Notes(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            note(record.getMessage())

    logging.getLogger("shoal").handlers = [Notes()]
    context = click.get_current_context().find_root().obj
    # All that one command asks for belongs together.
    trace_id = new_trace_id()
    if click.get_current_context().meta.get(DEBUG):
        from shoal_cli.debugging import Debugging

        debugging = Debugging(trace_id)
    else:
        debugging = None

    async def talk() -> int | None:
        set_trace(trace_id)
        with interruptible():
            async with connect(context, path=debugging.path if debugging is not None else None) as cluster:
                try:
                    return await action(cluster)
                finally:
                    if debugging is not None:
                        await debugging.tell(cluster)

    try:
        return asyncio.run(talk()) or 0
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    except ShoalError as error:
        note(error.message)
        return failure
