"""Files of containers: a client's stream joined to one of the container's node, which does all there is to do.

A copy is never begun twice by itself: a tar that was cut off can't be gone on with.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, Final, TypeAlias, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from shoal_common.errors import Conflict, DeadlineExceeded, InvalidSpec, ShoalError, Unavailable
from shoal_common.tracing import current_trace, trace_metadata
from shoal_controller.api.containers.phases import phase_name, phase_of
from shoal_controller.api.containers.reading import Finder, name_of
from shoal_controller.api.streams.pump import appended, pump
from shoal_controller.api.streams.relay import Agent, Agents, is_lost, node_of
from shoal_controller.api.streams.sending import first_message, sending
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.store import ContainerEntry
from shoal_proto.v1.agent_pb2 import (
    AgentContainerRef,
    AgentCopyInRequest,
    AgentCopyInStart,
    AgentCopyOutRequest,
    AgentStatPathRequest,
)
from shoal_proto.v1.container_pb2 import (
    ContainerRef,
    CopyInRequest,
    CopyInResponse,
    CopyOutRequest,
    CopyOutResponse,
    DiffRequest,
    DiffResponse,
    ExportRequest,
    ExportResponse,
    PathInfo,
    StatPathRequest,
)

R = TypeVar("R", bound=Message)
_OutCall: TypeAlias = "grpc.aio.UnaryStreamCall[Any, R]"
_InCall: TypeAlias = "grpc.aio.StreamStreamCall[AgentCopyInRequest, CopyInResponse]"
#: Seconds until a node must have begun: its container may first have to be prepared, or its files mounted.
_BEGIN: Final = 90.0
#: Bytes of a path: what Linux takes.
_MAX_PATH: Final = 4095


class CopyRelay:
    """Serves `StatPath`, `CopyOut`, `CopyIn`, `DiffContainer` and `ExportContainer`."""

    def __init__(self, cache: ClusterCache, finder: Finder, agents: Agents) -> None:
        self._cache = cache
        self._finder = finder
        self._agents = agents

    async def stat(self, request: StatPathRequest) -> PathInfo:
        """Return what a path of a container is.

        Raises:
            NotFound: there is no such container, or no such path in it.
            Conflict: nothing of it is on a node yet.
            Unavailable: its node does not answer.
        """
        _check_path(request.path)
        entry, agent, wanted = await self.reach(request.container)
        asked = AgentStatPathRequest(container=wanted, path=request.path)
        try:
            return await agent.stub.StatPath(asked, timeout=_BEGIN, metadata=trace())
        except grpc.aio.AioRpcError as error:
            raise told(entry, agent, error) from error

    async def out(self, request: CopyOutRequest) -> AsyncGenerator[CopyOutResponse, None]:
        """Yield what a path of a container is, then the tar of it. Errors as `stat`."""
        _check_path(request.path)

        def ask(agent: Agent, wanted: AgentContainerRef) -> _OutCall[CopyOutResponse]:
            return agent.stub.CopyOut(AgentCopyOutRequest(container=wanted, request=request), metadata=trace())

        async with aclosing(self._relay(request.container, ask, _merge_out)) as responses:
            async for response in responses:
                yield response

    async def export(self, request: ExportRequest) -> AsyncGenerator[ExportResponse, None]:
        """Yield the tar of a container's root file system. Errors as `stat`."""

        def ask(agent: Agent, wanted: AgentContainerRef) -> _OutCall[ExportResponse]:
            return agent.stub.Export(wanted, metadata=trace())

        async with aclosing(self._relay(request.container, ask, _merge_export)) as responses:
            async for response in responses:
                yield response

    async def diff(self, request: DiffRequest) -> AsyncGenerator[DiffResponse, None]:
        """Yield what a container has changed of its image. Errors as `stat`."""

        def ask(agent: Agent, wanted: AgentContainerRef) -> _OutCall[DiffResponse]:
            return agent.stub.Diff(wanted, metadata=trace())

        async with aclosing(self._relay(request.container, ask, lambda first, second: False)) as responses:
            async for response in responses:
                yield response

    async def _relay(
        self,
        container: ContainerRef,
        ask: Callable[[Agent, AgentContainerRef], _OutCall[R]],
        merge: Callable[[R, R], bool],
    ) -> AsyncGenerator[R, None]:
        entry, agent, wanted = await self.reach(container)
        with self._agents.stream():
            call = ask(agent, wanted)
            begun = _Begun(agent)
            responses = pump(call, merge, name=f"copy-{entry.id[:12]}", idle=_BEGIN, on_idle=begun.silent)
            try:
                async with aclosing(responses):
                    async for response in responses:
                        begun.yes = True
                        yield response
            except grpc.aio.AioRpcError as error:
                raise told(entry, agent, error) from error
            finally:
                call.cancel()

    async def into(self, requests: AsyncIterator[CopyInRequest]) -> AsyncGenerator[CopyInResponse, None]:
        """Unpack a client's tar in a directory of a container; yield how far that is. Errors as `stat`."""
        start = (await first_message(requests, "a copy", "where to")).start
        _check_path(start.path)
        entry, agent, wanted = await self.reach(start.container)
        with self._agents.stream():
            call = agent.stub.CopyIn(metadata=trace())
            opening = AgentCopyInRequest(start=AgentCopyInStart(container=wanted, start=start))
            begun = _Begun(agent)
            responses = pump(call, _merge_in, name=f"copy-{entry.id[:12]}", idle=_BEGIN, on_idle=begun.silent)
            try:
                async with (
                    sending(call, _send(call, opening, requests), name=f"copy-input-{entry.id[:12]}"),
                    aclosing(responses),
                ):
                    async for response in responses:
                        begun.yes = True
                        yield response
                        if response.done:
                            return
                    raise Unavailable(f"node {agent.name} ended the copy (copy it again)")
            except grpc.aio.AioRpcError as error:
                raise told(entry, agent, error) from error

    async def reach(self, container: ContainerRef) -> tuple[ContainerEntry, Agent, AgentContainerRef]:
        """Return a container, the agent of its node, and what that one calls the container. Errors as `stat`."""
        entry = await self._finder.container(container)
        name = name_of(entry)
        if entry.placement is None:
            raise Conflict(f'container "{name}" is {phase_name(phase_of(entry))}: it has no files on any node yet')
        action = f'the files of container "{name}" can\'t be reached'
        agent = self._agents.agent(node_of(self._cache, entry, action), action)
        return entry, agent, AgentContainerRef(id=entry.id, generation=entry.placement.value.generation)


