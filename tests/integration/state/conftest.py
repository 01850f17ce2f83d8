from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from shoal_controller.state.endpoints import Endpoints
from tests.parts.etcd import EtcdServer, free_ports
from tests.parts.proxy import Proxy


@pytest.fixture(scope="session")
def shared_etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdServer]:
    with EtcdServer(tmp_path_factory.mktemp("etcd")) as server:
        yield server


@pytest.fixture
def etcd(shared_etcd: EtcdServer) -> EtcdServer:
    """An etcd with nothing in it, which the test leaves running."""
    shared_etcd.wipe()
    return shared_etcd


@pytest.fixture
async def proxy(etcd: EtcdServer) -> AsyncIterator[Proxy]:
    async with Proxy(etcd.port) as proxy:
        yield proxy


@pytest.fixture
def members(tmp_path: Path) -> Iterator[list[EtcdServer]]:
    """Three members that form one store."""
    peers = dict(zip(("one", "two", "three"), free_ports(3), strict=True))
    servers = [EtcdServer(tmp_path, name=name, peers=peers) for name in peers]
    try:
        for server in servers:
            server.spawn()
        for server in servers:
            server.wait_ready()
        yield servers
    finally:
        for server in servers:
            server.stop(kill=True)


@pytest.fixture
def all_members(members: list[EtcdServer]) -> Endpoints:
    return Endpoints(tuple(f"127.0.0.1:{server.port}" for server in members))
