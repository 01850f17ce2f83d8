"""A leader whose store has lost something: it holds, and a recovery that is broken off anywhere ends the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from shoal_common.containers.environment import unseal_env
from shoal_common.errors import Conflict, InvalidSpec, ShoalError, Unavailable
from shoal_controller.core.adoption import Found
from shoal_controller.recovery.roll import Present
from shoal_controller.recovery.strays import Strays
from shoal_controller.state import keys
from shoal_controller.state.kv import KV, Batch, Entry, Listing, OutcomeUnknown, Txn
from shoal_controller.state.store import decode
from shoal_proto.v1.cluster_pb2 import Cluster, RecoverClusterRequest, RecoverClusterResponse, RecoverySource
from shoal_proto.v1.container_pb2 import ContainerConfig, ContainerSpec, ContainerState, ContainerStatus, DesiredState
from shoal_proto.v1.dispatcher_pb2 import Assignment, SessionHello
from shoal_proto.v1.node_pb2 import HoldRole, NodeDescription
from shoal_proto.v1.resources_pb2 import Address, Resources
from tests.fakes.agent import SimulatedAgent
from tests.fakes.kv import FakeKV
from tests.fakes.leading import CLUSTER_ID, NODES, Controller, Rig, container_id

NODES_ONLY = RecoverySource.RECOVERY_SOURCE_NODES
RESTORED = RecoverySource.RECOVERY_SOURCE_RESTORED


class Breaking:
    """A store that is cut off at one of its commits: before it, or after it without an answer."""

    def __init__(self, kv: KV, *, at: int, happens: bool) -> None:
        self.inner = kv
        self.left = at
        self.happens = happens

    async def get(self, key: str) -> tuple[int, Entry | None]:
        return await self.inner.get(key)

    async def list(self, prefix: str, *, revision: int = 0) -> Listing:
        return await self.inner.list(prefix, revision=revision)

    async def commit(self, txn: Txn) -> int:
        self.left -= 1
        if self.left > 0:
            return await self.inner.commit(txn)
        if self.left == 0 and self.happens:
            await self.inner.commit(txn)
            raise OutcomeUnknown("cut off (and committed)")
        raise Unavailable("cut off")

    def watch(self, prefix: str, *, after: int) -> AsyncGenerator[Batch, None]:
        return self.inner.watch(prefix, after=after)

    async def grant(self, ttl_seconds: int) -> int:
        return await self.inner.grant(ttl_seconds)

    async def keep_alive(self, lease: int) -> int:
        return await self.inner.keep_alive(lease)

    async def revoke(self, lease: int) -> None:
        await self.inner.revoke(lease)


def copy(number: int, node: str, *, name: str = "", generation: int = 1, ip: int = 0, run: int = 1) -> Found:
    """Return what a node has of a container that runs."""
    id_ = container_id(number)
    address = Address(
        network="default", ip=f"10.88.0.{ip}", prefix_length=16, gateway="10.88.0.1", mac=f"02:42:0a:58:00:{ip:02x}"
    )
    assignment = Assignment(
        namespace="default",
        id=id_,
        name=name or f"c{number}",
        generation=generation,
        role=HoldRole.HOLD_ROLE_CURRENT,
        desired=DesiredState.DESIRED_STATE_RUNNING,
        run_admitted=run,
        config=ContainerConfig(image="web:1", env=[f"WHO={number}"], resources=Resources(memory_bytes=1 << 20)),
        addresses=[address] if ip else [],
    )
    status = ContainerStatus(schema=1, generation=generation, attempt=run, run_served=run, report=5)
    status.state = ContainerState.CONTAINER_STATE_RUNNING
    status.attempts.add(number=1, run=1).started_at.seconds = 1_000 + number
    return Found(NODES[node], assignment, status)


#: Two nodes' containers: one on both, a name and an address that two have.
FOUND = [
    *(copy(number, "n1", ip=number + 1) for number in range(1, 8)),
    *(copy(number, "n2", ip=number + 1) for number in range(8, 12)),
    copy(3, "n2", generation=2, ip=4, run=3),
    copy(20, "n2", name="c1", ip=2),
]


async def asks(nodes: Any) -> list[Found]:
    there = {present.node for present in nodes}
    return [each for each in FOUND if each.node in there]


@asynccontextmanager
async def recovering(rig: Rig, *, nodes: tuple[str, ...] = ("n1", "n2"), epoch: int = 1) -> AsyncIterator[Controller]:
    """Give a controller that leads over a store that has lost something, with nodes that ask to be let in."""
    async with rig.controller().serving() as controller:
        controller.recovery._ask = asks  # type: ignore[method-assign]
        await rig.elect(controller)
        async with asyncio.timeout(10):
            while controller.leader.roll is None:  # noqa: ASYNC110 (the leader tells nobody that it holds)
                await asyncio.sleep(0.01)
        for name in nodes:
            hello = SessionHello(
                process_id="p", description=NodeDescription(name=name, address="127.0.0.1:1"), epoch=epoch, revision=500
            )
            controller.leader.roll.hear(NODES[name], hello)
        yield controller


async def recover(
    controller: Controller, source: RecoverySource = NODES_ONLY, *, nodes: int = 2, wait: int = 5
) -> list[RecoverClusterResponse]:
    request = RecoverClusterRequest(source=source, nodes=nodes, wait_seconds=wait)
    return [response async for response in controller.recovery.recover(request)]


async def contents(rig: Rig) -> dict[str, Any]:
    """Return what the store has, without what is another time or another random number each time."""
    found: dict[str, Any] = {}
    for entry in (await rig.kv.list(keys.PREFIX)).entries:
        match keys.parse(entry.key):
            case keys.ContainerKey(_, container, keys.ContainerPart.SPEC):
                spec = decode(ContainerSpec, entry.key, entry.value)
                env = unseal_env(rig.sealer, container, spec.sealed_env)
                spec.ClearField("sealed_env")
                found[entry.key] = (spec.SerializeToString(deterministic=True), env)
            case keys.ClusterKey():
                cluster = decode(Cluster, entry.key, entry.value)
                found[entry.key] = (cluster.id, cluster.epoch, cluster.subnet, cluster.recovering)
            case keys.LeaderKey() | keys.NodeKey(_, keys.NodePart.SPEC):
                found[entry.key] = ""
            case _:
                found[entry.key] = entry.value
    return found


async def emptied() -> tuple[Rig, dict[str, Any]]:
    rig = Rig(FakeKV())
    async with recovering(rig) as controller:
        await recover(controller)
    return rig, await contents(rig)


async def test_a_recovery_that_is_broken_off_anywhere_ends_the_same() -> None:
    _, whole = await emptied()
    assert whole[keys.cluster()] == (CLUSTER_ID, 2, "10.88.0.0/16", False)
    at, broken = 1, True
    while broken:
        for happens in (False, True):
            rig = Rig(FakeKV())
            async with recovering(rig) as controller:
                store = Breaking(rig.kv, at=at, happens=happens)
                controller.recovery._kv = store
                controller.recovery._importer._kv = store
                broken = False
                try:
                    await recover(controller)
                except ShoalError:
                    broken = True
                if not broken:
                    continue
                assert controller.health.problem, "half a recovery is not taken for a cluster that is well"
            async with recovering(rig) as another:
                await recover(another)
            assert await contents(rig) == whole
        at += 1
    assert at > 5


async def test_everything_is_back_once(kv: KV) -> None:
    rig = Rig(kv)
    async with recovering(rig) as controller:
        answers = await recover(controller)
        assert answers[-1].done
        assert (answers[-1].nodes, answers[-1].adopted, answers[-1].missing) == (2, 12, 0)
        cache = controller.cache
        assert len(cache.containers) == 12
        assert {name for _, kind, name in cache.names if kind == "node"} == {"n1", "n2"}
        names = [entry.spec.value.name for entry in cache.containers.values() if entry.spec is not None]
        assert len(set(names)) == 12
        assert len(cache.addresses) == 12
        both = cache.containers[container_id(3)]
        assert both.placement is not None
        assert (both.placement.value.node, both.placement.value.run_admitted) == (NODES["n2"], 3)
        assert cache.nodes[NODES["n1"]].holds[container_id(3)].value.role == HoldRole.HOLD_ROLE_RETIRED
        for node in cache.nodes.values():
            assert node.ledger is not None
            held = sum(hold.value.reserved.memory_bytes for hold in node.holds.values())
            assert node.ledger.value.reserved.memory_bytes == held
        with pytest.raises(Conflict, match="the store is well"):
            await recover(controller)


async def test_while_the_store_is_not_believed_nothing_is_written_and_agents_are_told_nothing(
    rig: Rig, controller: Controller
) -> None:
    async with AsyncExitStack() as stack:
        agent = await stack.enter_async_context(
            SimulatedAgent(controller.channel(NODES["n1"]), NODES["n1"], process_id="one")
        )
        # It has followed more than this store has.
        ahead = SimulatedAgent(controller.channel(NODES["n2"]), NODES["n2"], process_id="two")
        ahead.position = (1, controller.cache.revision + 1_000)
        await stack.enter_async_context(ahead)
        assert isinstance(ahead.error, Unavailable)
        assert "set back" in ahead.error.message
        assert "shoal cluster recover --accept-restore" in ahead.error.message
        await agent.until(lambda: agent.error is not None)
        await controller.until(lambda: controller.cache.cluster and controller.cache.cluster.value.recovering)
        id_ = await rig.create(1)
        await controller.until(lambda: id_ in controller.cache.containers)
        assert controller.cache.containers[id_].placement is None
        # Another controller, which has seen nothing of it, holds as well.
        async with rig.controller().serving() as other:
            assert "recover" in other.health.problem
            with pytest.raises(Conflict):
                other.health.check()


async def test_the_other_way_to_recover_is_refused(kv: KV) -> None:
    rig = Rig(kv)
    async with recovering(rig) as controller:
        with pytest.raises(Conflict, match="--from-nodes"):
            await recover(controller, RESTORED)
        with pytest.raises(Unavailable, match="2 of 3 nodes"):
            await recover(controller, nodes=3, wait=1)
        assert controller.cache.cluster is None


async def test_another_clusters_objects_are_cleared(kv: KV) -> None:
    rig = Rig(kv)
    await rig.put(keys.cluster(), Cluster(schema=1, id="f" * 32, epoch=7).SerializeToString())
    for number in range(300):
        await rig.put(keys.name("default", "container", f"foreign{number}"), b"x")
    async with recovering(rig) as controller:
        assert "f" * 32 in controller.health.problem
        await recover(controller)
        assert not [name for _, _, name in controller.cache.names if name.startswith("foreign")]
        assert controller.cache.cluster is not None
        assert controller.cache.cluster.value.id == CLUSTER_ID


async def test_a_node_that_was_away_is_taken_over_when_it_comes(kv: KV) -> None:
    rig = Rig(kv)
    async with recovering(rig, nodes=("n1",)) as controller:
        await recover(controller, nodes=1)
        assert container_id(8) not in controller.cache.containers
        await rig.join("n2")
        await controller.until(lambda: NODES["n2"] in controller.cache.nodes)
        await _led(controller)
        await controller.recovery.reconcile(Present(NODES["n2"], NodeDescription(name="n2"), 1, 500))
        assert container_id(8) in controller.cache.containers
        # What the store has on another node is no node's to take by its own word: it is left for an operator.
        both = controller.cache.containers[container_id(3)]
        assert both.placement is not None
        assert both.placement.value.node == NODES["n1"]
        assert container_id(3) not in controller.cache.nodes[NODES["n2"]].holds


async def test_no_node_stops_the_cluster_again_with_a_position_that_nobody_told_it(kv: KV) -> None:
    rig = Rig(kv)
    async with recovering(rig) as controller:
        await recover(controller)
        await _led(controller)
        async with asyncio.timeout(10):
            while controller.leader.roll is not None:  # noqa: ASYNC110 (the leader tells nobody that it leads again)
                await asyncio.sleep(0.01)
        for position in ((2, 1 << 40), (5, 1), (1 << 63, 1)):
            liar = SimulatedAgent(controller.channel(NODES["n2"]), NODES["n2"], process_id="two")
            liar.position = position
            async with liar:
                assert isinstance(liar.error, InvalidSpec)
            assert not controller.health.problem
        async with SimulatedAgent(controller.channel(NODES["n1"]), NODES["n1"], process_id="one") as agent:
            assert agent.error is None


async def test_no_node_makes_a_recovery_impossible_with_an_epoch(kv: KV) -> None:
    rig = Rig(kv)
    async with recovering(rig) as controller:
        liar = SimulatedAgent(controller.channel(NODES["n3"]), NODES["n3"], process_id="p")
        liar.position = (2**64 - 1, 1)
        async with liar:
            assert isinstance(liar.error, InvalidSpec)
            await recover(controller)
        assert controller.cache.cluster is not None
        assert controller.cache.cluster.value.epoch == 2


async def test_a_stray_that_is_removed_is_told_so_and_its_hold_goes_with_the_nodes_word(
    rig: Rig, controller: Controller
) -> None:
    node, id_ = NODES["n1"], container_id(77)
    strays = Strays(rig.kv, controller.cache, rig.sealer, controller.health, controller.agents)
    await rig.put(keys.name("default", "container", "left-over"), id_.encode())
    async with SimulatedAgent(controller.channel(node), node, process_id="one") as agent:
        await controller.until(lambda: controller.cache.nodes[node].status is not None)
        entry = controller.cache.nodes[node]
        assert await strays._remove(entry, id_, None) == ""
        await agent.until(lambda: id_ in agent.disk.assignments or agent.changes)
        await controller.until(lambda: id_ not in controller.cache.nodes[node].holds)
        await controller.until(lambda: ("default", "container", "left-over") not in controller.cache.names)


async def _led(controller: Controller) -> None:
    async with asyncio.timeout(10):
        await controller.health.until(well=True)
