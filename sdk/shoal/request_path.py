"""The way of requests as the client sees it: connections, attempts, what the server spent its time on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from shoal_common.timings import ANSWER, ASK, parse_timing

if TYPE_CHECKING:
    from grpc.aio import UnaryUnaryCall

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Step:
    """One step on the way.

    Attributes:
        what: "connect", or the name of the call.
        endpoint: of which controller.
        began: seconds (`time.perf_counter`) when it began.
        seconds: that it took; for a stream, up to its first answer.
        error: why it failed; empty if it did not.
        server: milliseconds that the server spent, by phase, "total" among them; empty where it does not say.
    """

    what: str
    endpoint: str
    began: float
    seconds: float
    error: str = ""
    server: Mapping[str, float] = field(default_factory=dict)


class RequestPath:
    """Told of each step while a `Cluster` is used; given to `shoal.connect(path=...)`.

    Args:
        on_step: called with each step once it is over.
    """

    def __init__(self, on_step: Callable[[Step], None]) -> None:
        self._on_step = on_step
        #: Sent with every call: the server measures its phases then.
        self.asking = ((ASK, "1"),)
        self._up: set[str] = set()
        #: Ids of the containers that were created or started, each with the number of the run.
        self.started: dict[str, int] = {}
        #: Seconds since 1970 when the first output of a container came.
        self.first_output: float | None = None

    def connected(self, endpoint: str, began: float, error: str = "") -> None:
        """Note that a connection is up, or why not; one that was up before is not told again."""
        if not error and endpoint in self._up:
            return
        if error:
            self._up.discard(endpoint)
        else:
            self._up.add(endpoint)
        self._on_step(Step("connect", endpoint, began, time.perf_counter() - began, error))

    def failed(self, request: object, endpoint: str, began: float, error: str) -> None:
        """Note that a call failed."""
        self._on_step(Step(call_name(request), endpoint, began, time.perf_counter() - began, error))

    async def answered(self, call: UnaryUnaryCall[Any, R], request: object, endpoint: str, began: float) -> R:
        """Wait for the answer of a call, and note it."""
        response = await call
        seconds = time.perf_counter() - began
        server: Mapping[str, float] = {}
        for key, value in await call.trailing_metadata() or ():
            if key == ANSWER and isinstance(value, str):
                server = parse_timing(value)
        self._on_step(Step(call_name(request), endpoint, began, seconds, server=server))
        self._note_run(call_name(request), response)
        return response

    def streamed(self, response: object, request: object, endpoint: str, began: float, *, first: bool) -> None:
        """Note an answer on a stream."""
        if first:
            self._on_step(Step(call_name(request), endpoint, began, time.perf_counter() - began))
        if self.first_output is None and call_name(request) == "Logs" and getattr(response, "entries", None):
            self.first_output = time.time()

    def _note_run(self, call: str, response: Any) -> None:
        if call == "CreateContainer" and response.HasField("container"):
            self.started[response.container.spec.id] = response.container.spec.run
        elif call in ("StartContainer", "RestartContainer"):
            self.started[response.spec.id] = response.spec.run


def call_name(request: object) -> str:
    """Return the name of the call that a request makes."""
    return type(request).__name__.removesuffix("Request")