class _Begun:
    """Whether a node has answered at all; a client that is slow later on is nobody's fault."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self.yes = False

    def silent(self) -> bool:
        if not self.yes:
            raise DeadlineExceeded(f"node {self._agent.name} did not begin to copy within {_BEGIN:g} s (try again)")
        return False


def told(entry: ContainerEntry, agent: Agent, error: grpc.aio.AioRpcError) -> ShoalError:
    """Return what a node's answer, or its silence, means for the user."""
    name = name_of(entry)
    if is_lost(error):
        return agent.translated(error, f'the files of container "{name}" can\'t be copied')
    ours = agent.translated(error, "")
    return type(ours)(f'container "{name}": {ours.message}', metadata=ours.metadata)


def trace() -> tuple[tuple[str, str], ...]:
    """Return what says to a node of which trace a call is."""
    return trace_metadata(current_trace())


def _check_path(path: str) -> None:
    if not path or len(path.encode()) > _MAX_PATH or "\0" in path:
        raise InvalidSpec(f'path "{path[:80]}" of a container is not valid (1 to {_MAX_PATH} bytes, without NUL)')


def _merge_out(first: CopyOutResponse, second: CopyOutResponse) -> bool:
    return appended(first, second, "data")


def _merge_export(first: ExportResponse, second: ExportResponse) -> bool:
    first.data += second.data
    return True


def _merge_in(first: CopyInResponse, second: CopyInResponse) -> bool:
    # The first of all must get there at once, and is the only one with 0.
    if not first.bytes:
        return False
    first.CopyFrom(second)
    return True


def _merge_data(first: CopyInRequest, second: CopyInRequest) -> bool:
    return appended(first, second, "data")


async def _send(call: _InCall, opening: AgentCopyInRequest, requests: AsyncIterator[CopyInRequest]) -> None:
    await call.write(opening)
    async with aclosing(pump(requests, _merge_data, name="copy-client-input")) as messages:
        async for request in messages:
            if request.WhichOneof("message") != "data":
                raise InvalidSpec("a copy is out of order (send start once, then data)")
            await call.write(AgentCopyInRequest(data=request.data))
    # A client that is gone looks like one that has sent all; the tar's own end tells them apart at the node.
    await call.done_writing()
