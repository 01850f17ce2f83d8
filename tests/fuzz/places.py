"""Where it is tried: a controller without nodes, which is there in a second, or a whole lab."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc
import grpc.aio

import shoal
from shoal.configuration import Configuration, Context
from shoal.waiting import Until
from shoal_common.errors import ShoalError
from shoal_common.identity import CONTROLLER_NAME, node_server_name
from shoal_common.rpc_client import CHANNEL_OPTIONS, TlsFiles, secure_channel
from shoal_controller.state.endpoints import Endpoints
from shoal_lab.cluster import Lab
from shoal_lab.image import root_filesystem
from shoal_lab.layout import JOIN_PORT
from shoal_proto.v1.container_pb2 import Container
from tests.conftest import IMAGE, made_lab
from tests.integration.images.conftest import RegistryServer
from tests.parts.controller import Controller, initialise
from tests.parts.etcd import EtcdServer
from tests.parts.lab import LabUnderTest

LAB: Final = "fuzz"
SUBNET: Final = "10.126.0.0/24"
#: Which container made it: given to each that a command line makes.
TRY: Final = "try"
#: What a daemon says when something is the matter with itself.
_FAULT: Final = re.compile(r"Traceback \(most recent call last\)|^[0-9-]+ [0-9:,]+ (ERROR|CRITICAL) ", re.MULTILINE)
#: Seconds in which a container runs, if it can.
_READY: Final = 15.0
_WANTED: Final = ("f0", "f1", "f2")


@dataclass
class Place:
    """A cluster that is there for nothing else.

    Attributes:
        context: how its administrator reaches it.
        config: the file that says so, as the command reads it.
        daemons: the log of each.
        pids: returns which processes they are.
        joining: "HOST:PORT" of a listener where hosts join.
        lab: the lab, if it has nodes.
        store: its etcd, where that can be read without further ado.
        died: a daemon has, as far as `faults` has seen: nothing more can be asked.
    """

    context: Context
    config: Path
    daemons: Mapping[str, Path]
    pids: Callable[[], Mapping[str, int]]
    joining: str
    lab: LabUnderTest | None = None
    store: Endpoints | None = None
    died: bool = False

    def __post_init__(self) -> None:
        self._began = dict(self.pids())
        self._read = {name: log.stat().st_size for name, log in self.daemons.items()}

    def known(self) -> dict[str, Sequence[str]]:
        """Return the names of what `prepare` sees to."""
        nodes = self.lab.nodes if self.lab is not None else ("node1",)
        return {
            "container": _WANTED,
            "name": ("f0", "f9"),
            "image": (IMAGE,),
            "reference": (IMAGE, "test/made:1"),
            "node": nodes,
            "volume": ("data",),
            "context": (self.context.name,),
        }

    async def prepare(self) -> None:
        """See to it that there is again what can be named."""
        async with shoal.connect(context=self.context) as cluster:
            for node in await cluster.nodes.list():
                if node.spec.cordoned:
                    await cluster.nodes.update(node.spec.id, cordoned=False)
            there = {each.spec.name for each in await cluster.containers.list(all=True)}
            for name in _WANTED:
                if name in there:
                    continue
                made = await cluster.containers.create(IMAGE, ("sleep", "1000"), name=name, volumes=["data:/data"])
                if name == "f0" or (self.lab is not None and name == "f1"):
                    await cluster.containers.start(made.spec.id)
                if self.lab is not None and name == "f0":
                    # Its volume may be where nothing can run now.
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_READY):
                            await cluster.containers.wait(made.spec.id, until=Until.RUNNING)

    async def containers(self) -> list[Container]:
        """Return all containers."""
        async with shoal.connect(context=self.context) as cluster:
            return await cluster.containers.list(all=True)

    async def clear(self) -> None:
        """Remove all containers and volumes, if anybody is there to do it."""
        if self.died:
            return
        async with shoal.connect(context=self.context) as cluster:
            for each in await cluster.containers.list(all=True):
                with contextlib.suppress(ShoalError):
                    await cluster.containers.remove(each.spec.id, force=True)
            for each in await cluster.containers.list(all=True):
                await cluster.containers.wait(each.spec.id, until=Until.REMOVED)
            for volume in await cluster.volumes.list():
                await cluster.volumes.remove(volume.spec.id)

    def faults(self, *, but: str = "") -> Iterator[str]:
        """Say what the daemons have said of faults of their own since the last look, and which are not the same.

        Args:
            but: what is in the lines of those that are no fault of theirs.
        """
        for name, log in self.daemons.items():
            with log.open("rb") as file:
                file.seek(self._read[name])
                said, end = file.read().decode(errors="replace"), file.tell()
            self._read[name] = end
            if but:
                said = "".join(line for line in said.splitlines(keepends=True) if but not in line)
            if found := _FAULT.search(said):
                yield f"{name} logged: {said[found.start() : found.start() + 3000]}"
        now = dict(self.pids())
        for name, pid in self._began.items():
            if now.get(name) != pid:
                self.died = True
                yield f"{name} has died"
        self._began = now

    @contextlib.asynccontextmanager
    async def channel(self) -> AsyncIterator[grpc.aio.Channel]:
        """The API, as an administrator calls it."""
        tls = TlsFiles(*(Path(str(each)) for each in (self.context.ca, self.context.certificate, self.context.key)))
        async with secure_channel(self.context.endpoints[0], tls, CONTROLLER_NAME) as channel:
            yield channel

    @contextlib.asynccontextmanager
    async def join_channel(self) -> AsyncIterator[grpc.aio.Channel]:
        """The listener where hosts join, as one calls it that has no certificate."""
        credentials = grpc.ssl_channel_credentials(Path(str(self.context.ca)).read_bytes())
        options = [*CHANNEL_OPTIONS, ("grpc.ssl_target_name_override", CONTROLLER_NAME)]
        async with grpc.aio.secure_channel(self.joining, credentials, options=options) as channel:
            yield channel


@contextmanager
def bare(folder: Path) -> Iterator[Place]:
    """A controller with etcd and registry, and without nodes."""
    with ExitStack() as stack:
        etcd = stack.enter_context(EtcdServer(folder))
        registry = RegistryServer(folder)
        registry.start()
        stack.callback(registry.stop)
        root = folder / "controller"
        initialise(root, etcd)
        options = ("--registry", registry.host, "--registry-insecure", registry.host)
        controller = Controller(root, etcd.url, folder / "api.sock", folder / "controller.log", options=options)
        stack.callback(controller.kill)
        controller.start()
        tls = controller.admin
        context = Context("bare", (controller.listen,), tls.ca, tls.certificate, tls.key)
        config = folder / "config.json"
        Configuration(config, "", {}).put(context, current=True)

        def pids() -> dict[str, int]:
            process = controller.process
            return {"controller": process.pid} if process is not None and process.poll() is None else {}

        asyncio.run(_import(context, folder / "root.tar"))
        yield Place(
            context,
            config,
            {"controller": controller.log},
            pids,
            joining=controller.join_listen,
            store=etcd.endpoints,
        )


async def _import(context: Context, archive: Path) -> None:
    archive.write_bytes(root_filesystem())
    async with shoal.connect(context=context) as cluster:
        await cluster.images.import_archive(archive, IMAGE)


@contextmanager
def whole(folder: Path) -> Iterator[Place]:
    """A lab of three nodes."""
    with made_lab(folder, LAB, SUBNET) as lab:
        config = Path(lab.env["SHOAL_CONFIG"])
        loaded = Lab.load(lab.name)
        daemons = {
            f"{host.name}/{service}": loaded.layout.log(host.name, service)
            for host in loaded.layout.hosts
            for service in host.services
            if service in ("agent", "controller")
        }

        def pids() -> dict[str, int]:
            async def look() -> dict[str, int]:
                found = {}
                for name in daemons:
                    host, _, service = name.partition("/")
                    found[name] = (await loaded.orders(host).services())[service][0]
                return found

            return asyncio.run(look())

        joining = f"{next(iter(loaded.layout.running('controller'))).address}:{JOIN_PORT}"
        yield Place(Configuration.load(config).context(LAB), config, daemons, pids, joining, lab)


def agent_tls(lab: LabUnderTest) -> TlsFiles:
    """Return by what a lab's controller shows the agents who it is."""
    root = lab.data("control1") / "controller"
    return TlsFiles(root / "ca.pem", root / "controller.pem", root / "controller.key")


@contextlib.asynccontextmanager
async def agent_channel(place: Place, node: str) -> AsyncIterator[grpc.aio.Channel]:
    """The service of a node's agent, as a controller calls it."""
    assert place.lab is not None
    async with shoal.connect(context=place.context) as cluster:
        found = await cluster.nodes.get(node)
    address = found.status.description.address
    async with secure_channel(address, agent_tls(place.lab), node_server_name(found.spec.id)) as channel:
        yield channel
