"""`exec`: a client's stream joined to one of the container's node. Never retried, since a command may have acted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from signal import SIGRTMAX
from typing import TypeAlias

import grpc
import grpc.aio

from shoal_common.errors import Conflict, DeadlineExceeded, InvalidSpec, Unavailable
from shoal_common.status import is_terminal
from shoal_common.tracing import current_trace, trace_metadata
from shoal_controller.api.containers.pausing import is_paused
from shoal_controller.api.containers.phases import is_lost as is_lost_container
from shoal_controller.api.containers.phases import is_restarting, is_wanted, phase_name, phase_of, present_status
from shoal_controller.api.containers.reading import Finder, name_of
from shoal_controller.api.containers.stopping import lost
from shoal_controller.api.streams.pump import appended, pump
from shoal_controller.api.streams.relay import CALL_TIMEOUT, Agents, is_lost, node_of
from shoal_controller.api.streams.sending import GONE, first_message, sending
from shoal_controller.api.validation import fields
from shoal_controller.api.validation.streams import terminal_size
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.store import ContainerEntry
from shoal_proto.v1.agent_pb2 import AgentExecRequest, AgentExecStart
from shoal_proto.v1.container_pb2 import ContainerState, ExecRequest, ExecResponse

_AgentCall: TypeAlias = "grpc.aio.StreamStreamCall[AgentExecRequest, ExecResponse]"


class ExecRelay:
    """Serves `ExecContainer`."""

    def __init__(self, cache: ClusterCache, finder: Finder, agents: Agents) -> None:
        self._cache = cache
        self._finder = finder
        self._agents = agents

    async def exec(self, requests: AsyncIterator[ExecRequest]) -> AsyncGenerator[ExecResponse, None]:
        """Yield what the command writes, and last its exit code.

        Raises:
            NotFound: there is no such container.
            Conflict: it does not run.
            InvalidSpec: the request is malformed.
            Unavailable: its node does not answer, or went away meanwhile.
        """
        start = (await first_message(requests, "exec", "what to run")).start
        fields.exec_start(start)
        entry = await self._finder.container(start.container)
        name = name_of(entry)
        require_process(entry, f'exec in container "{name}" is not possible')
        if is_paused(entry):
            raise Conflict(f'container "{name}" is paused, nothing runs in it (let it go on: shoal unpause {name})')
        assert entry.placement is not None
        refused = f'nothing can be run in container "{name}"'
        agent = self._agents.agent(node_of(self._cache, entry, refused), refused)
        cut = f'exec in container "{name}" was cut off (the command may run on), its exit code can\'t be read'
        with self._agents.stream():
            call = agent.stub.Exec(metadata=trace_metadata(current_trace()))
            opening = AgentExecStart(id=entry.id, generation=entry.placement.value.generation, start=start)
            answered = False

            def silent() -> bool:
                if not answered:
                    raise DeadlineExceeded(f"node {agent.name} did not start the command within {CALL_TIMEOUT:g} s")
                return False

            responses = pump(call, merge_output, name=f"exec-{entry.id[:12]}", idle=CALL_TIMEOUT, on_idle=silent)
            try:
                async with (
                    sending(call, _send(call, opening, requests), name=f"exec-input-{entry.id[:12]}"),
                    aclosing(responses),
                ):
                    async for response in responses:
                        answered = True
                        yield response
                        if response.HasField("exit_code") or (start.detach and response.HasField("started")):
                            return
                    raise Unavailable(f"node {agent.name} ended the stream, {cut} now")
            except grpc.aio.AioRpcError as error:
                action = cut if answered and is_lost(error) else refused
                raise agent.translated(error, action) from error


def require_process(entry: ContainerEntry, action: str) -> None:
    """Check that a process of the container may be there, by what is known here; its node knows best.

    Raises:
        Conflict: there is none.
    """
    if is_lost_container(entry):
        raise lost(entry, "can't be reached")
    status = present_status(entry)
    nothing = entry.placement is None or (not is_wanted(entry) and status is None)
    if status is not None and not is_wanted(entry):
        nothing = is_terminal(status) or status.state <= ContainerState.CONTAINER_STATE_READY
    if is_restarting(entry):
        raise Conflict(f"{action}: it has ended and is started again by its restart policy (try again then)")
    if nothing:
        raise Conflict(
            f"{action}: it is {phase_name(phase_of(entry))}, not running (start it: shoal start {name_of(entry)})"
        )


def merge_output(first: ExecResponse, second: ExecResponse) -> bool:
    """Add what `second` carries to `first` if both are of one stream."""
    return appended(first, second, "stdout", "stderr")


def _merge_input(first: ExecRequest, second: ExecRequest) -> bool:
    return appended(first, second, "stdin")


async def _send(call: _AgentCall, start: AgentExecStart, requests: AsyncIterator[ExecRequest]) -> None:
    await call.write(AgentExecRequest(start=start))
    async with aclosing(pump(requests, _merge_input, name="exec-client-input")) as messages:
        async for request in messages:
            if request.WhichOneof("message") == "start":
                raise InvalidSpec("exec was told twice what to run (open another stream for another command)")
            if request.WhichOneof("message") == "signal" and not 0 < request.signal <= SIGRTMAX:
                raise InvalidSpec(f"signal {request.signal} is not known (use a number from 1 to {int(SIGRTMAX)})")
            if request.HasField("resize"):
                terminal_size(request.resize)
            await call.write(AgentExecRequest(request=request))
    # A client that is gone looks like one that has closed its side, until the cancellation that follows arrives: the
    # command must not take half of an input for the whole. (close_stdin says that it is, and was passed on.)
    await asyncio.sleep(GONE)
    await call.done_writing()
