"""Where it is measured: one etcd, some controllers and the processes that simulate agents, all on 127.0.0.1."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.x509 import load_pem_x509_certificate

from bench.scale.agents import Plan, Seen
from shoal_common.errors import Unavailable
from shoal_common.identity import Identity, Role
from shoal_common.ids import DEFAULT_NAMESPACE, node_id
from shoal_common.rpc_client import MAX_MESSAGE
from shoal_controller.pki.authority import Authority, now
from shoal_controller.state import keys
from shoal_controller.state.etcd import EtcdKV
from shoal_controller.state.kv import Txn
from shoal_controller.state.store import SCHEMA, encode
from shoal_proto.v1.cluster_pb2 import Leader
from shoal_proto.v1.node_pb2 import NodeSpec, NodeState, NodeStatus
from tests.parts.controller import Controller, initialise
from tests.parts.etcd import EtcdServer

#: Nodes in one transaction: two keys each.
_AT_ONCE: Final = 60
#: Nodes that one process simulates.
_PER_PROCESS: Final = 1000
#: Seconds after which something is wrong, whatever the size.
_PATIENCE: Final = 180.0
_TIMED: Final = Path(__file__).parents[2] / "tests" / "parts" / "timed_controller.py"


class Watcher:
    """What the store says: nodes that are ready, who leads, and every write by kind of key."""

    def __init__(self) -> None:
        self.states: dict[str, int] = {}
        self.leader = ""
        #: Writes so far, by kind of key ("status", "session", ...).
        self.writes: Counter[str] = Counter()
        #: Nodes that became down, as often as they did.
        self.downs: list[str] = []
        self._changed = asyncio.Condition()

    @property
    def ready(self) -> int:
        return sum(state == NodeState.NODE_STATE_READY for state in self.states.values())

    async def run(self, kv: EtcdKV) -> None:
        """Follow the store from its beginning, until cancelled."""
        async with aclosing(kv.watch(keys.PREFIX, after=0)) as batches:
            async for batch in batches:
                for event in batch.events:
                    self._note(event.key, event.value)
                async with self._changed:
                    self._changed.notify_all()

    def _note(self, key: str, value: bytes | None) -> None:
        match keys.parse(key):
            case keys.NodeKey(node, part):
                self.writes[part.value] += 1
                if part is keys.NodePart.STATUS and value is not None:
                    state = NodeStatus.FromString(value).state
                    if state == NodeState.NODE_STATE_DOWN and self.states.get(node) != state:
                        self.downs.append(node)
                    self.states[node] = state
            case keys.LeaderKey():
                self.leader = Leader.FromString(value).address if value is not None else ""
            case _:
                pass

    async def until_ready(self, count: int) -> None:
        """Wait until so many nodes are ready."""
        await self._until(lambda: self.ready >= count, f"{count} nodes are ready")

    async def until_led(self, *, but_by: str = "") -> str:
        """Wait until a controller leads, another one than `but_by`, and return its address."""
        await self._until(lambda: bool(self.leader) and self.leader != but_by, "a controller leads")
        return self.leader

    async def _until(self, condition: object, what: str) -> None:
        assert callable(condition)
        try:
            async with asyncio.timeout(_PATIENCE), self._changed:
                await self._changed.wait_for(condition)
        except TimeoutError:
            raise Unavailable(f"not within {_PATIENCE:g} s: {what} (ready now: {self.ready})") from None


@dataclass
class Simulation:
    """One process of agents, and what it said last."""

    process: asyncio.subprocess.Process
    count: int
    seen: Seen = field(default_factory=Seen)
    latencies: list[float] = field(default_factory=list)


class Agents:
    """All simulated agents."""

    def __init__(self) -> None:
        self.processes: list[Simulation] = []
        self.ending = False
        self._news = asyncio.Condition()

    async def follow(self, simulation: Simulation) -> None:
        """Take what a process says, until it ends."""
        assert simulation.process.stdout is not None
        async for line in simulation.process.stdout:
            simulation.seen = Seen(**json.loads(line))
            simulation.latencies += simulation.seen.latencies
            async with self._news:
                self._news.notify_all()
        if not self.ending:
            raise Unavailable("a process that simulates agents ended by itself")

    @property
    def opened(self) -> int:
        return sum(each.seen.opened for each in self.processes)

    @property
    def failed(self) -> int:
        return sum(each.seen.failed for each in self.processes)

    def take_latencies(self) -> list[float]:
        """Return the milliseconds of every heartbeat since the last call."""
        taken: list[float] = []
        for each in self.processes:
            taken += each.latencies
            each.latencies = []
        return taken

    async def until_beating(self, controller: str) -> float:
        """Wait until every agent has a session with this controller and a heartbeat there; return when the last had."""

        def all_there() -> bool:
            return all(each.seen.beating.get(controller, 0) == each.count for each in self.processes)

        try:
            async with asyncio.timeout(_PATIENCE), self._news:
                await self._news.wait_for(all_there)
        except TimeoutError:
            there = [(each.seen.beating, each.seen.open, each.count) for each in self.processes]
            raise Unavailable(f"not all agents have a session and a heartbeat with {controller}: {there}") from None
        return max(each.seen.last_first for each in self.processes)


@dataclass
class Site:
    """Everything that runs."""

    folder: Path
    etcd: EtcdServer
    etcd_pid: int
    controllers: list[Controller]
    watcher: Watcher
    agents: Agents
    _cluster: str
    _kv: EtcdKV
    _group: asyncio.TaskGroup

    def controller(self, address: str) -> Controller:
        return next(each for each in self.controllers if each.listen == address)

    def notes(self, controller: Controller) -> list[float]:
        """Return the long callbacks of a controller's loop so far: milliseconds of processor time."""
        path = _notes(controller)
        return [float(line.split()[0]) for line in path.read_text().splitlines()] if path.exists() else []

    async def enrol(self, count: int) -> list[tuple[str, str]]:
        """Make nodes of the cluster: keys, certificates by its authority, and what joining stores."""
        authority = Authority.load(self.controllers[0].root)
        folder = self.folder / "nodes"
        folder.mkdir()
        (folder / "ca.pem").write_bytes(authority.pem)
        nodes: list[tuple[str, str]] = []
        for number in range(count):
            name = f"n{number}"
            nodes.append((await asyncio.to_thread(_certify, authority, folder, name), name))
        for start in range(0, count, _AT_ONCE):
            txn = Txn()
            for node, name in nodes[start : start + _AT_ONCE]:
                spec = NodeSpec(schema=SCHEMA, id=node, name=name)
                spec.joined_at.FromDatetime(now())
                txn.put(str(keys.node_spec(node)), encode(spec), expect=0)
                txn.put(str(keys.name(DEFAULT_NAMESPACE, "node", name)), node.encode(), expect=0)
            await self._kv.commit(txn)
        return nodes

    async def start_agents(self, nodes: list[tuple[str, str]], *, over: float) -> None:
        """Start the simulation of these nodes, which begin within so many seconds."""
        for start in range(0, len(nodes), _PER_PROCESS):
            part = nodes[start : start + _PER_PROCESS]
            plan = self.folder / f"plan{start}.json"
            addresses = [each.listen for each in self.controllers]
            Plan(self._cluster, addresses, str(self.folder / "nodes"), part, over).save(plan)
            with (self.folder / f"agents{start}.log").open("wb") as log:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "bench.scale.agents", str(plan)),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=log,
                    limit=MAX_MESSAGE,
                    cwd=Path(__file__).parents[2],
                )
            simulation = Simulation(process, len(part))
            self.agents.processes.append(simulation)
            self._group.create_task(self.agents.follow(simulation), name=f"follow-{start}")


