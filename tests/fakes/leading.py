"""A controller that leads, in this process: the real cache, loop and dispatcher over a store, behind mutual TLS."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import grpc.aio

from shoal_common.containers.environment import seal_env
from shoal_common.identity import CONTROLLER_NAME, Identity, Role
from shoal_common.rpc_client import CHANNEL_OPTIONS, TlsFiles
from shoal_common.rpc_server import SERVER_OPTIONS, ServerInterceptor
from shoal_common.sealing import Sealer
from shoal_controller.api.streams.relay import Agents
from shoal_controller.leader.dispatcher import Dispatcher
from shoal_controller.leader.loop import Leader
from shoal_controller.pki.authority import Authority
from shoal_controller.pki.revocation import Revocations
from shoal_controller.recovery.health import StoreHealth
from shoal_controller.recovery.recover import Recovery
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.kv import KV, Txn
from shoal_controller.state.leadership import Leadership
from shoal_controller.state.store import SCHEMA, ContainerEntry, encode
from shoal_proto.v1.cluster_pb2 import Cluster
from shoal_proto.v1.cluster_pb2 import Leader as LeaderRecord
from shoal_proto.v1.container_pb2 import ContainerConfig, ContainerSpec, DesiredState
from shoal_proto.v1.dispatcher_pb2_grpc import add_DispatcherServiceServicer_to_server
from shoal_proto.v1.node_pb2 import NodeSpec, NodeState
from shoal_proto.v1.resources_pb2 import Resources
from tests.parts.etcd import free_ports

CONTAINERS: Final = "default"
CLUSTER_ID: Final = "c" * 32
NODES: Final = {name: f"{number:032x}" for number, name in enumerate(("n1", "n2", "n3"), start=1)}
#: For controllers that call no agents.
NO_TLS: Final = TlsFiles(Path("/nonexistent"), Path("/nonexistent"), Path("/nonexistent"))
_SERVICE: Final = "shoal.v1.DispatcherService"


def container_id(number: int) -> str:
    return f"{number:064x}"


class Controller:
    """One controller. `lead` makes it the leader; until then it serves and says who leads."""

    def __init__(self, kv: KV, authority: Authority, sealer: Sealer, *, heartbeat_ms: int, tls: TlsFiles) -> None:
        self.kv = kv
        self.cache = ClusterCache(kv)
        self.sealer = sealer
        self.address = f"127.0.0.1:{free_ports(1)[0]}"
        self.health = StoreHealth(kv, self.cache, CLUSTER_ID)
        self.agents = Agents(tls)
        self.recovery = Recovery(kv, self.cache, sealer, self.health, self.agents)
        #: What agents are told; change it and call `dispatcher.publish` to tell them.
        self.controllers: tuple[str, ...] = ("127.0.0.1:1",)
        self.dispatcher = Dispatcher(
            self.cache,
            sealer,
            address=self.address,
            controllers=lambda: self.controllers,
            health=self.health,
            reconcile=self.recovery.reconcile,
            heartbeat_ms=heartbeat_ms,
        )
        self.leader = self.recovery.leader = Leader(kv, self.cache, self.dispatcher, self.health)
        self.leadership: Leadership | None = None
        self._authority = authority
        self._leading: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Controller]:
        revocations = Revocations(self.cache)
        interceptor = ServerInterceptor({_SERVICE: (Role.NODE,)}, refuse=revocations.refuse)
        server = grpc.aio.server(interceptors=[interceptor], options=SERVER_OPTIONS)
        add_DispatcherServiceServicer_to_server(self.dispatcher, server)
        pair = self._authority.issue(Identity(Role.CONTROLLER, "one"), ("127.0.0.1",), datetime.now(UTC))
        credentials = grpc.ssl_server_credentials(
            [(pair.key, pair.certificate)], root_certificates=self._authority.pem, require_client_auth=True
        )
        assert server.add_secure_port(self.address, credentials)
        caching = asyncio.create_task(self.cache.run(), name="cache")
        judging = asyncio.create_task(self.health.run(), name="store-health")
        await self.cache.synced.wait()
        cutting = asyncio.create_task(
            revocations.follow(interceptor.cut_refused, lambda node: None), name="revocations"
        )
        await server.start()
        try:
            yield self
        finally:
            await self.step_down()
            await server.stop(None)
            caching.cancel()
            cutting.cancel()
            judging.cancel()
            await asyncio.wait({caching, cutting, judging})
            await self.agents.close()

    async def lead(self, create_revision: int) -> None:
        """Begin to lead in the term of this leader key."""
        self.leadership = Leadership(create_revision, deadline=math.inf)
        self._leading = asyncio.create_task(self.leader.lead(self.leadership), name="lead")
        # Until it does, agents are sent away.
        await asyncio.sleep(0)

    async def step_down(self) -> None:
        """End the term, as the election does."""
        leading, self._leading = self._leading, None
        if leading is not None and self.leadership is not None:
            self.leadership.end()
            self.leadership.lost.set()
            leading.cancel()
            await asyncio.wait({leading})
            if not leading.cancelled():
                leading.result()

    def channel(self, node: str) -> grpc.aio.Channel:
        """Return a channel to this controller with a node's certificate."""
        pair = self._authority.issue(Identity(Role.NODE, node), (), datetime.now(UTC))
        credentials = grpc.ssl_channel_credentials(self._authority.pem, pair.key, pair.certificate)
        options = [*CHANNEL_OPTIONS, ("grpc.ssl_target_name_override", CONTROLLER_NAME)]
        return grpc.aio.secure_channel(self.address, credentials, options=options)

    async def until(self, condition: Callable[[], object], *, seconds: float = 15.0) -> None:
        """Wait until a condition on the cache holds."""
        with self.cache.subscribe() as changes:
            async with asyncio.timeout(seconds):
                while not condition():
                    await anext(changes)


