"""A controller's API in memory, served by real gRPC with real certificates: for tests of the clients.

It keeps one state that any number of servers show, so that one of them can be killed and another take over.
"""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shoal_common.errors import AlreadyExists, Compacted, Conflict, NotFound, ShoalError, Unavailable
from shoal_common.identity import CONTROLLER_NAME, Role
from shoal_common.rpc_server import ServerInterceptor
from shoal_proto.v1 import (
    cluster_pb2,
    cluster_pb2_grpc,
    container_pb2_grpc,
    image_pb2,
    image_pb2_grpc,
    node_pb2,
    node_pb2_grpc,
)
from shoal_proto.v1 import (
    container_pb2 as pb,
)
from tests.fakes.files import ApiFiles, Files

SERVICES = ("ContainerService", "NodeService", "ImageService", "ClusterService")


@dataclass
class Authority:
    """A certificate authority in a directory."""

    directory: Path
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.ca = self.directory / "ca.pem"
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test CA")])
        certificate = self._build(self.name, self.key.public_key(), days=1, ca=True)
        self.ca.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _build(self, subject: x509.Name, public: Any, *, days: int, ca: bool) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=2))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if not ca:
            names = [x509.DNSName(CONTROLLER_NAME), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, name: str, role: Role, *, days: int = 1) -> tuple[Path, Path]:
        """Write a certificate and its key, and return their paths; -1 days: it has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, name), x509.NameAttribute(NameOID.ORGANIZATION_NAME, role.value)]
        )
        certificate = self._build(subject, key.public_key(), days=days, ca=False)
        paths = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return paths


class State:
    """What the cluster knows. Tests change it and call `changed`."""

    def __init__(self) -> None:
        self.containers: dict[str, pb.Container] = {}
        self.ended: dict[str, pb.WaitContainerResponse] = {}
        self.lines: list[pb.LogEntry] = []
        self.logs_complete = True
        self.events: list[pb.WatchContainersResponse] = []
        self.compacted = 0
        self.revision = 10
        self.condition = asyncio.Condition()
        self.calls: list[tuple[str, Any]] = []
        #: Errors that the next calls raise instead, by method.
        self.failures: dict[str, list[ShoalError]] = {}
        #: Ends the transport after a call was carried out, before its answer.
        self.lose_answer: set[str] = set()
        #: Batches after which a log stream is broken.
        self.break_logs_after: list[int] = []
        #: All that a terminal has written, when a stream to it was torn.
        self.torn = b""
        #: What was removed, by the request that asked for it.
        self.removed: dict[str, str] = {}
        self.images: dict[str, image_pb2.Image] = {}
        #: It knows of filters.
        self.selects = True
        self.archive = b""
        self.signals: list[str] = []
        #: What a new container is at once.
        self.new_phase = pb.CONTAINER_PHASE_RUNNING
        self.new_detail = ""
        self.exit_code = 0
        self.files = Files()

    async def changed(self) -> None:
        """Wake whoever waits."""
        async with self.condition:
            self.condition.notify_all()

    def find(self, ref: str) -> pb.Container:
        for container in self.containers.values():
            if ref in (container.spec.id, container.spec.name) or container.spec.id.startswith(ref):
                return container
        raise NotFound(f'container "{ref}" not found (list them with: shoal ps -a)')

    async def put(self, container: pb.Container) -> None:
        self.revision += 1
        container.revision = self.revision
        self.containers[container.spec.id] = container
        copy = pb.Container()
        copy.CopyFrom(container)
        self.events.append(pb.WatchContainersResponse(revision=self.revision, container=copy))
        await self.changed()

    async def drop(self, identifier: str) -> None:
        self.revision += 1
        container = self.containers.pop(identifier)
        self.ended.setdefault(
            identifier, pb.WaitContainerResponse(done=True, phase=container.phase, exit_code=container.status.exit_code)
        )
        self.events.append(pb.WatchContainersResponse(revision=self.revision, removed=identifier))
        await self.changed()

    async def end(self, ref: str, code: int, phase: Any = pb.CONTAINER_PHASE_EXITED, detail: str = "") -> None:
        container = self.find(ref)
        container.phase, container.detail = phase, detail
        container.status.exit_code = code
        container.status.finished_at.GetCurrentTime()
        self.logs_complete = True
        await self.put(container)
        if container.spec.config.auto_remove:
            await self.drop(container.spec.id)


class Containers(ApiFiles, container_pb2_grpc.ContainerServiceServicer):
    def __init__(self, state: State) -> None:
        self.state = state
        self.files = state.files

    async def _note(self, name: str, request: Any, context: Any) -> None:
        self.state.calls.append((name, request))
        await self.state.changed()
        if failures := self.state.failures.get(name):
            raise failures.pop(0)

    async def _answer(self, name: str, context: Any) -> None:
        if name in self.state.lose_answer:
            self.state.lose_answer.discard(name)
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")

    async def CreateContainer(self, request, context):  # type: ignore[no-untyped-def]
        await self._note("CreateContainer", request, context)
        state = self.state
        if request.id in state.ended:
            return pb.CreateContainerResponse(
                tombstone=pb.Tombstone(
                    id=request.id,
                    name=request.name,
                    run=1,
                    status=pb.ContainerStatus(
                        state=pb.CONTAINER_STATE_EXITED, exit_code=state.ended[request.id].exit_code
                    ),
                )
            )
        if request.id not in state.containers:
            if any(each.spec.name == request.name for each in state.containers.values()):
                raise AlreadyExists(f'container name "{request.name}" is taken (choose another)')
            container = pb.Container(
                spec=pb.ContainerSpec(id=request.id, name=request.name, config=request.config, run=int(request.start)),
                phase=state.new_phase if request.start else pb.CONTAINER_PHASE_CREATED,
                detail=state.new_detail,
                node_name="n1",
            )
            container.spec.created_at.GetCurrentTime()
            container.status.started_at.GetCurrentTime()
            await state.put(container)
            if container.phase in (pb.CONTAINER_PHASE_EXITED, pb.CONTAINER_PHASE_FAILED):
                await state.end(request.id, state.exit_code, container.phase, state.new_detail)
        await self._answer("CreateContainer", context)
        if request.id not in state.containers:
            return await self.CreateContainer(request, context)  # type: ignore[no-untyped-call]
        return pb.CreateContainerResponse(container=state.containers[request.id])

    async def GetContainer(self, request, context):  # type: ignore[no-untyped-def]
        await self._note("GetContainer", request, context)
        return self.state.find(request.container.ref)

    async def ListContainers(self, request, context):  # type: ignore[no-untyped-def]
        await self._note("ListContainers", request, context)
        every = list(self.state.containers.values())
        start = int(request.page_token or 0)
        page = every[start : start + 2]
        more = str(start + 2) if start + 2 < len(every) else ""
        return pb.ListContainersResponse(containers=page, next_page_token=more, revision=self.state.revision)

    async def WatchContainers(self, request, context):  # type: ignore[no-untyped-def]
        await self._note("WatchContainers", request, context)
        if request.after_revision < self.state.compacted:
            raise Compacted("that history is gone")
        sent = 0
        while True:
            while sent < len(self.state.events):
                event = self.state.events[sent]
                sent += 1
                if event.revision > request.after_revision:
                    yield event
            async with self.state.condition:
                await self.state.condition.wait_for(lambda: sent < len(self.state.events))  # noqa: B023

    async def StartContainer(self, request, context):  # type: ignore[no-untyped-def]
        await self._note("StartContainer", request, context)
        container = self.state.find(request.container.ref)
        container.spec.run += 1
        container.phase = pb.CONTAINER_PHASE_RUNNING
        await self.state.put(container)
        return container

    async def StopContainer(self, request, context):  # type: ignore[no-untyped-def]
        await self._note("StopContainer", request, context)
        container = self.state.find(request.container.ref)
        await self.state.end(container.spec.id, 143)
        return container

    async def RestartContainer(self, request, context):  # type: ignore[no-untyped-def]
        return await self.StartContainer(request, context)  # type: ignore[no-untyped-call]

    async def PauseContainer(self, request, context):  # type: ignore[no-untyped-def]
        return await self._pause("PauseContainer", request, context, paused=True)

    async def UnpauseContainer(self, request, context):  # type: ignore[no-untyped-def]
        return await self._pause("UnpauseContainer", request, context, paused=False)

    async def RenameContainer(self, request, context):  # type: ignore[no-untyped-def]
        await self._note("RenameContainer", request, context)
        container = self.state.find(request.container.ref)
        container.spec.name = request.name
        await self.state.put(container)
        return container

    async def UpdateContainer(self, request, context):  # type: ignore[no-untyped-def]
        await self._note("UpdateContainer", request, context)
        container = self.state.find(request.container.ref)
        container.spec.config.restart.CopyFrom(request.restart)
        await self.state.put(container)
        return container

    async def PruneContainers(self, request, context):  # type: ignore[no-untyped-def]
        await self._note("PruneContainers", request, context)
        ended = (pb.CONTAINER_PHASE_EXITED, pb.CONTAINER_PHASE_CREATED, pb.CONTAINER_PHASE_FAILED)
        ids = [id_ for id_, container in self.state.containers.items() if container.phase in ended]
        for identifier in ids:
            await self.state.drop(identifier)
        return pb.PruneContainersResponse(ids=ids)

    async def _pause(self, name: str, request: Any, context: Any, *, paused: bool) -> pb.Container:
        await self._note(name, request, context)
        container = self.state.find(request.container.ref)
        container.spec.paused = container.status.paused = paused
        container.phase = pb.CONTAINER_PHASE_PAUSED if paused else pb.CONTAINER_PHASE_RUNNING
        await self.state.put(container)
        return container

    async def RemoveContainer(self, request, context):  # type: ignore[no-untyped-def]
        await self._note("RemoveContainer", request, context)
        if request.request_id in self.state.removed:
            return pb.RemoveContainerResponse(id=self.state.removed[request.request_id])
        container = self.state.find(request.container.ref)
        if container.phase == pb.CONTAINER_PHASE_RUNNING and not request.force:
            raise Conflict(f'container "{request.container.ref}" runs (stop it, or use force)')
        self.state.removed[request.request_id] = container.spec.id
        await self.state.drop(container.spec.id)
        await self._answer("RemoveContainer", context)
        return pb.RemoveContainerResponse(id=container.spec.id)

    async def KillContainer(self, request, context):  # type: ignore[no-untyped-def]
        await self._note("KillContainer", request, context)
        self.state.find(request.container.ref)
        self.state.signals.append(request.signal)
        await self.state.changed()
        await self._answer("KillContainer", context)
        return pb.KillContainerResponse()

    async def WaitContainer(self, request, context):  # type: ignore[no-untyped-def]
        await self._note("WaitContainer", request, context)
        ref, last = request.container.ref, None
        while True:
            if ref in self.state.ended:
                done = pb.WaitContainerResponse(id=ref)
                done.MergeFrom(self.state.ended[ref])
                yield done
                return
            revision = self.state.revision
            container = self.state.find(ref)
            ref = container.spec.id
            over = container.phase in (pb.CONTAINER_PHASE_EXITED, pb.CONTAINER_PHASE_FAILED)
            running = container.phase == pb.CONTAINER_PHASE_RUNNING
            met = request.condition != pb.WAIT_CONDITION_REMOVED and (
                over or (running and request.condition == pb.WAIT_CONDITION_RUNNING)
            )
            now = pb.WaitContainerResponse(
                id=ref,
                done=met,
                phase=container.phase,
                detail=container.detail,
                exit_code=container.status.exit_code,
            )
            if now != last:
                yield now
                last = now
            if met:
                return
            async with self.state.condition:
                await self.state.condition.wait_for(lambda: self.state.revision != revision)  # noqa: B023

    async def ContainerLogs(self, request, context):  # type: ignore[no-untyped-def]
        await self._note("ContainerLogs", request, context)
        self.state.find(request.container.ref)
        position = request.cursor.offset
        if not request.HasField("cursor") and request.HasField("tail"):
            position = max(0, len(self.state.lines) - request.tail)
        limit = self.state.break_logs_after.pop(0) if self.state.break_logs_after else -1
        sent = 0
        while True:
            while position < len(self.state.lines):
                if sent == limit:
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
                entry = self.state.lines[position]
                position += 1
                sent += 1
                yield pb.LogsResponse(entries=[entry], cursor=pb.LogCursor(generation=1, attempt=1, offset=position))
            if not request.follow or self.state.logs_complete:
                return
            async with self.state.condition:
                await self.state.condition.wait_for(
                    lambda: len(self.state.lines) > position or self.state.logs_complete  # noqa: B023
                )

    async def ExecContainer(self, requests, context):  # type: ignore[no-untyped-def]
        """`cat` echoes its input, `both` writes to each stream, `sleep` ends by a signal, `lost` breaks off."""
        start = None
        async for request in requests:
            if request.HasField("start"):
                start = request.start
                await self._note("ExecContainer", start, context)
                self.state.find(start.container.ref)
                if start.args[0] == "nothing":
                    yield pb.ExecResponse(exit_code=127)
                    return
                yield pb.ExecResponse(started=42)
                if start.args[0] == "both":
                    yield pb.ExecResponse(stdout=b"out\n")
                    yield pb.ExecResponse(stderr=b"err\n")
                    yield pb.ExecResponse(exit_code=3)
                    return
                if start.args[0] == "lost":
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
            elif request.HasField("signal"):
                yield pb.ExecResponse(exit_code=128 + request.signal)
                return
            elif request.HasField("stdin"):
                yield pb.ExecResponse(stdout=request.stdin)
            elif request.close_stdin:
                yield pb.ExecResponse(exit_code=0)
                return

    async def StatsContainers(self, request, context):  # type: ignore[no-untyped-def]
        await self._note("StatsContainers", request, context)
        yield pb.StatsResponse(stats=[pb.ContainerStats(name=each.ref, pids=1) for each in request.containers])

    async def TopContainer(self, request, context):  # type: ignore[no-untyped-def]
        await self._note("TopContainer", request, context)
        return pb.TopResponse(processes=[pb.Process(pid=42, inner_pid=1)])

    async def AttachContainer(self, requests, context):  # type: ignore[no-untyped-def]
        """Echo the input in a terminal; "exit N" ends it, "break" breaks off, "tear" does so within a piece."""
        written = 0
        async for request in requests:
            if request.HasField("start"):
                await self._note("AttachContainer", request.start, context)
                self.state.find(request.start.container.ref)
                written = request.start.cursor.offset
                yield pb.AttachResponse(opened=pb.AttachOpened(tty=True, run=1))
                yield pb.AttachResponse(cursor=pb.LogCursor(offset=written))
                if missed := self.state.torn[written:]:
                    written += len(missed)
                    yield pb.AttachResponse(stdout=missed)
                    yield pb.AttachResponse(cursor=pb.LogCursor(offset=written))
            elif request.HasField("resize"):
                yield pb.AttachResponse(stdout=f"{request.resize.columns}x{request.resize.rows}".encode())
                yield pb.AttachResponse(cursor=pb.LogCursor(offset=written))
            elif request.HasField("stdin"):
                word, _, number = request.stdin.decode().partition(" ")
                if word == "exit":
                    yield pb.AttachResponse(exit_code=int(number))
                    return
                if word == "break":
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
                if word == "tear":
                    self.state.torn = bytes(written) + request.stdin
                    yield pb.AttachResponse(stdout=request.stdin)
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
                written += len(request.stdin)
                yield pb.AttachResponse(stdout=request.stdin)
                yield pb.AttachResponse(cursor=pb.LogCursor(offset=written))


class Nodes(node_pb2_grpc.NodeServiceServicer):
    async def ListNodes(self, request, context):  # type: ignore[no-untyped-def]
        node = node_pb2.Node(
            spec=node_pb2.NodeSpec(id="ab" * 16, name="n1"),
            status=node_pb2.NodeStatus(
                state=node_pb2.NODE_STATE_READY,
                description=node_pb2.NodeDescription(runtimes={"crun": "1.8.1", "runc": "1.1.5"}),
            ),
        )
        return node_pb2.ListNodesResponse(nodes=[node])

    async def GetNode(self, request, context):  # type: ignore[no-untyped-def]
        raise NotFound(f'node "{request.ref}" not found (list them with: shoal node ls)')

    async def UpdateNode(self, request, context):  # type: ignore[no-untyped-def]
        if request.ref != "n1":
            raise NotFound(f'node "{request.ref}" not found (shoal node ls lists them)')
        spec = node_pb2.NodeSpec(id="ab" * 16, name="n1", labels=request.set_labels, cordoned=request.cordoned)
        return node_pb2.Node(spec=spec)

    async def DrainNode(self, request, context):  # type: ignore[no-untyped-def]
        def news(name: str, outcome: node_pb2.DrainOutcome, reason: str = "") -> node_pb2.DrainNodeResponse:
            return node_pb2.DrainNodeResponse(
                container_id=name * 64, container_name=name, outcome=outcome, reason=reason
            )

        yield news("a", node_pb2.DRAIN_OUTCOME_STOPPING)
        if not request.force:
            yield news("b", node_pb2.DRAIN_OUTCOME_LEFT, "it was run with --rm")
        yield news("a", node_pb2.DRAIN_OUTCOME_STOPPED, "its data stays on n1")

    async def RemoveNode(self, request, context):  # type: ignore[no-untyped-def]
        if not request.force:
            raise Conflict(f"node {request.ref} holds 1 container: web (or: shoal node rm --force {request.ref})")
        return node_pb2.RemoveNodeResponse(id="ab" * 16, lost=["a" * 64])

    async def ListStrays(self, request, context):  # type: ignore[no-untyped-def]
        return node_pb2.ListStraysResponse(strays=[node_pb2.Stray(id="5" * 64, name="web", image="web:3")])

    async def ResolveStrays(self, request, context):  # type: ignore[no-untyped-def]
        strays = [
            node_pb2.ResolvedStray(id="5" * 64, name="web"),
            node_pb2.ResolvedStray(id="6" * 64, error="no record"),
        ]
        return node_pb2.ResolveStraysResponse(strays=strays)


class Images(image_pb2_grpc.ImageServiceServicer):
    def __init__(self, state: State) -> None:
        self.state = state

    async def ImportImage(self, requests, context):  # type: ignore[no-untyped-def]
        start, data, whole = image_pb2.ImportImageStart(), b"", False
        try:
            async for request in requests:
                if request.HasField("start"):
                    start = request.start
                    yield image_pb2.ImportImageResponse(received_bytes=0)
                elif request.HasField("data"):
                    data += request.data
                    yield image_pb2.ImportImageResponse(received_bytes=len(data))
                else:
                    whole = request.finished
            if not whole:
                raise Unavailable("the upload of an image broke off (import it again)")
            self.state.archive = data
            image = image_pb2.Image(reference=start.reference, digest="sha256:" + "1" * 64, config=start.config)
            self.state.images[start.reference] = image
            yield image_pb2.ImportImageResponse(image=image)
        finally:
            self.state.calls.append(("ImportImage", start))
            await self.state.changed()

    async def GetImage(self, request, context):  # type: ignore[no-untyped-def]
        if request.ref not in self.state.images:
            raise NotFound(f'image "{request.ref}" not found in registry r:5000 (import it)')
        return self.state.images[request.ref]

    async def ListImages(self, request, context):  # type: ignore[no-untyped-def]
        self.state.calls.append(("ListImages", request))
        return image_pb2.ListImagesResponse(images=self.state.images.values(), selected=self.state.selects)

    async def PullImage(self, request, context):  # type: ignore[no-untyped-def]
        yield image_pb2.PullImageResponse(node="n1", error="")


class Cluster(cluster_pb2_grpc.ClusterServiceServicer):
    async def GetVersion(self, request, context):  # type: ignore[no-untyped-def]
        return cluster_pb2.GetVersionResponse(version="0.1.0", api="shoal.v1", python="3", etcd="3.4")

    async def GetInfo(self, request, context):  # type: ignore[no-untyped-def]
        return cluster_pb2.ClusterInfo(cluster_id="c", nodes=1, nodes_ready=1)

    async def GetSystemUsage(self, request, context):  # type: ignore[no-untyped-def]
        return cluster_pb2.SystemUsageResponse(nodes=[cluster_pb2.NodeUsage(node_name="node1", images=1)])

    async def PruneImages(self, request, context):  # type: ignore[no-untyped-def]
        return cluster_pb2.PruneImagesResponse(images=1, freed_bytes=10, names=["node1: web@1"])

    async def CreateJoinToken(self, request, context):  # type: ignore[no-untyped-def]
        return cluster_pb2.CreateJoinTokenResponse(token="SHOAL-1-x")

    async def RecoverCluster(self, request, context):  # type: ignore[no-untyped-def]
        yield cluster_pb2.RecoverClusterResponse(message=f"waiting for {request.nodes} nodes")
        yield cluster_pb2.RecoverClusterResponse(message="the cluster is back", done=True, nodes=2, adopted=3)

    async def BackupCluster(self, request, context):  # type: ignore[no-untyped-def]
        if request.passphrase == "breaks off":
            yield cluster_pb2.BackupClusterResponse(data=b"part")
            raise Unavailable("etcd's snapshot is not whole (try again)")
        yield cluster_pb2.BackupClusterResponse(data=request.passphrase.encode())
        yield cluster_pb2.BackupClusterResponse(data=b" and more")

    async def CompactStore(self, request, context):  # type: ignore[no-untyped-def]
        return cluster_pb2.CompactStoreResponse(size_before=3 << 20, size_after=1 << 20, alarm_cleared=True)

    async def GetPolicy(self, request, context):  # type: ignore[no-untyped-def]
        return cluster_pb2.ClusterPolicy(schema=1, allowed=["devices"])

    async def UpdatePolicy(self, request, context):  # type: ignore[no-untyped-def]
        return cluster_pb2.ClusterPolicy(schema=1, allowed=sorted({"devices", *request.allow} - {*request.deny}))


class FakeController:
    """One server that shows a state."""

    def __init__(self, state: State, authority: Authority) -> None:
        self.state = state
        self.authority = authority
        self.port = 0
        self._server: grpc.aio.Server | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        certificate, key = self.authority.issue("controller", Role.CONTROLLER)
        credentials = grpc.ssl_server_credentials(
            [(key.read_bytes(), certificate.read_bytes())], self.authority.ca.read_bytes(), require_client_auth=True
        )
        interceptor = ServerInterceptor({f"shoal.v1.{name}": {Role.ADMIN} for name in SERVICES})
        server = grpc.aio.server(interceptors=[interceptor], options=[("grpc.so_reuseport", 0)])
        container_pb2_grpc.add_ContainerServiceServicer_to_server(Containers(self.state), server)
        node_pb2_grpc.add_NodeServiceServicer_to_server(Nodes(), server)
        image_pb2_grpc.add_ImageServiceServicer_to_server(Images(self.state), server)
        cluster_pb2_grpc.add_ClusterServiceServicer_to_server(Cluster(), server)
        self.port = server.add_secure_port(f"127.0.0.1:{self.port}", credentials)
        await server.start()
        self._server = server

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(None)
            self._server = None


async def serving(state: State, authority: Authority) -> AsyncIterator[FakeController]:
    """Serve while a fixture lasts."""
    controller = FakeController(state, authority)
    await controller.start()
    try:
        yield controller
    finally:
        await controller.stop()
