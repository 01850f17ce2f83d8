"""Docker in a host of its own beside those of a lab: its network, its mounts and its state are nobody else's."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import aiohttp

from shoal_common.errors import Conflict, InvalidSpec, Unavailable
from shoal_lab.hosts import PATH, Orders, boot, inside, missing_programs
from shoal_lab.layout import Host, Layout

#: Debian's, whatever else is on the PATH.
CLIENT: Final = Path("/usr/bin/docker")
_HOST: Final = Host("docker", "", ("dockerd",))
_READY_SECONDS: Final = 60.0


def missing() -> str:
    """Say what has to be installed for Docker to run here; "" if nothing."""
    absent = missing_programs(["dockerd", "containerd", "runc", "iptables"])
    if not CLIENT.exists():
        absent.append(str(CLIENT))
    if not absent:
        return ""
    return (
        f"Docker is not here to be measured beside: {', '.join(absent)} missing (install with: tools/setup.sh bench; "
        "or apt-get install docker.io iptables, and docker-cli where Debian has it apart)"
    )


@dataclass(frozen=True, slots=True)
class Docker:
    """A Docker daemon that runs.

    Attributes:
        socket: where it listens.
        config: directory of the client's configuration: empty, so that nobody's contexts and plugins are in the way.
        host: process id of the first process of the host that it runs in.
        version: of client and daemon.
    """

    socket: Path
    config: Path
    host: int
    version: str

    @property
    def command(self) -> list[str]:
        """How the client begins."""
        return [str(CLIENT), "-H", f"unix://{self.socket}"]

    @property
    def environment(self) -> dict[str, str]:
        """The client's."""
        return {"PATH": PATH, "HOME": "/root", "DOCKER_CONFIG": str(self.config)}

    @asynccontextmanager
    async def api(self) -> AsyncIterator[Api]:
        """Give a connection to the daemon, without its command line."""
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(self.socket), limit=0)) as session:
            yield Api(session, "docker")


class Api:
    """The daemon's own interface (Docker Engine API), which Podman's service has as well.

    Args:
        session: a connection to its socket.
        name: whose it is, for messages.
        cgroup_parent: of the containers' cgroups; "" for the daemon's own.
    """

    def __init__(self, session: aiohttp.ClientSession, name: str, cgroup_parent: str = "") -> None:
        self._session = session
        self._name = name
        self._host_config = {"CgroupParent": cgroup_parent}

    async def answers(self) -> bool:
        """Say whether the daemon listens."""
        try:
            await self._call("GET", "_ping")
        except aiohttp.ClientError:
            return False
        return True

    async def run(self, name: str, image: str, args: Sequence[str]) -> str:
        """Create and start a container; returns its id once it runs."""
        wanted = {"Image": image, "Cmd": list(args), "HostConfig": self._host_config}
        made = await self._call("POST", f"containers/create?name={name}", wanted)
        container: str = json.loads(made)["Id"]
        await self._call("POST", f"containers/{container}/start")
        return container

    async def remove(self, container: str) -> None:
        """Kill and remove a container."""
        await self._call("DELETE", f"containers/{container}?force=1")

    async def _call(self, method: str, path: str, body: object = None) -> bytes:
        async with self._session.request(method, f"http://{self._name}/{path}", json=body) as response:
            said = await response.read()
            if response.status >= 300:
                raise Conflict(f"{self._name} refused {method} {path}: {said.decode(errors='replace').strip()}")
            return said


async def start(layout: Layout) -> Docker:
    """Start Docker in a lab that is up. It ends, and all of it goes, with that lab.

    A lab's host is all it needs: a network, mounts, processes and a /run of its own, so that neither a firewall nor
    another containerd of this machine is in the way, and what it leaves dies with the host.

    Raises:
        InvalidSpec: it is not installed.
        Unavailable: it does not come up; the message ends with what it said.
    """
    if absent := missing():
        raise InvalidSpec(absent)
    data = layout.host_data(_HOST.name)
    for directory in (data, data / "client"):
        directory.mkdir(mode=0o700)
    settings = data / "daemon.json"
    settings.write_text(json.dumps({"exec-opts": ["native.cgroupdriver=cgroupfs"], "default-ulimits": {}}))
    await boot(layout, _HOST)
    orders = Orders(_HOST.name, layout.socket(_HOST.name))
    await inside(orders.pid, ["ip", "link", "set", "lo", "up"], net_only=True)
    log, socket = layout.log(_HOST.name, "dockerd"), data / "docker.sock"
    argv = [
        *("dockerd", "--config-file", str(settings), "--data-root", str(data / "data"), "-H", f"unix://{socket}"),
        *("--cgroup-parent", layout.cgroup(_HOST.name)),
    ]
    await orders.start("dockerd", argv, log)
    docker = Docker(socket, data / "client", orders.pid, "")
    deadline = asyncio.get_running_loop().time() + _READY_SECONDS
    while (version := await _version(docker)) is None:
        running = (await orders.services())["dockerd"][0]
        if not running or asyncio.get_running_loop().time() > deadline:
            last = (log.read_text(errors="replace").strip().splitlines() or ["nothing"])[-1]
            raise Unavailable(f"dockerd did not come up; it said: {last}")
        # Nothing tells when it listens but that it answers.
        await asyncio.sleep(0.05)
    return replace(docker, version=version)


async def _version(docker: Docker) -> str | None:
    process = await asyncio.create_subprocess_exec(
        *(*docker.command, "version", "--format", "{{.Server.Version}}"),
        env=docker.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    output = (await process.communicate())[0]
    return output.decode().strip() if process.returncode == 0 else None
