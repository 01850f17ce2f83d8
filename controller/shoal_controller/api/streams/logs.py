"""What a container wrote, fetched from its node: waits for the node, and goes on where it was when the agent was away.

A cursor means one place for ever, so that a relay which lost its agent asks again from the last place that it passed
on: no line is lost and none comes twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Final

import grpc
import grpc.aio

from shoal_common.errors import NotFound, Unavailable
from shoal_common.ids import SHORT_ID
from shoal_common.tracing import current_trace, trace_metadata
from shoal_controller.api.containers.phases import cancelled_end, is_going, may_be_cancelled, run_end, run_served
from shoal_controller.api.containers.reading import Finder, name_of
from shoal_controller.api.streams.pump import pump
from shoal_controller.api.streams.relay import Agent, Agents, is_lost, node_of
from shoal_controller.state.cache import ClusterCache, Subscription
from shoal_controller.state.store import ContainerEntry
from shoal_proto.v1.agent_pb2 import AgentLogsRequest
from shoal_proto.v1.container_pb2 import ContainerStatus, DesiredState, LogsRequest, LogsResponse, Tombstone

#: Seconds that an agent may be away before a request gives up: one that follows and has begun, one that follows and
#: hasn't, one that doesn't follow.
PATIENCE_FOLLOWING: Final = 60.0
PATIENCE_BEGINNING: Final = 15.0
PATIENCE_READING: Final = 5.0
#: Seconds between two attempts to reach an agent, or to find that it has heard of the container.
_RETRY: Final = 0.25
#: Seconds between two looks at whether a silent stream still has a container behind it.
_LOOK: Final = 1.0
#: Looks in silence after which the end of a container ends a follow, should the agent not say so.
_SILENT_LOOKS: Final = 5
#: Seconds within which the end of a run, which its agent knows first, is known here.
_SETTLED: Final = 5.0
_ACTION: Final = "its logs can't be read"


class LogRelay:
    """Serves `ContainerLogs`."""

    def __init__(self, cache: ClusterCache, finder: Finder, agents: Agents) -> None:
        self._cache = cache
        self._finder = finder
        self._agents = agents

    async def logs(self, request: LogsRequest) -> AsyncGenerator[LogsResponse, None]:
        """Yield what the container wrote.

        Raises:
            NotFound: there is no such container, or its logs went with it.
            Unavailable: its node is down or does not answer.
            Exhausted: too many streams are relayed already.
        """
        found = await self._finder.container_or_tombstone(request.container)
        if isinstance(found, Tombstone):
            _gone(found)
            return
        with self._agents.stream(), self._cache.subscribe() as changes:
            reading = _Reading(self._cache, self._agents, changes, found, request)
            async with aclosing(reading.run()) as responses:
                async for response in responses:
                    yield response


class _Reading:
    """One request for logs, over as many calls of agents as it takes."""

    def __init__(
        self, cache: ClusterCache, agents: Agents, changes: Subscription, entry: ContainerEntry, request: LogsRequest
    ) -> None:
        self._cache = cache
        self._agents = agents
        self._changes = changes
        self._request = request
        self._namespace, self._id = entry.namespace, entry.id
        self._asked = AgentLogsRequest(id=entry.id, follow=request.follow, run=request.run, joined=request.joined)
        if request.HasField("cursor"):
            self._asked.cursor.CopyFrom(request.cursor)
        if request.HasField("tail"):
            self._asked.tail = request.tail
        if request.HasField("since"):
            self._asked.since.CopyFrom(request.since)
        if request.HasField("until"):
            self._asked.until.CopyFrom(request.until)
        self._begun = False
        #: The stream of an agent broke, and nothing came since.
        self._broken = False
        self._silent = 0
        self._away_since: float | None = None

    async def run(self) -> AsyncGenerator[LogsResponse, None]:
        follow = self._request.follow
        while True:
            entry = self._cache.containers.get(self._id)
            if entry is None:
                # What was written was read to the end if anything was; the rest, if any, went with the container.
                tombstone = self._cache.tombstones.get((self._namespace, self._id))
                if not self._begun and tombstone is not None:
                    _gone(tombstone.value)
                if self._begun and self._broken:
                    raise _rest_lost(self._id[:SHORT_ID] if tombstone is None else tombstone.value.name)
                return
            waits = entry.placement is None or (not follow and not _ran(entry))
            if waits and (not follow or self._finished(entry)):
                return
            if waits:
                await self._changed(None)
                continue
            ended = False
            async with aclosing(self._from_agent(entry)) as responses:
                async for response in responses:
                    if response is None:
                        ended = True
                        continue
                    self._passed(response)
                    yield response
            if not ended:
                await self._changed(_RETRY)
            elif not follow or self._request.HasField("until") or await self._settled():
                # By whose clock a time has passed, that agent says.
                return

    async def _from_agent(self, entry: ContainerEntry) -> AsyncGenerator[LogsResponse | None, None]:
        """Yield what one call of the agent brings, and None if it ended as it should; else it is worth another."""
        try:
            agent = self._agents.agent(node_of(self._cache, entry, _ACTION), _ACTION)
        except Unavailable:
            if not self._request.follow or not self._begun:
                raise
            self._away(PATIENCE_FOLLOWING, None, None)
            return
        call = agent.stub.Logs(self._asked, metadata=trace_metadata(current_trace()))
        started = _now()
        self._silent = 0
        responses = pump(call, merge_logs, name=f"logs-{self._id[:12]}", idle=_LOOK, on_idle=self._may_end)
        try:
            async with aclosing(responses):
                async for response in responses:
                    yield response
        except Unavailable:
            self._away(self._patience(), None, None)
            return
        except grpc.aio.AioRpcError as error:
            if is_lost(error):
                self._broken = True
                if _now() - started > _SETTLED:
                    self._begun, self._away_since = True, None
                self._away(self._patience(), agent, error)
                return
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise agent.translated(error, _ACTION) from error
            # The agent has not heard of it yet, or has removed it by now.
            entry = self._cache.containers.get(self._id, entry)
            if not self._finished(entry) and self._request.follow:
                return
            if self._broken and self._begun:
                raise _rest_lost(name_of(entry)) from error
            if self._begun or not _ran(entry):
                yield None
                return
            raise agent.translated(error, _ACTION) from error
        finally:
            call.cancel()
        yield None

    def _patience(self) -> float:
        if not self._request.follow:
            return PATIENCE_READING
        return PATIENCE_FOLLOWING if self._begun else PATIENCE_BEGINNING

    def _away(self, patience: float, agent: Agent | None, error: grpc.RpcError | None) -> None:
        """Note that the agent is away; raise when that has lasted too long."""
        now = _now()
        if self._away_since is None:
            self._away_since = now
        if now - self._away_since <= patience:
            return
        entry = self._cache.containers.get(self._id)
        if agent is not None and error is not None:
            raise agent.translated(error, _ACTION) from error
        if entry is not None:
            self._agents.agent(node_of(self._cache, entry, _ACTION), _ACTION)

    def _passed(self, response: LogsResponse) -> None:
        self._begun, self._broken, self._away_since, self._silent = True, False, None, 0
        if response.HasField("cursor"):
            self._asked.cursor.CopyFrom(response.cursor)
            self._asked.ClearField("tail")

    def _finished(self, entry: ContainerEntry) -> bool:
        """Say whether what is asked for will not be written to any more."""
        run = self._request.run
        if run:
            status = entry.status.value if entry.status is not None else None
            return run_end(status, run) is not None or cancelled_end(entry, run) is not None
        if is_going(entry):
            return False
        desired = DesiredState.DESIRED_STATE_UNSPECIFIED if entry.spec is None else entry.spec.value.desired
        return run_served(entry) > 0 or desired in (
            DesiredState.DESIRED_STATE_STOPPED,
            DesiredState.DESIRED_STATE_REMOVED,
        )

    async def _settled(self) -> bool:
        """Say whether what the agent has sent to its end has ended, as far as that gets known soon.

        The agent is not asked again for that: it may have removed the container by now.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(_SETTLED):
                while True:
                    entry = self._cache.containers.get(self._id)
                    if entry is None or self._finished(entry):
                        return True
                    await self._changed(None)
        return False

    def _may_end(self) -> bool:
        entry = self._cache.containers.get(self._id)
        if entry is None and not self._begun:
            return True  # The agent waits for a container that is gone.
        self._silent += 1
        if not self._request.follow or self._silent < _SILENT_LOOKS:
            return False
        if entry is None or self._finished(entry):
            return True
        return self._request.run > 0 and may_be_cancelled(entry, self._request.run)

    async def _changed(self, seconds: float | None) -> None:
        """Wait until the container changes, or so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for change in self._changes:
                    if change.everything or self._id in change.containers | change.removed_containers:
                        return


def merge_logs(first: LogsResponse, second: LogsResponse) -> bool:
    """Add the entries of `second` to `first`, unless some are missing between them."""
    if second.lost_bytes:
        return False
    first.entries.extend(second.entries)
    if second.HasField("cursor"):
        first.cursor.CopyFrom(second.cursor)
    return True


def _ran(entry: ContainerEntry) -> bool:
    return entry.status is not None and _started(entry.status.value)


def _started(status: ContainerStatus) -> bool:
    return status.HasField("started_at") or any(attempt.HasField("started_at") for attempt in status.attempts)


def _rest_lost(name: str) -> NotFound:
    return NotFound(
        f'the rest of what container "{name}" wrote is lost: the connection to its node broke, and it was removed '
        "there meanwhile (run it without --rm to keep its logs)"
    )


def _gone(tombstone: Tombstone) -> None:
    """Raise unless nothing was ever written."""
    if tombstone.HasField("status") and _started(tombstone.status):
        raise NotFound(
            f'container "{tombstone.name}" was removed, and its logs with it (run it without --rm to keep both)'
        )


def _now() -> float:
    return asyncio.get_running_loop().time()
