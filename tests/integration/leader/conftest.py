from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from shoal_controller.state.etcd import EtcdKV
from shoal_controller.state.kv import KV
from tests.fakes.kv import FakeKV
from tests.fakes.leading import Controller, Rig
from tests.parts.etcd import EtcdServer


@pytest.fixture(scope="session")
def leader_etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdServer]:
    with EtcdServer(tmp_path_factory.mktemp("shl-leader-etcd")) as server:
        yield server


@pytest.fixture(params=["fake", "etcd"])
async def kv(request: pytest.FixtureRequest) -> AsyncIterator[KV]:
    if request.param == "fake":
        yield FakeKV()
        return
    server: EtcdServer = request.getfixturevalue("leader_etcd")
    server.wipe()
    etcd = EtcdKV(server.endpoints)
    try:
        yield etcd
    finally:
        await etcd.close()


@pytest.fixture
async def rig(kv: KV) -> Rig:
    """A cluster of three nodes that have joined, of which none has been heard."""
    rig = Rig(kv)
    await rig.make_cluster()
    for name in ("n1", "n2", "n3"):
        await rig.join(name)
    return rig


@pytest.fixture
async def controller(rig: Rig) -> AsyncIterator[Controller]:
    """A controller that leads."""
    async with rig.controller().serving() as controller:
        await rig.elect(controller)
        yield controller
