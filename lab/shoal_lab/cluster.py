"""A lab from `up` to `down`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

import shoal
from shoal.configuration import Configuration, Context
from shoal_common.errors import Conflict, DeadlineExceeded, InvalidSpec, NotFound, PermissionDenied, ShoalError
from shoal_common.units import format_bytes, format_cpus
from shoal_lab import cgroups, daemons, network
from shoal_lab.daemons import Capacity
from shoal_lab.hosts import Orders, boot, inside, missing_programs
from shoal_lab.layout import API_PORT, DATA_ROOT, RUN_ROOT, Host, Layout
from shoal_proto.v1.node_pb2 import Node, NodeState

READY_SECONDS: Final = 60.0
#: A stopped daemon gets this long before it is killed.
STOP_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked of `lab up`, kept in the lab's state file.

    Attributes:
        labels: by node name, "key=value" of that node.
        partitioned: hosts whose cable is cut now.
    """

    layout: Layout
    capacity: Capacity
    labels: dict[str, list[str]] = field(default_factory=dict)
    partitioned: tuple[str, ...] = ()


def default_capacity(nodes: int) -> Capacity:
    """Return this machine's memory and cores, divided among the nodes."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Capacity(memory_bytes=memory // nodes, cpu_millis=(os.cpu_count() or 1) * 1000 // nodes)


def names() -> list[str]:
    """Return the names of the labs of this machine."""
    return sorted(path.parent.name for path in DATA_ROOT.glob("*/lab.json"))


class Lab:
    """One lab, up or half up.

    Args:
        plan: what it is made of.
        say: is told, in a line, what is being done.
    """

    def __init__(self, plan: Plan, say: Callable[[str], None] = lambda line: None) -> None:
        self.plan = plan
        self.layout = plan.layout
        self._say = say

    @classmethod
    def load(cls, name: str, say: Callable[[str], None] = lambda line: None) -> Lab:
        """Return the lab of that name.

        Raises:
            NotFound: it isn't up.
        """
        path = DATA_ROOT / name / "lab.json"
        try:
            state = json.loads(path.read_text())
        except FileNotFoundError as error:
            raise NotFound(f'lab "{name}" is not up (start it with: shoal lab up)') from error
        plan = Plan(
            layout=Layout(**state["layout"]),
            capacity=Capacity(**state["capacity"]),
            labels=state["labels"],
            partitioned=tuple(state["partitioned"]),
        )
        return cls(plan, say)

    def _save(self) -> None:
        temporary = self.layout.state.with_suffix(".new")
        temporary.write_text(json.dumps(asdict(self.plan), indent=1))
        temporary.replace(self.layout.state)

    def orders(self, host: str) -> Orders:
        """Return the line to a host's first process."""
        return Orders(host, self.layout.socket(host))

    # Up

    async def up(self) -> list[Node]:
        """Start everything; returns the nodes, all of them ready.

        Raises:
            Conflict: the lab is up already, or a part of it failed. Nothing is left of a failed one but its logs.
        """
        self._check_machine()
        kept = DATA_ROOT / f"{self.layout.name}.failed-logs"
        shutil.rmtree(kept, ignore_errors=True)
        self.layout.data.mkdir(parents=True, mode=0o700)
        DATA_ROOT.chmod(0o700)
        try:
            return await self._up()
        except BaseException as error:
            logs = self.layout.data / "logs"
            if isinstance(error, Exception) and logs.is_dir():
                shutil.copytree(logs, kept)
                self._say(f"The logs of the failed start are in {kept}")
            await self.down()
            raise

    def _check_machine(self) -> None:
        if os.geteuid() != 0:
            raise PermissionDenied("a lab needs root: namespaces, mounts, cgroups (run it with sudo)")
        missing = missing_programs(daemons.PROGRAMS)
        if missing:
            raise InvalidSpec(f"missing programs: {', '.join(missing)} (install them with: make setup)")
        if self.layout.data.exists():
            raise Conflict(f'lab "{self.layout.name}" is up already (end it with: shoal lab down)')
        for name in names():
            other = Lab.load(name)
            if other.layout.subnet == self.layout.subnet:
                raise Conflict(f'subnet {self.layout.subnet} is used by lab "{name}" (choose another with --subnet)')

    async def _up(self) -> list[Node]:
        layout = self.layout
        layout.run.mkdir(parents=True, mode=0o700, exist_ok=True)
        (layout.data / "logs").mkdir()
        for host in layout.hosts:
            layout.host_data(host.name).mkdir(mode=0o700)
        self._save()
        self._say(f"Booting {len(layout.hosts) - 1} hosts on {layout.subnet}")
        async with asyncio.TaskGroup() as group:
            for host in layout.hosts:
                group.create_task(boot(layout, host), name=f"boot {host.name}")
        await self._connect_hosts()
        self._say("Starting etcd, the registry and the controller")
        control = self.orders(layout.control.name)
        (layout.host_data(layout.control.name) / "registry.yml").write_text(daemons.registry_config(layout))
        await control.start("etcd", daemons.etcd(layout), layout.log(layout.control.name, "etcd"))
        await inside(control.pid, daemons.controller_init(layout))
        self._install_client()
        await control.start("registry", daemons.registry(layout), layout.log(layout.control.name, "registry"))
        await control.start("controller", daemons.controller(layout), layout.log(layout.control.name, "controller"))
        async with self.connect() as cluster:
            token = await self._token(cluster)
            self._say(f"Starting {layout.nodes} agents")
            for host in layout.node_hosts:
                path = layout.host_data(host.name) / "token"
                path.touch(mode=0o600)
                path.write_text(f"{token}\n")
                await self._start_service(host, "agent")
            nodes = await self._ready(cluster)
        self._register_client()
        return nodes

    async def _connect_hosts(self) -> None:
        layout = self.layout
        pids = {host.name: self.orders(host.name).pid for host in layout.hosts if host.address}
        switch = self.orders(layout.switch.name).pid
        await _ip(os.getpid(), network.machine_batch(layout, switch))
        await _ip(switch, network.switch_batch(pids))
        for host in layout.hosts:
            if host.address:
                await _ip(pids[host.name], network.host_batch(host))

    async def _start_service(self, host: Host, service: str) -> None:
        layout = self.layout
        argv = {
            "etcd": lambda: daemons.etcd(layout),
            "registry": lambda: daemons.registry(layout),
            "controller": lambda: daemons.controller(layout),
            "agent": lambda: daemons.agent(
                layout, host, self.plan.capacity, tuple(self.plan.labels.get(host.name, ()))
            ),
        }[service]()
        await self.orders(host.name).start(service, argv, layout.log(host.name, service))

    async def _token(self, cluster: shoal.Cluster) -> str:
        # The controller may still be starting: nothing tells when it listens but that it answers.
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                return (await cluster.join_token()).token
            except ShoalError as error:
                if time.monotonic() > deadline:
                    raise
                await self._check_running(self.layout.control, error)
                await asyncio.sleep(0.05)

    async def _ready(self, cluster: shoal.Cluster) -> list[Node]:
        """Wait until every node is ready."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            nodes = await cluster.nodes.list()
            ready = [node for node in nodes if node.status.state == NodeState.NODE_STATE_READY]
            if len(ready) == self.layout.nodes:
                return nodes
            late = DeadlineExceeded(f"{len(ready)} of {self.layout.nodes} nodes are ready")
            if time.monotonic() > deadline:
                raise late
            for host in self.layout.node_hosts:
                await self._check_running(host, late)
            await asyncio.sleep(0.05)

    async def _check_running(self, host: Host, error: ShoalError) -> None:
        for service, (pid, status) in (await self.orders(host.name).services()).items():
            if pid == 0:
                lines = self.layout.log(host.name, service).read_text(errors="replace").strip().splitlines()
                last = lines[-1] if lines else "it printed nothing"
                raise Conflict(f"{service} of {host.name} ended with {status}: {last}") from error

    # The client's side

    def context(self) -> Context:
        """Return how the lab's administrator reaches it."""
        return Context(
            name=self.layout.name,
            endpoints=(f"{self.layout.control.address}:{API_PORT}",),
            ca=self.layout.client / "ca.pem",
            certificate=self.layout.client / "admin.pem",
            key=self.layout.client / "admin.key",
        )

    def connect(self) -> contextlib.AbstractAsyncContextManager[shoal.Cluster]:
        """Return a connection to the lab's cluster."""
        return shoal.connect(context=self.context())

    def _install_client(self) -> None:
        source = self.layout.host_data(self.layout.control.name) / "controller" / "admin"
        shutil.copytree(source, self.layout.client)

    def _register_client(self) -> None:
        Configuration.load().put(self.context(), current=True)

    # Down

    async def down(self) -> None:
        """End everything and remove every trace; whatever of it there is.

        Raises:
            Conflict: something would not go; the message names it.
        """
        layout = self.layout
        async with asyncio.TaskGroup() as group:
            for socket in layout.run.glob("*.sock"):
                group.create_task(Orders(socket.stem, socket).power_off(), name=f"power off {socket.stem}")
        if Path(f"/sys/class/net/{layout.uplink}").exists():
            # It goes with its other end in time; deleted here it is gone when this returns.
            with contextlib.suppress(Conflict):
                await _ip(os.getpid(), f"link delete {layout.uplink}\n")
        busy = await cgroups.clear(f"/shoal-lab/{layout.name}")
        for path in (layout.run, layout.data):
            # Not by shutil, which fails at the depth to which a container may nest its directories.
            remover = await asyncio.create_subprocess_exec("rm", "-rf", "--one-file-system", "--", path)
            await remover.wait()
        for parent in (RUN_ROOT, DATA_ROOT):
            with contextlib.suppress(OSError):
                parent.rmdir()
        Configuration.load().remove(layout.name)
        if busy:
            raise Conflict(f"cgroup {busy[0]} is still in use (see what runs in it: cat {busy[0]}/cgroup.procs)")

    # Faults

    async def kill(self, name: str) -> list[str]:
        """Kill a host's daemons with SIGKILL; what they started lives on. Returns their names."""
        return await self._end(name, signal.SIGKILL)

    async def stop(self, name: str) -> list[str]:
        """Stop a host's daemons in good order; containers live on. Returns their names."""
        return await self._end(name, signal.SIGTERM)

    async def _end(self, name: str, number: int) -> list[str]:
        host, service = self._target(name)
        orders = self.orders(host.name)
        ended = []
        for each in (service,) if service else host.services:
            await orders.signal(each, number)
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await orders.wait(each)
            except TimeoutError:
                await orders.signal(each, signal.SIGKILL)
                await orders.wait(each)
            ended.append(each)
        return ended

    async def start(self, name: str) -> list[str]:
        """Start the daemons of a host that don't run. Returns their names."""
        host, service = self._target(name)
        running = {each for each, (pid, _) in (await self.orders(host.name).services()).items() if pid}
        wanted = [each for each in ((service,) if service else host.services) if each not in running]
        for each in wanted:
            await self._start_service(host, each)
        return wanted

    def _target(self, name: str) -> tuple[Host, str | None]:
        """Return the host, and the one service of it that a name such as "control1/etcd" means."""
        host_name, slash, service = name.partition("/")
        host = self.layout.host(host_name)
        if slash and service not in host.services:
            raise InvalidSpec(f'host {host.name} has no daemon "{service}" (it has {", ".join(host.services)})')
        return host, service or None

    async def partition(self, name: str) -> None:
        """Cut a host off the network."""
        await self._set_partition(name, cut=True)

    async def heal(self, name: str) -> None:
        """Join a host that was cut off."""
        await self._set_partition(name, cut=False)

    async def _set_partition(self, name: str, *, cut: bool) -> None:
        host = self.layout.host(name)
        await _ip(self.orders(self.layout.switch.name).pid, network.partition_batch(host, cut=cut))
        others = tuple(each for each in self.plan.partitioned if each != name)
        self.plan = replace(self.plan, partitioned=(*others, name) if cut else others)
        self._save()

    # Looking

    async def status(self) -> AsyncIterator[tuple[Host, dict[str, tuple[int, int | None]] | None]]:
        """Yield each host with its daemons (see Orders.services), or with None if the host doesn't run."""
        for host in self.layout.hosts:
            try:
                yield host, await self.orders(host.name).services()
            except NotFound:
                yield host, None

    def describe(self) -> str:
        """Return the lab's parameters in a line."""
        capacity = self.plan.capacity
        return (
            f"{self.layout.nodes} nodes of {format_bytes(capacity.memory_bytes)} and "
            f"{format_cpus(capacity.cpu_millis)} cores on {self.layout.subnet}"
        )


async def _ip(pid: int, batch: str) -> None:
    await inside(pid, ["ip", "-batch", "-"], net_only=True, stdin=batch.encode())