@asynccontextmanager
async def site(folder: Path, controllers: int) -> AsyncIterator[Site]:
    """Start etcd and controllers that share a cluster, and end everything with the context."""
    async with AsyncExitStack() as stack:
        etcd = stack.enter_context(EtcdServer(folder))
        root = folder / "controller"
        initialise(root, etcd)
        authority = await asyncio.to_thread(Authority.load, root)
        made: list[Controller] = []
        for number in range(controllers):
            controller = Controller(root, etcd.url, folder / f"api{number}.sock", folder / f"controller{number}.log")
            controller.log.touch()
            controller.before = (sys.executable, str(_TIMED), str(_notes(controller)))
            stack.callback(controller.kill)
            controller.spawn()
            made.append(controller)
        for controller in made:
            await asyncio.to_thread(controller.says, "serving the API")
        kv = EtcdKV(etcd.endpoints)
        stack.push_async_callback(kv.close)
        watcher, agents = Watcher(), Agents()
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watcher.run(kv), name="watcher")
            try:
                yield Site(folder, etcd, etcd.pid, made, watcher, agents, _cluster(authority), kv, group)
            finally:
                watching.cancel()
                agents.ending = True
                for each in agents.processes:
                    if each.process.returncode is None:
                        each.process.kill()
                for each in agents.processes:
                    await each.process.wait()


def _notes(controller: Controller) -> Path:
    return controller.log.with_suffix(".callbacks")


def _certify(authority: Authority, folder: Path, name: str) -> str:
    pair = authority.issue(Identity(Role.NODE, "new"), (), now())
    public_key = load_pem_x509_certificate(pair.certificate).public_key()
    der = public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    node = node_id(der)
    certificate = authority.sign(public_key, Identity(Role.NODE, node), (), now())  # type: ignore[arg-type]
    (folder / f"{node}.pem").write_bytes(certificate)
    (folder / f"{node}.key").write_bytes(pair.key)
    return node


def _cluster(authority: Authority) -> str:
    return str(authority.certificate.subject.rfc4514_string()).partition("cluster ")[2].partition(",")[0]
