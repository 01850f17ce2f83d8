"""What a node tells of its host."""

from __future__ import annotations

import asyncio
import os
import platform
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pyroute2 import IPRoute

from shoal_agent.network.links import BRIDGE
from shoal_agent.runtime.abilities import Abilities
from shoal_agent.settings import Settings
from shoal_common.containers.ports import is_loopback
from shoal_common.errors import Unavailable
from shoal_common.version import VERSION
from shoal_proto.v1.container_pb2 import ContainerConfig
from shoal_proto.v1.node_pb2 import NodeDescription
from shoal_proto.v1.resources_pb2 import Resources

#: Seconds that a runtime may take to say its version.
_VERSION_TIMEOUT: Final = 10.0
_CGROUP2: Final = "cgroup2"


async def describe(settings: Settings, can: Abilities, *, boot_id: str) -> NodeDescription:
    """Return the description of this host, whose control groups can do what `can` says.

    Raises:
        Unavailable: an OCI runtime can't be executed.
    """
    memory = settings.memory_bytes or total_memory(Path("/proc/meminfo").read_text())
    cpus = settings.cpu_millis or 1000 * len(os.sched_getaffinity(0))
    return NodeDescription(
        name=settings.name,
        address=settings.listen,
        capacity=Resources(memory_bytes=memory, cpu_millis=cpus),
        labels=settings.labels,
        version=VERSION,
        kernel=platform.release(),
        operating_system=_operating_system(),
        architecture=platform.machine(),
        runtimes=await _versions(settings.runtimes),
        cgroups=cgroup_kind(Path("/proc/self/mountinfo").read_text()),
        boot_id=boot_id,
        addresses=await asyncio.to_thread(_addresses),
        bind_paths=[str(each) for each in settings.allowed_binds],
        configuration=max(ContainerConfig.DESCRIPTOR.fields_by_number),
        limits=can.limits,
        cpuset_cpus=can.cpus,
        cpuset_mems=can.mems,
    )


def _addresses() -> list[str]:
    """Return the host's IPv4 addresses but for its loopback's and those of links that are Shoal's own."""
    with IPRoute() as route:
        own = set(route.link_lookup(ifname=BRIDGE))
        found = [each for each in route.get_addr(family=socket.AF_INET) if each["index"] not in own]
    addresses = {str(each.get("local") or each.get("address")) for each in found}
    return sorted(address for address in addresses if not is_loopback(address))


def total_memory(meminfo: str) -> int:
    """Return the bytes of memory that /proc/meminfo tells of."""
    for line in meminfo.splitlines():
        name, _, rest = line.partition(":")
        if name == "MemTotal":
            return int(rest.split()[0]) * 1024
    raise Unavailable("/proc/meminfo does not say how much memory the host has (say it: --memory)")


def cgroup_kind(mountinfo: str) -> str:
    """Return "v2", "v1", or "hybrid" where a cgroup2 tree is mounted beside those of v1."""
    kinds = set()
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        if after and before.split()[4].startswith("/sys/fs/cgroup"):
            kinds.add(after.split()[0])
    if _CGROUP2 in kinds:
        return "hybrid" if "cgroup" in kinds else "v2"
    return "v1"


def _operating_system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.system()


async def _versions(runtimes: Mapping[str, Path]) -> dict[str, str]:
    return {name: await _version(name, program) for name, program in runtimes.items()}


async def _version(name: str, program: Path) -> str:
    """Return the number that "crun version 1.8.1" or "runc version 1.1.5+ds1" names on the first line."""
    try:
        process = await asyncio.create_subprocess_exec(
            str(program),
            "--version",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        raise Unavailable(f"runtime {name} can't be executed: {program}: {error.strerror}") from error
    async with asyncio.timeout(_VERSION_TIMEOUT):
        output, _ = await process.communicate()
    words = output.decode(errors="replace").partition("\n")[0].split()
    return words[-1] if words else "unknown"
