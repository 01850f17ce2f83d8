"""`python -m bench.scale.agents PLAN`: many agents in one process, each with its session and heartbeats, no containers.

The session is the agent's own code. Heartbeats are what the agent's thread does, as a task: thousands of threads would
measure the interpreter. What is seen goes to stdout, a line of JSON each `SECONDS`.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, cast

import grpc
import grpc.aio

from shoal_agent.cluster.heartbeat import DEADLINE, RETRY, SILENCE, deadline_of_new
from shoal_agent.cluster.session import Session
from shoal_agent.cluster.watermark import Watermark
from shoal_agent.containers.node import Node
from shoal_common import rpc_errors
from shoal_common.errors import NotFound, NotLeader, Superseded
from shoal_common.identity import CONTROLLER_NAME
from shoal_common.rpc_client import TlsFiles, secure_channel
from shoal_proto.v1.dispatcher_pb2 import AcceptedReport, Assignment, HeartbeatRequest, StatusReport
from shoal_proto.v1.dispatcher_pb2_grpc import DispatcherServiceStub
from shoal_proto.v1.node_pb2 import NodeDescription
from shoal_proto.v1.resources_pb2 import Resources

#: Between two lines.
SECONDS: Final = 0.25
_GIB: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Plan:
    """What one process simulates: id and name of each node. `folder` has <id>.pem, <id>.key and ca.pem.

    The agents begin one after the other within `over` seconds.
    """

    cluster: str
    controllers: list[str]
    folder: str
    nodes: list[tuple[str, str]]
    over: float

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> Plan:
        return cls(**json.loads(path.read_text()))


@dataclass
class Seen:
    """One line.

    Attributes:
        at: seconds on the machine's monotonic clock.
        open: sessions by controller.
        beating: of these, those of which a heartbeat was answered since the session was opened.
        opened: sessions opened since the process began.
        failed: heartbeats without an answer, since the process began.
        last_first: when the newest session had its first heartbeat answered.
        latencies: milliseconds of each heartbeat since the line before.
    """

    at: float = 0.0
    open: dict[str, int] = field(default_factory=dict)
    beating: dict[str, int] = field(default_factory=dict)
    opened: int = 0
    failed: int = 0
    last_first: float = 0.0
    latencies: list[float] = field(default_factory=list)


class Tally:
    """Counts over all agents of the process."""

    def __init__(self) -> None:
        self.open: Counter[str] = Counter()
        self.beating: Counter[str] = Counter()
        self.opened = self.failed = 0
        self.last_first = 0.0
        self.latencies: list[float] = []

    def line(self) -> str:
        latencies, self.latencies = self.latencies, []
        open_, beating = dict(+self.open), dict(+self.beating)
        seen = Seen(time.monotonic(), open_, beating, self.opened, self.failed, self.last_first, latencies)
        return json.dumps(asdict(seen))


class TaskHeartbeat:
    """What `shoal_agent.cluster.heartbeat.Heartbeat` does, in the event loop."""

    def __init__(self, tls: TlsFiles, process_id: str, tally: Tally) -> None:
        self._tls = tls
        self._request = HeartbeatRequest(process_id=process_id)
        self._tally = tally
        self._task: asyncio.Task[None] | None = None
        self._target = ""
        self._beaten = False
        self.session: Session | None = None

    def beat(self, address: str, interval: float) -> None:
        self.pause()
        self._target = address
        self._tally.open[address] += 1
        self._tally.opened += 1
        self._task = asyncio.create_task(self._beat_to(address, interval), name="heartbeat")

    def pause(self) -> None:
        if self._task is None:
            return
        self._task.cancel()
        self._task = None
        self._tally.open[self._target] -= 1
        if self._beaten:
            self._tally.beating[self._target] -= 1
            self._beaten = False

    async def _beat_to(self, target: str, interval: float) -> None:
        await asyncio.sleep(random.uniform(0, interval))
        answered = time.monotonic()
        silent, met, failures = False, False, 0
        while True:
            deadline = deadline_of_new(failures, interval, met=met)
            async with secure_channel(target, self._tls, CONTROLLER_NAME, connect=deadline) as channel:
                stub = DispatcherServiceStub(channel)
                while True:
                    began = time.monotonic()
                    try:
                        reply = await stub.Heartbeat(self._request, timeout=deadline)
                    except grpc.RpcError as raised:
                        error = rpc_errors.from_rpc_error(raised, peer=target)
                        self._tally.failed += 1
                        if isinstance(error, NotFound | NotLeader | Superseded):
                            self._reopen()
                            return
                        silent, failures = True, failures + 1
                        break
                    now = time.monotonic()
                    self._tally.latencies.append((now - began) * 1000)
                    if silent and now - answered > SILENCE:
                        self._reopen()
                    silent, met, failures, answered, deadline = False, True, 0, now, DEADLINE
                    self._first(target, now)
                    interval = reply.next_ms / 1000 or interval
                    await asyncio.sleep(interval)
            if failures > 1:
                await asyncio.sleep(RETRY)

    def _first(self, target: str, now: float) -> None:
        if not self._beaten:
            self._beaten = True
            self._tally.beating[target] += 1
            self._tally.last_first = now

    def _reopen(self) -> None:
        assert self.session is not None
        self.session.reopen()


class _Forgetful(Watermark):
    """Ends with the process: thousands of files with fsync are not what is measured."""

    async def save(self) -> None:
        pass


class _EmptyNode:
    """What the session asks of a node that never holds anything."""

    confirmed = False

    def __init__(self) -> None:
        self.news = asyncio.Event()

    def digest(self) -> bytes:
        return b""

    def confirm(self) -> None:
        self.confirmed = True

    def apply_set(self, assignments: Iterable[Assignment]) -> None:
        self.confirmed = True

    def apply_change(self, put: Iterable[Assignment], removed: Iterable[str]) -> None:
        pass

    def accepted(self, reports: Iterable[AcceptedReport]) -> None:
        pass

    def report_again(self) -> None:
        pass

    def strays(self) -> list[str]:
        return []

    def reports(self, *, everything: bool) -> list[StatusReport]:
        self.news.clear()
        return []


class _NoNetwork:
    async def configure(self, subnet: str, gateway: str) -> None:
        pass


async def simulate(plan: Plan) -> None:
    """Be these agents until cancelled."""
    folder = Path(plan.folder)
    tally = Tally()
    async with asyncio.TaskGroup() as group:
        for node, name in plan.nodes:
            tls = TlsFiles(folder / "ca.pem", folder / f"{node}.pem", folder / f"{node}.key")
            process_id = secrets.token_hex(16)
            heartbeat = TaskHeartbeat(tls, process_id, tally)
            session = Session(
                node=cast("Node", _EmptyNode()),
                network=_NoNetwork(),
                watermark=_Forgetful(folder / f"{node}.json"),
                cluster_id=plan.cluster,
                controllers=tuple(plan.controllers),
                tls=tls,
                process_id=process_id,
                description=_description(name),
            )
            heartbeat.session = session
            group.create_task(_be(session, heartbeat, random.uniform(0, plan.over)), name=f"agent-{name}")
        while True:
            print(tally.line(), flush=True)
            await asyncio.sleep(SECONDS)


async def _be(session: Session, heartbeat: TaskHeartbeat, after: float) -> None:
    await asyncio.sleep(after)
    await session.keep_open(heartbeat)


def _description(name: str) -> NodeDescription:
    return NodeDescription(
        name=name,
        address="127.0.0.1:1",
        capacity=Resources(memory_bytes=64 * _GIB, cpu_millis=16_000),
        version="0",
        kernel="simulated",
        operating_system="simulated",
        architecture="x86_64",
        runtimes={"crun": "1.8"},
        cgroups="v2",
        boot_id=secrets.token_hex(16),
    )


async def _main(path: Path) -> None:
    simulation = asyncio.create_task(simulate(Plan.load(path)), name="simulation")
    # Whoever started it holds the other end of its standard input, and ends it by letting go, or by being gone.
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), simulation.cancel)
    await asyncio.wait({simulation})
    if not simulation.cancelled() and (error := simulation.exception()) is not None:
        raise error


if __name__ == "__main__":
    random.seed()
    asyncio.run(_main(Path(sys.argv[1])))
