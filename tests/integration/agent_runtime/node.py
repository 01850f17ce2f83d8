"""A node of the tests' own: paths, one sandbox and a root file system, in a private mount namespace.

Only for processes that `conftest.inside` started: it mounts, and makes control groups below one parent.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from shoal_agent.paths import NodePaths
from shoal_agent.runtime.confinement import confinement_of, own_capabilities, own_limits
from shoal_agent.runtime.devices import find_devices
from shoal_agent.runtime.host_files import Names
from shoal_agent.runtime.logs import read_attempt
from shoal_agent.runtime.mounts import FileSystems
from shoal_agent.runtime.oom_scores import own_score
from shoal_agent.runtime.process import Process
from shoal_agent.runtime.task import NO_STREAMS, Streams
from shoal_agent.runtime.tasks import Exited, TaskKey, Tasks, TaskSpec
from shoal_agent.sandbox.sandboxes import Sandbox
from shoal_proto.v1.container_pb2 import ContainerConfig
from shoal_proto.v1.resources_pb2 import Resources

E = TypeVar("E", bound=BaseException)
UID_BASE = 1_700_003_840
PROGRAMS = {"crun": Path("/usr/bin/crun"), "runc": Path("/usr/sbin/runc")}
CONTAINER = "ab" * 32


@dataclass
class Node:
    """What a test needs to start tasks."""

    top: Path
    runtime: str
    parent: str
    keepers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def paths(self) -> NodePaths:
        return NodePaths(data=self.top / "data", run=self.top / "run")

    @property
    def rootfs(self) -> Path:
        return self.paths.rootfs / "p"

    @property
    def sandbox(self) -> Sandbox:
        pins = self.paths.sandboxes
        return Sandbox(key="p", user_ns=pins / "user", net_ns=pins / "net", uid_base=UID_BASE)

    def tasks(self) -> Tasks:
        return Tasks(self.paths, cgroup_parent=self.parent, runtimes=PROGRAMS, default_runtime=self.runtime)

    def log(self, attempt: int = 1) -> Path:
        return self.paths.logs(CONTAINER, 1) / f"{attempt}.0.log"

    def spec(
        self,
        *args: str,
        attempt: int = 1,
        user: str = "",
        cwd: str = "/",
        config: ContainerConfig | None = None,
        streams: Streams = NO_STREAMS,
        **limits: Any,
    ) -> TaskSpec:
        env = ("PATH=/bin", "HOSTNAME=box", "COLOUR=blue")
        process = Process(args=args, env=env, cwd=cwd, user=user, hostname="box", stop_signal=15)
        return TaskSpec(
            key=TaskKey(CONTAINER, 1, attempt),
            process=process,
            rootfs=self.rootfs,
            sandbox=self.sandbox,
            resources=Resources(**limits),
            runtime="",
            logs=self.paths.logs(CONTAINER, 1),
            systems=FileSystems(),
            names=Names(),
            confinement=confinement_of(
                config or ContainerConfig(),
                own_limits(),
                score=own_score(own_capabilities()),
                devices=find_devices(config.devices if config else ()),
            ),
            streams=streams,
        )

    def lines(self, stream: str = "stdout", attempt: int = 1) -> list[str]:
        """What the task wrote, whole lines."""
        found = [line.split(" ", 3) for line in self.log(attempt).read_text().splitlines()]
        return [fields[3] for fields in found if fields[1] == stream]

    def prepare(self) -> None:
        run = self.paths.run
        run.mkdir(parents=True)
        _call("mount", "-t", "tmpfs", "-o", "mode=700", "shl-runtime", str(run))
        self.paths.data.mkdir(mode=0o700)
        self.paths.sandboxes.mkdir(mode=0o700)
        self.rootfs.mkdir(parents=True, mode=0o700)
        _call("mount", "-t", "tmpfs", "-o", "mode=755", "shl-runtime", str(self.rootfs))
        for name in ("bin", "etc", "tmp", "proc", "sys", "dev", "root", "home"):
            (self.rootfs / name).mkdir()
        (self.rootfs / "tmp").chmod(0o1777)
        shutil.copy("/usr/bin/busybox", self.rootfs / "bin/busybox")
        for applet in subprocess.run(["busybox", "--list"], check=True, capture_output=True, text=True).stdout.split():
            if applet != "busybox":
                (self.rootfs / "bin" / applet).symlink_to("busybox")
        (self.rootfs / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:web:/home:/bin/sh\n")
        (self.rootfs / "etc/group").write_text("root:x:0:\nwww:x:34:\nextra:x:50:web\n")
        for directory, _, files in os.walk(self.rootfs):
            for name in (".", *files):
                os.chown(Path(directory) / name, UID_BASE, UID_BASE, follow_symlinks=False)
        self._make_sandbox()

    def _make_sandbox(self) -> None:
        user = subprocess.Popen(["unshare", "-U", "sh", "-c", "echo; exec sleep 1000"], stdout=subprocess.PIPE)
        self._keep(user)
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{user.pid}/{name}").write_text(f"0 {UID_BASE} 65536")
        net = subprocess.Popen(
            ["nsenter", "-t", str(user.pid), "-U", "-S0", "-G0", "unshare", "-n", "sh", "-c", "echo; exec sleep 1000"],
            stdout=subprocess.PIPE,
        )
        self._keep(net)
        for name, pid in (("user", user.pid), ("net", net.pid)):
            pin = self.paths.sandboxes / name
            pin.touch()
            _call("mount", "--bind", f"/proc/{pid}/ns/{name}", str(pin))
        for keeper in self.keepers:
            keeper.kill()
            keeper.wait()

    def _keep(self, keeper: subprocess.Popen[bytes]) -> None:
        assert keeper.stdout is not None
        keeper.stdout.readline()
        keeper.stdout.close()
        self.keepers.append(keeper)


@contextlib.asynccontextmanager
async def opened(node: Node) -> AsyncIterator[Tasks]:
    """Give open tasks; everything they have is deleted at the end."""
    tasks = node.tasks()
    await tasks.open()
    try:
        yield tasks
    finally:
        for key in tasks.known():
            await tasks.delete(key)
        assert tasks.known() == set()
        await tasks.close()


async def next_exit(tasks: Tasks) -> tuple[TaskKey, Exited]:
    """Wait for the next exit."""
    async for found in tasks.exits.given():
        return found
    raise AssertionError("exits ended")


async def line(node: Node, text: str, attempt: int = 1) -> None:
    """Wait until the task has written a line."""
    ended = asyncio.Event()
    directory = node.paths.logs(CONTAINER, 1)
    async for batch in read_attempt(directory, generation=1, attempt=attempt, cursor=None, follow=True, ended=ended):
        if any(entry.data == text.encode() + b"\n" for entry in batch.entries):
            ended.set()


async def refused(kind: type[E], call: Awaitable[object]) -> E:
    """Wait for a call that must raise an error of a kind; return the error."""
    try:
        await call
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def spawn(command: list[str]) -> subprocess.Popen[bytes]:
    """Start a process that stands for an agent."""
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def kill_hard(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that stands for an agent."""
    process.send_signal(signal.SIGKILL)
    process.wait()


def _call(*command: str) -> None:
    subprocess.run(command, check=True)
