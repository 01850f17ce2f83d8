"""A leader small enough for a test, on a real gRPC server: it assigns what it is told and remembers what it hears."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc.aio

from shoal_common.assignments import set_digest
from shoal_common.errors import NotFound, NotLeader
from shoal_proto.v1.container_pb2 import ContainerStatus
from shoal_proto.v1.dispatcher_pb2 import (
    AcceptedReport,
    AgentToLeader,
    Assignment,
    HeartbeatRequest,
    HeartbeatResponse,
    LeaderToAgent,
    SessionOpened,
)
from shoal_proto.v1.dispatcher_pb2_grpc import DispatcherServiceServicer
from shoal_proto.v1.node_pb2 import NodeDescription

CLUSTER = "shl-agent"


class SmallLeader(DispatcherServiceServicer):
    """Keeps assignments and statuses in memory."""

    def __init__(self) -> None:
        self.assignments: dict[str, Assignment] = {}
        self.statuses: dict[str, list[ContainerStatus]] = {}
        self.removed: set[str] = set()
        self.strays: list[str] = []
        self.descriptions: list[NodeDescription] = []
        self.processes: list[str] = []
        self.matches: list[bool] = []
        self.heartbeats = 0
        self.epoch = 1
        self.cluster = CLUSTER
        self.revision = 100
        self.outgoing: asyncio.Queue[LeaderToAgent | None] | None = None
        self.changed = asyncio.Condition()

    def message(self) -> LeaderToAgent:
        return LeaderToAgent(cluster_id=self.cluster, epoch=self.epoch, revision=self.revision)

    async def put(self, *assignments: Assignment) -> None:
        """Assign these, now if an agent is connected."""
        self.revision += 1
        message = self.message()
        for assignment in assignments:
            self.assignments[assignment.id] = assignment
            message.change.put.add().CopyFrom(assignment)
        if self.outgoing is not None:
            await self.outgoing.put(message)

    def state(self, container: str) -> int:
        history = self.statuses.get(container)
        return history[-1].state if history else 0

    async def until(self, condition: Callable[[], bool], what: str, *, seconds: float = 20) -> None:
        """Wait for a condition on what was reported."""
        try:
            async with asyncio.timeout(seconds), self.changed:
                await self.changed.wait_for(condition)
        except TimeoutError:
            known = {c[:6]: (h[-1].state, h[-1].reason) for c, h in self.statuses.items()}
            raise AssertionError(f"{what} did not come in {seconds} s: {known}") from None

    async def Session(self, request_iterator: Any, context: Any) -> AsyncIterator[LeaderToAgent]:
        requests: AsyncIterator[AgentToLeader] = aiter(request_iterator)
        hello = (await anext(requests)).hello
        async with self.changed:
            self.processes.append(hello.process_id)
            self.descriptions.append(hello.description)
            self.changed.notify_all()
        outgoing: asyncio.Queue[LeaderToAgent | None] = asyncio.Queue()
        self.outgoing = outgoing
        matches = bool(hello.set_digest) and hello.set_digest == set_digest(self.assignments.values())
        self.matches.append(matches)
        opened = self.message()
        opened.opened.CopyFrom(
            SessionOpened(
                session_epoch=len(self.processes),
                set_matches=matches,
                subnet="10.88.0.0/16",
                gateway="10.88.0.1",
                heartbeat_ms=200,
            )
        )
        yield opened
        if not matches:
            whole = self.message()
            whole.set.assignments.extend(self.assignments.values())
            whole.set.SetInParent()
            yield whole
        reader = asyncio.create_task(self._read(requests, outgoing))
        try:
            while (message := await outgoing.get()) is not None:
                yield message
        finally:
            reader.cancel()

    async def _read(
        self, requests: AsyncIterator[AgentToLeader], outgoing: asyncio.Queue[LeaderToAgent | None]
    ) -> None:
        try:
            async for request in requests:
                await self._take(request, outgoing)
        finally:
            await outgoing.put(None)

    async def _take(self, request: AgentToLeader, outgoing: asyncio.Queue[LeaderToAgent | None]) -> None:
        async with self.changed:
            if request.WhichOneof("message") == "strays":
                self.strays = list(request.strays.ids)
            if request.WhichOneof("message") == "description":
                self.descriptions.append(request.description)
            answer = self.message()
            for report in request.reports.reports:
                self.statuses.setdefault(report.id, []).append(report.status)
                answer.accepted.reports.append(
                    AcceptedReport(id=report.id, generation=report.status.generation, report=report.status.report)
                )
                if report.removed:
                    self.removed.add(report.id)
                    self.assignments.pop(report.id, None)
                    self.revision += 1
            self.changed.notify_all()
        if answer.accepted.reports:
            await outgoing.put(answer)

    async def Heartbeat(self, request: HeartbeatRequest, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        if not self.processes or self.processes[-1] != request.process_id:
            raise NotFound("no session")
        self.heartbeats += 1
        return HeartbeatResponse(next_ms=200)


class Follower(DispatcherServiceServicer):
    """A controller that does not lead and knows who does."""

    def __init__(self, leader: str) -> None:
        self.leader = leader
        self.asked = 0

    async def Session(self, request_iterator: Any, context: Any) -> AsyncIterator[LeaderToAgent]:
        self.asked += 1
        if self.leader:
            raise NotLeader("this controller does not lead", metadata={"leader": self.leader})
        yield LeaderToAgent()

    async def Heartbeat(self, request: HeartbeatRequest, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        raise NotLeader("this controller does not lead", metadata={"leader": self.leader})
