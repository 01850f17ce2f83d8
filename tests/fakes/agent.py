"""An agent without a host: it speaks the dispatcher's protocol and pretends to run what it is told to."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Self

import grpc.aio

from shoal_common import rpc_errors
from shoal_common.assignments import set_digest
from shoal_common.errors import ShoalError
from shoal_proto.v1.container_pb2 import ContainerConfig, ContainerState, ContainerStatus, DesiredState
from shoal_proto.v1.dispatcher_pb2 import (
    AgentToLeader,
    Assignment,
    HeartbeatRequest,
    LeaderToAgent,
    SessionHello,
    SessionOpened,
    StatusReport,
    StatusReports,
    Strays,
)
from shoal_proto.v1.dispatcher_pb2_grpc import DispatcherServiceStub
from shoal_proto.v1.node_pb2 import HoldRole, NodeDescription
from shoal_proto.v1.resources_pb2 import Resources

S = ContainerState


@dataclass(slots=True)
class Disk:
    """What survives the agent process."""

    statuses: dict[str, ContainerStatus] = field(default_factory=dict)
    namespaces: dict[str, str] = field(default_factory=dict)
    assignments: dict[str, Assignment] = field(default_factory=dict)
    #: Starts of each container, to see that none happens twice.
    starts: list[tuple[str, int]] = field(default_factory=list)
    reports: int = 0


class SimulatedAgent:
    """One agent process. Use as a context manager: it opens a session and follows it.

    Attributes:
        obeys: it acts on what it is told; otherwise it only takes note.
        sets: messages with a whole set that came.
        changes: messages with a change that came.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        node: str,
        *,
        process_id: str,
        disk: Disk | None = None,
        memory: int = 8 << 30,
        boot_id: str = "boot",
        obeys: bool = True,
        cluster_id: str = "",
    ) -> None:
        self.node = node
        self.process_id = process_id
        self.disk = disk or Disk()
        self.obeys = obeys
        self.description = NodeDescription(
            name=node,
            address="10.0.0.1:7410",
            boot_id=boot_id,
            capacity=Resources(memory_bytes=memory, cpu_millis=8000),
            configuration=max(ContainerConfig.DESCRIPTOR.fields_by_number),
        )
        self.opened: SessionOpened | None = None
        self.controllers: list[str] = []
        self.sets = 0
        self.changes = 0
        self.revisions: list[int] = []
        self.error: ShoalError | None = None
        #: The (epoch, revision) that it says it has followed.
        self.position = (0, 0)
        self.unacknowledged: dict[tuple[str, int, bool], StatusReport] = {}
        self._stub = DispatcherServiceStub(channel)
        self._cluster_id = cluster_id
        self._moved = asyncio.Event()
        self._call: grpc.aio.StreamStreamCall[AgentToLeader, LeaderToAgent] | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow(), name=f"simulated-agent-{self.node}")
        await self.until(lambda: self.opened is not None or self.error is not None)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        if self._call is not None:
            self._call.cancel()
        self._task.cancel()
        await asyncio.wait({self._task})

    async def until(self, condition: object, *, seconds: float = 10.0) -> None:
        """Wait until a condition on this agent holds."""
        assert callable(condition)
        async with asyncio.timeout(seconds):
            while not condition():
                self._moved.clear()
                await self._moved.wait()

    async def beat(self) -> float:
        """Send a heartbeat, and return the seconds until the next is due."""
        try:
            answer = await self._stub.Heartbeat(HeartbeatRequest(process_id=self.process_id), timeout=5)
        except grpc.aio.AioRpcError as error:
            raise rpc_errors.from_rpc_error(error, peer="controller") from error
        return answer.next_ms / 1000

    async def describe(self) -> None:
        """Send the description anew."""
        await self._send(AgentToLeader(description=self.description))

    async def tell_strays(self, *ids: str) -> None:
        """Report containers that no hold names."""
        await self._send(AgentToLeader(strays=Strays(ids=ids)))

    async def end(self, container: str, *, code: int = 0) -> None:
        """Let a container's process end."""
        await self._report(container, state=S.CONTAINER_STATE_EXITED, exit_code=code)

    async def report(self, report: StatusReport) -> None:
        """Send a report as it is."""
        await self._send(AgentToLeader(reports=StatusReports(reports=[report])))

    async def _send(self, message: AgentToLeader) -> None:
        assert self._call is not None
        await self._call.write(message)

    async def _follow(self) -> None:
        self._call = self._stub.Session()
        try:
            hello = SessionHello(
                process_id=self.process_id,
                description=self.description,
                cluster_id=self._cluster_id,
                set_digest=set_digest(self.disk.assignments.values()) if self.disk.assignments else b"",
                epoch=self.position[0],
                revision=self.position[1],
            )
            await self._send(AgentToLeader(hello=hello))
            async for message in self._call:
                await self._handle(message)
                self._moved.set()
        except grpc.aio.AioRpcError as error:
            self.error = rpc_errors.from_rpc_error(error, peer="controller")
        finally:
            self._moved.set()

    async def _handle(self, message: LeaderToAgent) -> None:
        self.revisions.append(message.revision)
        match message.WhichOneof("message"):
            case "opened":
                self.opened = message.opened
                for id_, status in list(self.disk.statuses.items()):
                    if status.state == S.CONTAINER_STATE_STARTING:
                        # Adopted: the process before died between the start and the news of it.
                        status.state = S.CONTAINER_STATE_RUNNING
                    await self._tell(id_, status)
                if message.opened.set_matches:
                    for assignment in list(self.disk.assignments.values()):
                        await self._act(assignment)
            case "set":
                self.sets += 1
                self.disk.assignments = {each.id: each for each in message.set.assignments}
                for assignment in message.set.assignments:
                    await self._act(assignment)
            case "change":
                self.changes += 1
                for assignment in message.change.put:
                    self.disk.assignments[assignment.id] = assignment
                    await self._act(assignment)
                for removed in message.change.removed:
                    self.disk.assignments.pop(removed, None)
            case "controllers":
                self.controllers = list(message.controllers.addresses)
            case "accepted":
                for each in message.accepted.reports:
                    for key, waiting in list(self.unacknowledged.items()):
                        if key[:2] == (each.id, each.generation) and waiting.status.report <= each.report:
                            del self.unacknowledged[key]

    async def _act(self, assignment: Assignment) -> None:
        id_ = assignment.id
        if not self.obeys:
            return
        self.disk.namespaces[id_] = assignment.namespace
        status = self.disk.statuses.get(id_)
        if assignment.role == HoldRole.HOLD_ROLE_REMOVE:
            gone = self.disk.statuses.pop(id_, None) or ContainerStatus(generation=assignment.generation)
            self.disk.reports += 1
            gone.report = self.disk.reports
            report = StatusReport(namespace=assignment.namespace, id=id_, status=gone, removed=True)
            self.unacknowledged[(id_, gone.generation, True)] = report
            await self.report(report)
            return
        if status is None or status.generation < assignment.generation:
            self.disk.statuses[id_] = status = ContainerStatus(generation=assignment.generation)
            await self._report(id_, state=S.CONTAINER_STATE_PREPARING)
            await self._report(id_, state=S.CONTAINER_STATE_READY, ever_ready=True)
        runs = status.state in (S.CONTAINER_STATE_STARTING, S.CONTAINER_STATE_RUNNING)
        if assignment.desired == DesiredState.DESIRED_STATE_STOPPED and runs:
            await self._report(id_, state=S.CONTAINER_STATE_EXITED, exit_code=143)
        elif assignment.desired == DesiredState.DESIRED_STATE_RUNNING and assignment.run_admitted > status.run_served:
            if runs:
                await self._report(id_, state=S.CONTAINER_STATE_EXITED, exit_code=143)
            self.disk.starts.append((id_, assignment.run_admitted))
            status.attempt += 1
            status.run_served = assignment.run_admitted
            await self._report(id_, state=S.CONTAINER_STATE_STARTING)
            await self._report(id_, state=S.CONTAINER_STATE_RUNNING)

    async def _report(self, id_: str, **what: object) -> None:
        status = self.disk.statuses[id_]
        for field_, value in what.items():
            setattr(status, field_, value)
        await self._tell(id_, status)

    async def _tell(self, id_: str, status: ContainerStatus) -> None:
        self.disk.reports += 1
        status.report = self.disk.reports
        report = StatusReport(namespace=self.disk.namespaces[id_], id=id_)
        report.status.CopyFrom(status)
        self.unacknowledged[(id_, status.generation, False)] = report
        await self.report(report)
