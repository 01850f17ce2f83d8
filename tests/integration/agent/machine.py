"""A whole agent process on a host of the test's own: real images, sandboxes, tasks; a small leader beside it.

Only for processes that `conftest.agent_host` started, in private mount and network namespaces.
"""

from __future__ import annotations

import asyncio
import io
import json
import secrets
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import grpc.aio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shoal_agent.paths import NodePaths
from shoal_common.identity import Identity, Role, node_server_name
from shoal_common.ids import new_container_id, node_id
from shoal_common.registry import Registry
from shoal_common.rpc_client import TlsFiles, secure_channel
from shoal_common.rpc_server import SERVER_OPTIONS, ServerInterceptor
from shoal_controller.pki.authority import Authority, now
from shoal_proto.v1.agent_pb2_grpc import AgentServiceStub
from shoal_proto.v1.container_pb2 import ContainerConfig, DesiredState, NetworkMode
from shoal_proto.v1.dispatcher_pb2 import Assignment
from shoal_proto.v1.dispatcher_pb2_grpc import DispatcherServiceServicer, add_DispatcherServiceServicer_to_server
from shoal_proto.v1.node_pb2 import HoldRole
from shoal_proto.v1.resources_pb2 import Address, Resources

if TYPE_CHECKING:
    from shoal_proto.v1.agent_pb2_grpc import AgentServiceAsyncStub
from tests.integration.agent.leader import CLUSTER, SmallLeader
from tests.integration.images.conftest import ImageMaker, MadeImage, RegistryServer

LEADER = "127.0.0.1:7400"
AGENT = "127.0.0.1:7410"
_FLAT, _ALONE = NetworkMode.NETWORK_MODE_DEFAULT, NetworkMode.NETWORK_MODE_NONE
_APPLETS = ("sh", "echo", "sleep", "cat", "true", "httpd", "wget", "id", "seq", "kill", "trap", "false")


def busybox_layer() -> bytes:
    """The tar of a root file system that is busybox and nothing else."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name in ("bin", "tmp", "proc", "sys", "dev", "etc"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        archive.add("/bin/busybox", "bin/busybox")
        for applet in _APPLETS:
            entry = tarfile.TarInfo(f"bin/{applet}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(entry)
    return out.getvalue()


@dataclass
class Machine:
    """The host, its agent and its leader."""

    top: Path
    cgroup: str
    leader: SmallLeader
    registry: RegistryServer
    image: MadeImage
    node: str
    controller_tls: TlsFiles
    process: subprocess.Popen[bytes] | None = None
    used: int = 1
    starts: int = field(default=0)

    @property
    def paths(self) -> NodePaths:
        return NodePaths(data=self.top / "data", run=self.top / "run")

    def start_agent(self) -> None:
        """Start an agent process."""
        self.starts += 1
        program = "from shoal_agent.command import agent; agent()"
        with (self.top / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-W", "default", "-c", program, "--data-root", str(self.paths.data)),
                    *("--run-root", str(self.paths.run), "--listen", AGENT, "--name", "shl-agent", "--debug"),
                    *("--cgroup-parent", self.cgroup, "--registry-insecure", self.registry.host),
                ],
                stdout=log,
                stderr=log,
            )

    def kill_agent(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.leader.outgoing = None

    def stop_agent(self) -> int:
        """SIGTERM, as systemd does; return its exit code."""
        assert self.process is not None
        self.process.terminate()
        code = self.process.wait(20)
        self.leader.outgoing = None
        return code

    def assignment(self, *args: str, network: bool = False) -> Assignment:
        """A container that is to run."""
        assignment = Assignment(
            namespace="default",
            id=new_container_id(),
            name=f"shl-{secrets.token_hex(4)}",
            generation=1,
            role=HoldRole.HOLD_ROLE_CURRENT,
            config=ContainerConfig(
                image="box",
                args=args,
                env=["SECRET=fish"],
                network=_FLAT if network else _ALONE,
                resources=Resources(pids=50),
            ),
            image_repository=f"{self.registry.host}/{self.image.repository}",
            image_digest=self.image.digest,
            desired=DesiredState.DESIRED_STATE_RUNNING,
            run_admitted=1,
            stop_grace_ms=10_000,
        )
        if network:
            self.used += 1
            ip = f"10.88.0.{self.used}"
            mac = f"02:42:0a:58:00:{self.used:02x}"
            assignment.addresses.append(
                Address(network="default", ip=ip, prefix_length=16, gateway="10.88.0.1", mac=mac)
            )
        return assignment

    async def change(self, assignment: Assignment, **fields: object) -> Assignment:
        """Assign a changed copy."""
        changed = Assignment()
        changed.CopyFrom(assignment)
        for name, value in fields.items():
            setattr(changed, name, value)
        await self.leader.put(changed)
        return changed

    async def remove(self, *assignments: Assignment) -> None:
        """Remove containers by force and wait until nothing of them is left."""
        for assignment in assignments:
            await self.change(
                assignment,
                role=HoldRole.HOLD_ROLE_REMOVE,
                desired=DesiredState.DESIRED_STATE_REMOVED,
                stop_grace_ms=0,
            )
        ids = {assignment.id for assignment in assignments}
        await self.leader.until(lambda: ids <= self.leader.removed, "removal")
        await self.eventually(lambda: not any(self.paths.record(c).parent.exists() for c in ids), "no records")

    async def eventually(self, condition: Callable[[], bool], what: str, *, seconds: float = 20) -> None:
        """Wait for something that nobody tells of."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not condition():
            assert asyncio.get_running_loop().time() < deadline, f"{what}: not within {seconds} s"
            await asyncio.sleep(0.02)

    @asynccontextmanager
    async def service(self) -> AsyncIterator[AgentServiceAsyncStub]:
        """The agent's service, as a controller calls it."""
        async with secure_channel(AGENT, self.controller_tls, node_server_name(self.node)) as channel:
            yield AgentServiceStub(channel)

    def output(self, assignment: Assignment, attempt: int = 1) -> list[str]:
        """Lines of stdout that are in a container's log."""
        path = self.paths.logs(assignment.id, 1) / f"{attempt}.0.log"
        if not path.exists():
            return []
        lines = [line.split(" ", 3) for line in path.read_text().splitlines()]
        return [fields[3] for fields in lines if fields[1] == "stdout"]

    def check_clean(self) -> None:
        """Nothing is left of any container."""
        found = [str(path) for path in self.paths.containers.iterdir()]
        for directory in (self.paths.tasks, self.paths.exits, self.paths.rootfs, self.paths.sandboxes):
            found += [str(path) for path in directory.iterdir() if not path.name.startswith(".")]
        for kind in ("containers", "supervisors"):
            found += [str(path) for path in Path("/sys/fs/cgroup").glob(f"*{self.cgroup}/{kind}/*") if path.is_dir()]
        assert not found, found


