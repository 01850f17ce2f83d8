"""`attach`: a client's stream joined to a container's first process on its node, once the container is there.

A stream that breaks ends with an error that says so; the client attaches again, and says from where.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final, TypeAlias

import grpc
import grpc.aio

from shoal_common.errors import Conflict, InvalidSpec, NotFound, Unavailable
from shoal_common.tracing import current_trace, trace_metadata
from shoal_controller.api.containers.phases import cancelled_end, phase_name, phase_of, run_end
from shoal_controller.api.containers.reading import Finder, name_of
from shoal_controller.api.streams.pump import appended, pump
from shoal_controller.api.streams.relay import Agents, is_lost, node_of
from shoal_controller.api.streams.sending import GONE, first_message, sending
from shoal_controller.api.validation import fields
from shoal_controller.api.validation.streams import terminal_size
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.store import ContainerEntry
from shoal_proto.v1.agent_pb2 import AgentAttachRequest, AgentAttachStart
from shoal_proto.v1.container_pb2 import AttachRequest, AttachResponse, AttachStart, Tombstone

_AgentCall: TypeAlias = "grpc.aio.StreamStreamCall[AgentAttachRequest, AttachResponse]"
#: Seconds between two looks at whether a silent stream still has a container behind it.
_LOOK: Final = 1.0


class AttachRelay:
    """Serves `AttachContainer`."""

    def __init__(self, cache: ClusterCache, finder: Finder, agents: Agents) -> None:
        self._cache = cache
        self._finder = finder
        self._agents = agents

    async def attach(self, requests: AsyncIterator[AttachRequest]) -> AsyncGenerator[AttachResponse, None]:
        """Yield what the run writes, and last its exit code.

        Raises:
            NotFound: there is no such container.
            Conflict: it has no input, or will not run.
            InvalidSpec: the request is malformed.
            Unavailable: its node does not answer, or went away meanwhile.
        """
        start = (await first_message(requests, "attach", "what to attach to")).start
        fields.namespace(start.container.namespace)
        terminal_size(start.size)
        found = await self._finder.container_or_tombstone(start.container)
        if isinstance(found, Tombstone):
            raise NotFound(f'container "{found.name}" was removed')
        entry = await self._placed(found, start)
        name = name_of(entry)
        refused = f'attaching to container "{name}" is not possible'
        agent = self._agents.agent(node_of(self._cache, entry, refused), refused)
        assert entry.placement is not None
        with self._agents.stream():
            call = agent.stub.Attach(metadata=trace_metadata(current_trace()))
            opening = AgentAttachStart(id=entry.id, generation=entry.placement.value.generation, start=start)
            answered = False

            def over() -> bool:
                return not answered and self._will_not_run(entry.id, start.run)

            responses = pump(call, _merge_output, name=f"attach-{entry.id[:12]}", idle=_LOOK, on_idle=over)
            try:
                async with (
                    sending(call, _send(call, opening, requests), name=f"attach-input-{entry.id[:12]}"),
                    aclosing(responses),
                ):
                    async for response in responses:
                        answered = True
                        yield response
                        if response.HasField("exit_code"):
                            return
                    if not answered:
                        raise Conflict(f"{refused}: it will not run")
                    raise Unavailable(f'node {agent.name} ended the stream to container "{name}" (attach again)')
            except grpc.aio.AioRpcError as error:
                cut = f'the stream to container "{name}" was cut off, it can\'t be attached to'
                raise agent.translated(error, cut if answered and is_lost(error) else refused) from error

    async def _placed(self, entry: ContainerEntry, start: AttachStart) -> ContainerEntry:
        """Return the container once it has a node.

        Raises:
            Conflict: it will not run.
            NotFound: it was removed meanwhile.
        """
        with self._cache.subscribe() as changes:
            while True:
                current = self._cache.containers.get(entry.id)
                if current is None:
                    raise NotFound(f'container "{name_of(entry)}" was removed')
                if current.placement is not None:
                    return current
                if self._will_not_run(entry.id, start.run):
                    raise Conflict(
                        f'container "{name_of(current)}" can\'t be attached to: it is '
                        f"{phase_name(phase_of(current))} (start it: shoal start -a {name_of(current)})"
                    )
                async for change in changes:
                    if change.everything or entry.id in change.containers | change.removed_containers:
                        break

    def _will_not_run(self, container: str, run: int) -> bool:
        """Say whether nothing will come of a run that its node has not begun."""
        entry = self._cache.containers.get(container)
        if entry is None:
            return True
        if not run:
            return False
        status = entry.status.value if entry.status is not None else None
        return run_end(status, run) is None and cancelled_end(entry, run) is not None


def _merge_output(first: AttachResponse, second: AttachResponse) -> bool:
    if first.HasField("cursor") and second.HasField("cursor"):
        first.cursor.CopyFrom(second.cursor)
        return True
    return appended(first, second, "stdout", "stderr")


def _merge_input(first: AttachRequest, second: AttachRequest) -> bool:
    # Of several sizes the last counts.
    if first.HasField("resize") and second.HasField("resize"):
        first.resize.CopyFrom(second.resize)
        return True
    return appended(first, second, "stdin")


async def _send(call: _AgentCall, start: AgentAttachStart, requests: AsyncIterator[AttachRequest]) -> None:
    await call.write(AgentAttachRequest(start=start))
    async with aclosing(pump(requests, _merge_input, name="attach-client-input")) as messages:
        async for request in messages:
            if request.HasField("resize"):
                terminal_size(request.resize)
            if request.WhichOneof("message") == "start":
                raise InvalidSpec("attach was told twice what to attach to (open another stream for that)")
            await call.write(AgentAttachRequest(request=request))
    # See `GONE`.
    await asyncio.sleep(GONE)
    await call.done_writing()
