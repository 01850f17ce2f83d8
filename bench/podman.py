"""Podman in a host of its own beside those of a lab, with what Debian gives it: netavark's bridge, crun, overlay.

There is no daemon: each command does its work itself, in the host's namespaces, which nsenter brings it into (1.4 ms of
each figure). Its service runs only while its interface is used.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import aiohttp

from bench import processes
from bench.docker import Api
from shoal_common.errors import InvalidSpec, Unavailable
from shoal_lab.hosts import PATH, Orders, boot, inside, missing_programs
from shoal_lab.layout import DATA_ROOT, Host, Layout

#: Debian's, whatever else is on the PATH.
CLIENT: Final = Path("/usr/bin/podman")
_NETAVARK: Final = Path("/usr/lib/podman/netavark")
_HOST: Final = Host("podman", "", ("podman",))
_SERVICE: Final = "podman"
_READY_SECONDS: Final = 60.0
_QUIET_SECONDS: Final = 60.0

#: There is no systemd in the host, hence cgroups without it, and no journal. A machine may refuse limits as high as
#: Podman's own. A forced removal kills at once, as the others' do, not after ten seconds; and the service takes
#: "bench:1" for the image that is there, not for Docker Hub's.
_SETTINGS: Final = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=8192:8192"]
log_driver = "k8s-file"

[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "crun"
stop_timeout = 0
compat_api_enforce_docker_hub = false

[network]
network_backend = "netavark"
network_config_dir = "/var/lib/containers/networks"
"""
_STORAGE: Final = """\
[storage]
driver = "overlay"
graphroot = "/var/lib/containers/storage"
runroot = "/run/containers/storage"
"""


def missing() -> str:
    """Say what has to be installed for Podman to run here; "" if nothing."""
    absent = missing_programs(["conmon", "crun", "iptables", "nsenter"])
    absent += [str(program) for program in (CLIENT, _NETAVARK) if not program.exists()]
    if not absent:
        return ""
    return (
        f"Podman is not here to be measured beside: {', '.join(absent)} missing (install with: tools/setup.sh bench; "
        "or apt-get install podman netavark iptables)"
    )


@dataclass(frozen=True, slots=True)
class Podman:
    """Podman, ready to be called.

    Attributes:
        data: directory of its settings and its storage.
        host: process id of the first process of the host that it runs in.
        orders: to that process.
        cgroup: parent of its containers' cgroups, which only each container can be told.
        log: what its service says.
        version: of it.
    """

    data: Path
    host: int
    orders: Orders
    cgroup: str
    log: Path
    version: str = ""

    @property
    def command(self) -> list[str]:
        """How its command line begins."""
        return ["nsenter", "--target", str(self.host), "--all", "--", str(CLIENT)]

    @property
    def run_options(self) -> list[str]:
        """What each `run` needs."""
        return ["--cgroup-parent", self.cgroup]

    @property
    def environment(self) -> dict[str, str]:
        """The command's."""
        return {"PATH": PATH, "HOME": "/root", **self._settings}

    @property
    def _settings(self) -> dict[str, str]:
        # In place of those of this machine.
        return {
            "CONTAINERS_CONF": str(self.data / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.data / "storage.conf"),
        }

    @asynccontextmanager
    async def api(self) -> AsyncIterator[Api]:
        """Start the service, give a connection to it, and end it when left.

        Raises:
            Unavailable: it does not come up; the message ends with what it said.
        """
        socket = self.data / "podman.sock"
        # Orders start it with an environment of their own.
        environment = [f"{name}={value}" for name, value in self._settings.items()]
        argv = ["env", *environment, str(CLIENT), "system", "service", "--time=0", f"unix://{socket}"]
        await self.orders.start(_SERVICE, argv, self.log)
        try:
            async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket), limit=0)) as session:
                api = Api(session, "podman", self.cgroup)
                await self._listening(api)
                yield api
        finally:
            await self.orders.signal(_SERVICE, signal.SIGTERM)
            await self.orders.wait(_SERVICE)

    async def _listening(self, api: Api) -> None:
        deadline = asyncio.get_running_loop().time() + _READY_SECONDS
        while not await api.answers():
            running = (await self.orders.services())[_SERVICE][0]
            if not running or asyncio.get_running_loop().time() > deadline:
                last = (self.log.read_text(errors="replace").strip().splitlines() or ["nothing"])[-1]
                raise Unavailable(f"podman's service did not come up; it said: {last}")
            await asyncio.sleep(0.01)

    async def quiet(self) -> None:
        """Wait, when there are no containers any more, until nothing tidies up after them.

        Each conmon starts a `podman container cleanup` when its container has ended, also when that is done already.

        Raises:
            Unavailable: something went on.
        """
        deadline = asyncio.get_running_loop().time() + _QUIET_SECONDS
        while busy := self._tidying():
            if asyncio.get_running_loop().time() > deadline:
                raise Unavailable(f"podman's containers are gone, but still there runs: {' '.join(busy)}")
            await asyncio.sleep(0.01)

    def _tidying(self) -> list[str]:
        """Return the command line of a monitor or a cleanup that runs; empty if none does."""
        for program, word in (("conmon", ""), (CLIENT.name, "cleanup")):
            for words in map(processes.words, processes.named(self.host, program)):
                if not word or word in words:
                    return words
        return []


async def start(layout: Layout) -> Podman:
    """Make Podman ready in a lab that is up. It ends, and all of it goes, with that lab.

    Raises:
        InvalidSpec: it is not installed.
        Unavailable: it does not run; the message ends with what it said.
    """
    if absent := missing():
        raise InvalidSpec(absent)
    data = layout.host_data(_HOST.name)
    library = data / "lib"
    for directory in (data, library, library / DATA_ROOT.name):
        directory.mkdir(mode=0o700)
    podman = await _boot(layout, data)
    # Some of its state is in /var/lib whatever its settings say (blob cache), and its locks are in /dev/shm: in this
    # host both are its own, but for the lab's data.
    for mounted in (
        ("--rbind", str(DATA_ROOT), str(library / DATA_ROOT.name)),
        ("--rbind", str(library), str(DATA_ROOT.parent)),
        ("-t", "tmpfs", "shm", "/dev/shm"),
    ):
        await inside(podman.host, ["mount", *mounted])
    done = await asyncio.to_thread(
        subprocess.run,
        [*podman.command, "version", "--format", "{{.Client.Version}}"],
        env=podman.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Unavailable(f"podman does not run; it said: {(done.stderr.strip().splitlines() or ['nothing'])[-1]}")
    return replace(podman, version=done.stdout.strip())


async def _boot(layout: Layout, data: Path) -> Podman:
    (data / "containers.conf").write_text(_SETTINGS)
    (data / "storage.conf").write_text(_STORAGE)
    await boot(layout, _HOST)
    orders = Orders(_HOST.name, layout.socket(_HOST.name))
    await inside(orders.pid, ["ip", "link", "set", "lo", "up"], net_only=True)
    return Podman(data, orders.pid, orders, layout.cgroup(_HOST.name), layout.log(_HOST.name, _SERVICE))