def _certificate(authority: Authority, directory: Path, stem: str, role: Role, name: str) -> tuple[TlsFiles, str]:
    """Make a key and a certificate; "" as `name` means the node's own id."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    own = name or node_id(
        key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    files = TlsFiles(directory / "ca.pem", directory / f"{stem}.pem", directory / f"{stem}.key")
    files.ca.write_bytes(authority.pem)
    files.certificate.write_bytes(authority.sign(key.public_key(), Identity(role, own), ["127.0.0.1"], now()))
    files.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files, own


@asynccontextmanager
async def machine(top: Path, cgroup: str, *, disk: int = 0) -> AsyncIterator[Machine]:
    """A host with an agent that has joined and is connected; `disk`: MiB of a file system of its own for its data."""
    authority = Authority.create(CLUSTER, now())
    paths = NodePaths(data=top / "data", run=top / "run")
    for root in (paths.data, paths.run):
        root.mkdir(mode=0o700)
    if disk:
        await _own_disk(top / "disk", paths.data, disk)
    mount = ("mount", "-t", "tmpfs", "-o", "mode=711", "shl-agent", str(paths.run))
    assert await (await asyncio.create_subprocess_exec(*mount)).wait() == 0
    _, node = _certificate(authority, paths.identity, "node", Role.NODE, "")
    cluster = {"node_id": node, "cluster_id": CLUSTER, "controllers": [LEADER]}
    (paths.identity / "cluster.json").write_text(json.dumps(cluster))
    tls, _ = _certificate(authority, top / "controller", "controller", Role.CONTROLLER, "one")
    (top / "registry").mkdir()
    registry = RegistryServer(top / "registry")
    registry.start()
    client = Registry(insecure=[registry.host])
    image = await ImageMaker(client, registry.host)("box", [busybox_layer()])
    await client.close()
    leader = SmallLeader()
    server = await serve(leader, LEADER, tls)
    one = Machine(top, cgroup, leader, registry, image, node, tls)
    one.start_agent()
    try:
        await leader.until(lambda: bool(leader.processes), "a session")
        yield one
    except BaseException:
        print((top / "agent.log").read_text()[-12000:], file=sys.stderr)
        raise
    finally:
        if one.process is not None and one.process.poll() is None:
            one.process.terminate()
            one.process.wait(20)
        await server.stop(0)
        registry.stop()


async def _own_disk(file: Path, data: Path, size: int) -> None:
    """Mount a small ext4, without blocks that are root's alone; it goes with the mount namespace."""
    with file.open("wb") as stream:
        stream.truncate(size << 20)
    for command in (
        ("mkfs.ext4", "-q", "-m", "0", "-J", "size=4", str(file)),
        ("mount", "-o", "loop,nosuid,nodev", str(file), str(data)),
        ("chmod", "0700", str(data)),
    ):
        assert await (await asyncio.create_subprocess_exec(*command)).wait() == 0, command


async def serve(servicer: DispatcherServiceServicer, address: str, tls: TlsFiles) -> grpc.aio.Server:
    """A controller's server, for the dispatcher alone."""
    server = grpc.aio.server(
        interceptors=[ServerInterceptor({"shoal.v1.DispatcherService": (Role.NODE,)})], options=SERVER_OPTIONS
    )
    add_DispatcherServiceServicer_to_server(servicer, server)
    credentials = grpc.ssl_server_credentials(
        [(tls.key.read_bytes(), tls.certificate.read_bytes())],
        root_certificates=tls.ca.read_bytes(),
        require_client_auth=True,
    )
    server.add_secure_port(address, credentials)
    await server.start()
    return server
