"""The real services on a real server, over a real etcd and a real registry, with a small agent where one is needed."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import grpc.aio
import pytest

from shoal_common.identity import Identity, Role
from shoal_common.registry import Registry
from shoal_common.rpc_client import TlsFiles, local_channel
from shoal_common.sealing import Sealer
from shoal_controller.api.cluster import ClusterService
from shoal_controller.api.containers.service import ContainerService
from shoal_controller.api.images.pruning import ImagePruning
from shoal_controller.api.images.service import ImageService
from shoal_controller.api.nodes.disk_usage import NodeDisks, SystemUsage
from shoal_controller.api.nodes.service import NodeService
from shoal_controller.api.streams.relay import Agents
from shoal_controller.api.views import Views
from shoal_controller.api.volumes.service import VolumeService
from shoal_controller.pki.authority import Authority
from shoal_controller.pki.revocation import Revocations
from shoal_controller.recovery.backup import Backup
from shoal_controller.recovery.health import StoreHealth
from shoal_controller.recovery.recover import Recovery
from shoal_controller.recovery.strays import Strays
from shoal_controller.server import api_server
from shoal_controller.settings import ControllerFiles
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.etcd import EtcdKV
from shoal_controller.state.maintenance import Maintenance
from shoal_controller.state.registration import Registration
from shoal_proto.v1 import (
    cluster_pb2_grpc,
    container_pb2_grpc,
    image_pb2_grpc,
    node_pb2_grpc,
    volume_pb2_grpc,
)
from shoal_proto.v1.cluster_pb2 import Cluster, Controller
from tests.parts.api_world import NODE, SmallAgent, World
from tests.parts.etcd import EtcdServer, free_ports


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdServer]:
    with EtcdServer(tmp_path_factory.mktemp("shl-api-etcd")) as server:
        yield server


@pytest.fixture(scope="module")
def registry_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    binary = shutil.which("docker-registry")
    assert binary is not None, "docker-registry is not installed (apt-get install docker-registry)"
    root = tmp_path_factory.mktemp("shl-api-registry")
    host = f"127.0.0.1:{free_ports(1)[0]}"
    config = {
        "version": "0.1",
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(root / "storage")}},
        "http": {"addr": host, "secret": "of-the-tests"},
    }
    (root / "config.yml").write_text(json.dumps(config))
    environment = {"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"}
    with (root / "log").open("wb") as log:
        process = subprocess.Popen([binary, "serve", str(root / "config.yml")], stdout=log, stderr=log, env=environment)
    try:
        deadline = time.monotonic() + 15
        while True:
            try:
                with urllib.request.urlopen(f"http://{host}/v2/", timeout=1):
                    break
            except OSError:
                assert time.monotonic() < deadline, (root / "log").read_text()
                time.sleep(0.02)
        yield host
    finally:
        process.kill()
        process.wait()


@pytest.fixture
async def world(etcd: EtcdServer, registry_host: str, tmp_path: Path) -> AsyncIterator[World]:
    etcd.wipe()
    now = datetime.now(UTC)
    authority = Authority.create("test", now)

    def files(name: str, identity: Identity) -> TlsFiles:
        pair = authority.issue(identity, ["127.0.0.1"], now)
        made = TlsFiles(tmp_path / "ca.pem", tmp_path / f"{name}.pem", tmp_path / f"{name}.key")
        for path, data in ((made.ca, authority.pem), (made.certificate, pair.certificate), (made.key, pair.key)):
            path.write_bytes(data)
        return made

    tls = files("controller", Identity(Role.CONTROLLER, "one"))
    spool = tmp_path / "spool"
    spool.mkdir()
    kv = EtcdKV(etcd.endpoints)
    cache = ClusterCache(kv)
    registry = Registry(insecure=[registry_host])
    agents = Agents(tls)
    images = ImageService(cache, registry, agents, registry_host, spool=spool)
    sealer = Sealer(b"k" * 32)
    health = StoreHealth(kv, cache, "c")
    recovery = Recovery(kv, cache, sealer, health, agents)
    maintenance = Maintenance(etcd.endpoints)
    (tmp_path / "ca.key").write_bytes(b"the authority's key")
    (tmp_path / "seal.key").write_bytes(b"k" * 32)
    backup = Backup(cache, maintenance, ControllerFiles(tmp_path))
    strays = Strays(kv, cache, sealer, health, agents)
    containers = ContainerService(kv, cache, sealer, registry, agents, registry_host)
    disks = NodeDisks(cache, agents)

    def add_services(server: grpc.aio.Server) -> None:
        container_pb2_grpc.add_ContainerServiceServicer_to_server(containers, server)
        node_pb2_grpc.add_NodeServiceServicer_to_server(NodeService(kv, cache, strays), server)
        volume_pb2_grpc.add_VolumeServiceServicer_to_server(VolumeService(kv, cache, sealer, disks), server)
        image_pb2_grpc.add_ImageServiceServicer_to_server(images, server)
        registration = Registration(kv, cache, Controller(schema=1, name="one", address="127.0.0.1:7400"))
        cluster = ClusterService(
            kv,
            cache,
            "d" * 64,
            registration,
            "127.0.0.1:7400",
            registry_host,
            maintenance,
            health,
            recovery,
            backup,
            SystemUsage(cache, disks, Views(cache, sealer)),
            ImagePruning(cache, disks, agents, registry, registry_host),
        )
        cluster_pb2_grpc.add_ClusterServiceServicer_to_server(cluster, server)

    port, agent_port = free_ports(2)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(kv.close)
        stack.push_async_callback(registry.close)
        stack.push_async_callback(agents.close)
        stack.callback(images.close)
        following = asyncio.create_task(cache.run(), name="cache")

        async def stop() -> None:
            following.cancel()
            await asyncio.wait([following])

        stack.push_async_callback(stop)
        await cache.synced.wait()
        local = tmp_path / "api.sock"
        revocations = Revocations(cache)
        interceptor = await stack.enter_async_context(
            api_server(
                listen=f"127.0.0.1:{port}",
                socket=local,
                tls=tls,
                add_services=add_services,
                refuse=revocations.refuse,
            )
        )
        cutting = asyncio.create_task(revocations.follow(interceptor.cut_refused, agents.drop), name="revocations")
        stack.callback(cutting.cancel)
        channel = await stack.enter_async_context(local_channel(local))
        made = World(
            kv,
            cache,
            container_pb2_grpc.ContainerServiceStub(channel),
            node_pb2_grpc.NodeServiceStub(channel),
            image_pb2_grpc.ImageServiceStub(channel),
            volume_pb2_grpc.VolumeServiceStub(channel),
            cluster_pb2_grpc.ClusterServiceStub(channel),
            registry_host,
            spool,
            SmallAgent(),
            f"127.0.0.1:{agent_port}",
            files("node", Identity(Role.NODE, NODE)),
        )
        await made.put(keys.cluster(), Cluster(schema=1, id="c", epoch=1, subnet="10.88.0.0/16"))
        stack.push_async_callback(made.stop_agent)
        yield made
