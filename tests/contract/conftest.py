from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

import pytest

from shoal_controller.state.etcd import EtcdKV
from shoal_controller.state.kv import KV
from tests.fakes.kv import FakeKV
from tests.parts.etcd import EtcdServer


@dataclass(frozen=True, slots=True)
class Store:
    """A store under test, and what a test does to it from outside."""

    kv: KV
    compact: Callable[[int], None]
    #: Takes the store away for a moment; every connection to it breaks.
    interrupt: Callable[[], None]


@pytest.fixture(scope="session")
def etcd_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdServer]:
    with EtcdServer(tmp_path_factory.mktemp("etcd")) as server:
        yield server


@pytest.fixture(params=["fake", "etcd"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "fake":
        fake = FakeKV()

        def interrupt() -> None:
            fake.interrupt()
            fake.restore()

        yield Store(fake, fake.compact, interrupt)
        return
    server: EtcdServer = request.getfixturevalue("etcd_server")
    server.wipe()
    kv = EtcdKV(server.endpoints)
    try:
        yield Store(kv, server.compact, server.restart)
    finally:
        await kv.close()
