"""A lab from `up` to `down`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import shoal
from shoal.configuration import Configuration, Context
from shoal_common.errors import Conflict, DeadlineExceeded, InvalidSpec, NotFound, PermissionDenied, ShoalError
from shoal_lab import cgroups, daemons, disks, network, store_pki
from shoal_lab.hosts import Orders, boot, inside, missing_programs
from shoal_lab.layout import API_PORT, DATA_ROOT, RUN_ROOT, Host, check_name
from shoal_lab.network import Cut, Slowness, Way
from shoal_lab.plan import Plan, default_capacity, names
from shoal_proto.v1.node_pb2 import Node, NodeState

__all__ = ["Lab", "Plan", "default_capacity", "names"]

READY_SECONDS: Final = 60.0
#: A stopped daemon gets this long before it is killed.
STOP_SECONDS: Final = 20.0


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
            InvalidSpec: no lab can have that name.
            NotFound: it isn't up.
        """
        check_name(name)
        try:
            return cls(Plan.read(DATA_ROOT / name / "lab.json"), say)
        except FileNotFoundError as error:
            others = ", ".join(names())
            remedy = f"there: {others}; say which with --name" if others else "start it with: shoal lab up"
            raise NotFound(f'lab "{name}" is not up ({remedy})') from error

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
        self.plan.write(layout.state)
        self._say(f"Booting {len(layout.hosts) - 1} hosts on {layout.subnet}")
        async with asyncio.TaskGroup() as group:
            for host in layout.hosts:
                group.create_task(boot(layout, host), name=f"boot {host.name}")
        await self._connect_hosts()
        several = layout.controllers > 1
        self._say(f"Starting etcd, the registry and the controller{'s' if several else ''}")
        store_pki.create(layout)
        for host in layout.running("etcd"):
            await self._start_service(host, "etcd")
        await inside(self.orders(layout.control.name).pid, daemons.controller_init(layout, layout.control))
        self._install_client()
        (layout.host_data(layout.control.name) / "registry.yml").write_text(daemons.registry_config(layout))
        await self._start_service(layout.control, "registry")
        await self._start_service(layout.control, "controller")
        async with asyncio.TaskGroup() as group:
            for host in layout.running("controller")[1:]:
                group.create_task(self._add_controller(host), name=f"add {host.name}")
            group.create_task(self._prepare_disks(), name="disks")
        async with self.connect() as cluster:
            token = await self._token(cluster)
            self._say(f"Starting {layout.nodes} agents")
            for host in layout.node_hosts:
                path = self._inside_path(host, "token")
                path.touch(mode=0o600)
                path.write_text(f"{token}\n")
                await self._start_service(host, "agent")
            nodes = await self._ready(cluster)
        await self._serving()
        self._register_client()
        return nodes

    async def _add_controller(self, host: Host) -> None:
        """Start a further controller: with the cluster's own files it gets a certificate of its own."""
        first, own = (daemons.controller_root(self.layout, each) for each in (self.layout.control, host))
        own.mkdir(mode=0o700)
        for name in daemons.SHARED_FILES:
            shutil.copy(first / name, own / name)
        await inside(self.orders(host.name).pid, daemons.controller_init(self.layout, host))
        await self._start_service(host, "controller")

    async def _prepare_disks(self) -> None:
        if self.plan.disk_bytes:
            for host in self.layout.node_hosts:
                await disks.make(self.layout.disk(host.name), self.plan.disk_bytes)
                await self._mount_disk(host)

    async def _mount_disk(self, host: Host) -> None:
        await disks.mount(self.orders(host.name).pid, self.layout.disk(host.name), self.layout.host_data(host.name))

    def _inside_path(self, host: Host, name: str) -> Path:
        """Return a file of a host's data as seen from here: its disk is mounted only inside."""
        data = self.layout.host_data(host.name)
        return Path(f"/proc/{self.orders(host.name).pid}/root{data}/{name}")

    async def _connect_hosts(self) -> None:
        layout = self.layout
        pids = {host.name: self.orders(host.name).pid for host in layout.hosts if host.address}
        switch = self.orders(layout.switch.name).pid
        await _batch(os.getpid(), "ip", network.machine_batch(layout, switch))
        await _batch(switch, "ip", network.switch_batch(pids))
        for host in layout.hosts:
            if host.address:
                await _batch(pids[host.name], "ip", network.host_batch(host))

    async def _start_service(self, host: Host, service: str) -> None:
        layout = self.layout
        argv = {
            "etcd": lambda: daemons.etcd(layout, host, self.plan.quota_bytes),
            "registry": lambda: daemons.registry(layout),
            "controller": lambda: daemons.controller(layout, host),
            "agent": lambda: daemons.agent(
                layout,
                host,
                self.plan.capacity,
                tuple(self.plan.labels.get(host.name, ())),
                tuple(self.plan.binds.get(host.name, ())),
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

    async def _serving(self) -> None:
        """Wait until every controller answers."""
        deadline = time.monotonic() + READY_SECONDS
        for host in self.layout.running("controller"):
            async with shoal.connect(context=replace(self.context(), endpoints=(_api(host),))) as cluster:
                while True:
                    try:
                        await cluster.version()
                        break
                    except ShoalError as error:
                        if time.monotonic() > deadline:
                            raise
                        await self._check_running(host, error)

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
            endpoints=tuple(_api(host) for host in self.layout.running("controller")),
            ca=self.layout.client / "ca.pem",
            certificate=self.layout.client / "admin.pem",
            key=self.layout.client / "admin.key",
        )

    def connect(self) -> contextlib.AbstractAsyncContextManager[shoal.Cluster]:
        """Return a connection to the lab's cluster."""
        return shoal.connect(context=self.context())

    def _install_client(self) -> None:
        shutil.copytree(daemons.controller_root(self.layout, self.layout.control) / "admin", self.layout.client)

    def _register_client(self) -> None:
        Configuration.load().put(self.context(), current=True)

    # Down

    async def down(self) -> None:
        """End everything and remove every trace; whatever of it there is.

        Raises:
            Conflict: something would not go; the message names it.
        """
        layout = self.layout
        cgroups.thaw(f"/shoal-lab/{layout.name}")
        async with asyncio.TaskGroup() as group:
            for socket in layout.run.glob("*.sock"):
                group.create_task(Orders(socket.stem, socket).power_off(), name=f"power off {socket.stem}")
        if Path(f"/sys/class/net/{layout.uplink}").exists():
            # It goes with its other end in time; deleted here it is gone when this returns.
            with contextlib.suppress(Conflict):
                await _batch(os.getpid(), "ip", f"link delete {layout.uplink}\n")
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

    # Faults of daemons: a target is a host, which means all its daemons, or one of them, "control1/etcd".

    async def kill(self, target: str) -> list[str]:
        """Kill daemons with SIGKILL; what they started lives on. Returns their names."""
        return await self._end(target, signal.SIGKILL)

    async def stop(self, target: str) -> list[str]:
        """Stop daemons in good order; containers live on. Returns their names."""
        return await self._end(target, signal.SIGTERM)

    async def _end(self, target: str, number: int) -> list[str]:
        host, services = self.layout.target(target)
        orders = self.orders(host.name)
        for service in services:
            await orders.signal(service, number)
            # One that was paused gets no other signal.
            await orders.signal(service, signal.SIGCONT)
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await orders.wait(service)
            except TimeoutError:
                await orders.signal(service, signal.SIGKILL)
                await orders.wait(service)
        return list(services)

    async def start(self, target: str) -> list[str]:
        """Start those daemons that don't run. Returns their names."""
        host, services = self.layout.target(target)
        running = {each for each, (pid, _) in (await self.orders(host.name).services()).items() if pid}
        wanted = [each for each in services if each not in running]
        for each in wanted:
            await self._start_service(host, each)
        return wanted

    async def pause(self, target: str) -> list[str]:
        """Stop daemons in their tracks with SIGSTOP, their connections open. Returns their names."""
        return await self._signal(target, signal.SIGSTOP)

    async def resume(self, target: str) -> list[str]:
        """Let paused daemons go on. Returns their names."""
        return await self._signal(target, signal.SIGCONT)

    async def _signal(self, target: str, number: int) -> list[str]:
        host, services = self.layout.target(target)
        for service in services:
            await self.orders(host.name).signal(service, number)
        return list(services)

    async def reboot(self, name: str) -> list[str]:
        """End everything in a host at once, boot it again and start its daemons. Returns their names."""
        host = self.layout.host(name)
        with contextlib.suppress(Conflict):  # Of a host that ended by itself nothing may be left.
            # With the host it would go in time only, and is in the way until then.
            await _batch(self._switch, "ip", f"link delete {name}\n")
        cgroups.thaw(self.layout.cgroup(name))
        await self.orders(name).power_off()
        await cgroups.clear(self.layout.cgroup(name))
        await boot(self.layout, host)
        pid = self.orders(name).pid
        await _batch(self._switch, "ip", network.port_batch(host, pid))
        await _batch(pid, "ip", network.host_batch(host))
        for cut in self.plan.cuts:
            if cut.host == name:
                await self._apply_cut(cut)
        if name in self.plan.slowed:
            await self._apply_slowness(host, self.plan.slowed[name])
        if self.plan.disk_bytes and host in self.layout.node_hosts:
            await self._mount_disk(host)
        for service in host.services:
            await self._start_service(host, service)
        return list(host.services)

    # Faults of the network: they outlast a reboot, as a broken cable does.

    async def partition(self, name: str, *, peer: str = "", way: Way = Way.BOTH) -> None:
        """Cut a host off: from everything or from one other host, in both directions or in one, as seen from it."""
        cut = Cut(self.layout.host(name).name, self.layout.host(peer).name if peer else "", way)
        self._remember(cuts=(*(each for each in self.plan.cuts if each != cut), cut))
        await self._apply_cut(cut)

    async def slow(self, name: str, rate: str, *, delay_ms: int = 400) -> None:
        """Slow a host's cable down, in both directions.

        Args:
            rate: as tc(8) writes it, such as "1mbit".
            delay_ms: how long a packet waits for its turn at most.
        """
        host, slowness = self.layout.host(name), Slowness(rate, delay_ms)
        self._remember(slowed={**self.plan.slowed, name: slowness})
        await self._apply_slowness(host, slowness)

    async def heal(self, name: str, *, peer: str = "") -> None:
        """Undo what was done to a host's network: all of it, or only that it was cut off from one other host."""
        host = self.layout.host(name)
        healed = [cut for cut in self.plan.cuts if cut.host == name and (not peer or cut.peer == peer)]
        slowed = {each: slowness for each, slowness in self.plan.slowed.items() if each != name or peer}
        was_slow = len(slowed) < len(self.plan.slowed)
        self._remember(cuts=tuple(cut for cut in self.plan.cuts if cut not in healed), slowed=slowed)
        if not peer:
            await _batch(self._switch, "ip", network.cable_batch(host, cut=False))
        await self._apply_firewall(host)
        if was_slow:
            for pid, device in ((self.orders(name).pid, "eth0"), (self._switch, name)):
                with contextlib.suppress(Conflict):  # It may not have come that far.
                    await _batch(pid, "tc", f"qdisc delete dev {device} root\n")

    def _remember(self, *, cuts: tuple[Cut, ...] | None = None, slowed: dict[str, Slowness] | None = None) -> None:
        """Note a fault before it is made: what may have happened is undone, too."""
        self.plan = replace(
            self.plan,
            cuts=self.plan.cuts if cuts is None else cuts,
            slowed=self.plan.slowed if slowed is None else slowed,
        )
        self.plan.write(self.layout.state)

    @property
    def _switch(self) -> int:
        return self.orders(self.layout.switch.name).pid

    async def _apply_cut(self, cut: Cut) -> None:
        host = self.layout.host(cut.host)
        if cut.cable:
            await _batch(self._switch, "ip", network.cable_batch(host, cut=True))
        else:
            await self._apply_firewall(host)

    async def _apply_firewall(self, host: Host) -> None:
        addresses = {each.name: each.address for each in self.layout.hosts}
        rules = network.firewall((cut for cut in self.plan.cuts if cut.host == host.name), addresses)
        await _batch(self.orders(host.name).pid, "nft", rules)

    async def _apply_slowness(self, host: Host, slowness: Slowness) -> None:
        await _batch(self.orders(host.name).pid, "tc", slowness.qdisc("eth0"))
        await _batch(self._switch, "tc", slowness.qdisc(host.name))

    # Looking

    async def status(self) -> AsyncIterator[tuple[Host, dict[str, tuple[int, int | None]] | None]]:
        """Yield each host with its daemons (see Orders.services), or with None if the host doesn't run."""
        for host in self.layout.hosts:
            try:
                yield host, await self.orders(host.name).services()
            except NotFound:
                yield host, None


#: How each program takes a list of commands from its standard input.
_BATCHES: Final = {"ip": ("ip", "-batch", "-"), "tc": ("tc", "-batch", "-"), "nft": ("nft", "--file", "-")}


async def _batch(pid: int, program: str, commands: str) -> None:
    await inside(pid, _BATCHES[program], net_only=True, stdin=commands.encode())


def _api(host: Host) -> str:
    return f"{host.address}:{API_PORT}"