class Rig:
    """A cluster's store, and what an API would write into it."""

    def __init__(self, kv: KV, *, heartbeat_ms: int = 2000, tls: TlsFiles = NO_TLS) -> None:
        self.kv = kv
        self._tls = tls
        self.authority = Authority.create(CLUSTER_ID, datetime.now(UTC))
        self.sealer = Sealer(bytes(range(32)))
        self._heartbeat_ms = heartbeat_ms

    def controller(self) -> Controller:
        return Controller(self.kv, self.authority, self.sealer, heartbeat_ms=self._heartbeat_ms, tls=self._tls)

    async def put(self, key: str, value: bytes) -> int:
        _, entry = await self.kv.get(key)
        txn = Txn()
        txn.put(key, value, expect=entry.mod_revision if entry else 0)
        return await self.kv.commit(txn)

    async def delete(self, key: str) -> None:
        _, entry = await self.kv.get(key)
        if entry is not None:
            txn = Txn()
            txn.delete(key, expect=entry.mod_revision)
            await self.kv.commit(txn)

    async def make_cluster(self, *, subnet: str = "10.88.0.0/16") -> None:
        await self.put(keys.cluster(), encode(Cluster(schema=SCHEMA, id=CLUSTER_ID, epoch=1, subnet=subnet)))

    async def elect(self, controller: Controller) -> None:
        """Make a controller the leader, whoever led."""
        await self.delete(keys.leader())
        record = LeaderRecord(schema=SCHEMA, controller="one", address=controller.address)
        await controller.lead(await self.put(keys.leader(), encode(record)))

    async def join(self, name: str, **labels: str) -> str:
        node = NODES[name]
        await self.put(keys.node_spec(node), encode(NodeSpec(schema=SCHEMA, id=node, name=name, labels=labels)))
        return node

    async def create(
        self,
        number: int,
        *,
        run: int = 1,
        memory: int = 0,
        desired: DesiredState = DesiredState.DESIRED_STATE_RUNNING,
        env: tuple[str, ...] = (),
        auto_remove: bool = False,
        constraints: tuple[str, ...] = (),
    ) -> str:
        id_ = container_id(number)
        config = ContainerConfig(
            image="web:1",
            resources=Resources(memory_bytes=memory),
            auto_remove=auto_remove,
            constraints=constraints,
        )
        spec = ContainerSpec(
            schema=SCHEMA,
            id=id_,
            namespace=CONTAINERS,
            name=f"c{number}",
            config=config,
            desired=desired,
            run=run,
            sealed_env=seal_env(self.sealer, id_, env),
            request_mac=b"mac",
        )
        spec.created_at.FromNanoseconds(number)
        txn = Txn()
        txn.put(keys.container_spec(CONTAINERS, id_), encode(spec), expect=0)
        txn.put(keys.name(CONTAINERS, "container", spec.name), encode(id_), expect=0)
        txn.require(keys.tombstone(CONTAINERS, id_), revision=0)
        await self.kv.commit(txn)
        return id_

    async def update(self, id_: str, **fields: object) -> None:
        """Change fields of a container's spec, as the API does."""
        key = keys.container_spec(CONTAINERS, id_)
        _, entry = await self.kv.get(key)
        assert entry is not None
        spec = ContainerSpec.FromString(entry.value)
        for field_, value in fields.items():
            setattr(spec, field_, value)
        txn = Txn()
        txn.put(key, encode(spec), expect=entry.mod_revision)
        await self.kv.commit(txn)


def check_bookings(cache: ClusterCache) -> None:
    """Assert what must hold in the store at any revision."""
    addresses: set[str] = set()
    for node in cache.nodes.values():
        memory = sum(hold.value.reserved.memory_bytes for hold in node.holds.values())
        assert memory == (node.ledger.value.reserved.memory_bytes if node.ledger else 0)
        if node.ledger is not None:
            assert memory <= node.ledger.value.capacity.memory_bytes
    for entry in cache.containers.values():
        if entry.placement is None or entry.placement.value.HasField("lost_at"):
            continue
        hold = cache.nodes[entry.placement.value.node].holds[entry.id].value
        assert hold.generation == entry.placement.value.generation
        for address in entry.placement.value.addresses:
            assert address.ip not in addresses
            addresses.add(address.ip)
            assert cache.addresses[(address.network, address.ip)].value == entry.id


def state_of(cache: ClusterCache, id_: str) -> int:
    """Return a container's state, 0 while there is none."""
    entry: ContainerEntry | None = cache.containers.get(id_)
    return entry.status.value.state if entry is not None and entry.status is not None else 0


def is_ready(cache: ClusterCache, node: str) -> bool:
    """Say whether a node is ready in the store."""
    entry = cache.nodes.get(node)
    return entry is not None and entry.status is not None and entry.status.value.state == NodeState.NODE_STATE_READY
