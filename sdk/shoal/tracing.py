"""One trace for several calls, and for what comes of them: `shoal.trace`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from shoal_common.errors import InvalidSpec
from shoal_common.tracing import new_trace_id, trace_id_in, traced


@contextmanager
def trace(parent: str = "") -> Iterator[str]:
    """Make the calls of this task belong to one trace; gives its id, by which logs and events of the cluster have them.

        with shoal.trace(request.headers["traceparent"]) as trace_id:
            await cluster.containers.run("web:3")

    Without it every call is a trace of its own.

    Args:
        parent: a `traceparent` of the W3C, or a trace id (32 hexadecimal digits); left out: a new trace.

    Raises:
        InvalidSpec: `parent` is neither.
    """
    trace_id = trace_id_in(parent) if parent else new_trace_id()
    if not trace_id:
        raise InvalidSpec(f'"{parent[:80]}" is no traceparent (write 00-<32 digits>-<16 digits>-01, or a trace id)')
    with traced(trace_id):
        yield trace_id
