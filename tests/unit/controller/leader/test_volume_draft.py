"""What the leader's transactions compare of volumes, and what nodes are told to remove."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from shoal_common.errors import NotFound
from shoal_controller.core.orchestrate import Finish
from shoal_controller.core.volumes import ForgetVolume, LoseVolume, RemoveVolume
from shoal_controller.leader.assignments import Assignments
from shoal_controller.leader.sessions import AgentSession
from shoal_controller.leader.volume_draft import removals
from shoal_controller.state import keys
from shoal_controller.state.kv import CompareFailed, Txn
from shoal_controller.state.store import encode
from shoal_proto.v1.container_pb2 import ContainerSpec, DesiredState, Mount, MountKind
from shoal_proto.v1.volume_pb2 import VolumePlacement, VolumeSpec
from tests.fakes.leading import CONTAINERS, container_id
from tests.unit.controller.leader.test_commit import C1, NODE, PLACE, SPEC, Bench

V1, V2 = container_id(101), container_id(102)
V_SPEC, V_PLACE = keys.volume_spec(CONTAINERS, V1), keys.volume_placement(CONTAINERS, V1)
V_NAME = keys.name(CONTAINERS, "volume", "data")


class VolumeBench(Bench):
    """With a volume that the container mounts."""

    async def open(self) -> None:
        await super().open()
        await self.put(V_SPEC, VolumeSpec(schema=1, id=V1, namespace=CONTAINERS, name="data"))
        await self.put(V_NAME, V1)
        entry = self.cache.containers[C1].spec
        assert entry is not None
        spec = ContainerSpec()
        spec.CopyFrom(entry.value)
        spec.config.mounts.append(Mount(kind=MountKind.MOUNT_KIND_VOLUME, source="data", target="/data", volume_id=V1))
        await self.put(SPEC, spec)

    async def put(self, key: str, value: VolumeSpec | VolumePlacement | ContainerSpec | str) -> None:
        _, known = await self.kv.get(key)
        txn = Txn()
        txn.put(key, encode(value), expect=known.mod_revision if known is not None else 0)
        await self.cache.reached(await self.kv.commit(txn))

    async def removed(self) -> None:
        await self.put(V_SPEC, VolumeSpec(schema=1, id=V1, namespace=CONTAINERS, name="data", removed=True))

    async def unused(self) -> None:
        """Have the container gone."""
        entry = self.cache.containers[C1].spec
        assert entry is not None
        spec = ContainerSpec()
        spec.CopyFrom(entry.value)
        spec.desired = DesiredState.DESIRED_STATE_REMOVED
        await self.put(SPEC, spec)
        draft = self.draft()
        draft.decide(Finish(C1))
        await self.commit(draft)


@pytest.fixture
async def bench() -> AsyncIterator[VolumeBench]:
    bench = VolumeBench()
    caching = asyncio.create_task(bench.cache.run(), name="cache")
    await bench.cache.synced.wait()
    await bench.open()
    yield bench
    caching.cancel()
    await asyncio.wait({caching})


async def test_a_volume_is_pinned_with_its_first_user(bench: VolumeBench) -> None:
    txn = await bench.place()
    assert txn.expected[V_PLACE] == 0
    assert txn.expected[V_SPEC] > 0
    placement = bench.cache.volumes[V1].placement
    assert placement is not None
    assert placement.value.node == NODE


@pytest.mark.parametrize("key", [V_SPEC, V_PLACE])
async def test_a_placement_is_refused_if_its_volume_changed(bench: VolumeBench, key: str) -> None:
    draft = bench.draft()
    draft.decide(PLACE)
    other = VolumePlacement(schema=1, node="other") if key == V_PLACE else VolumeSpec(schema=1, id=V1, name="data")
    await bench.put(key, other)
    with pytest.raises(CompareFailed):
        await bench.kv.commit(draft.txn(bench.leadership))
    assert bench.cache.containers[C1].placement is None


async def test_nobody_is_placed_where_the_data_is_not(bench: VolumeBench) -> None:
    await bench.put(V_PLACE, VolumePlacement(schema=1, node="other"))
    with pytest.raises(NotFound, match="is not on node"):
        bench.draft().decide(PLACE)


async def test_a_removal_frees_the_name_and_leaves_the_data_to_its_node(bench: VolumeBench) -> None:
    await bench.place()
    draft = bench.draft()
    draft.decide(RemoveVolume(V1))
    txn = await bench.commit(draft)
    assert txn.expected[V_SPEC] > 0
    assert (CONTAINERS, "volume", "data") not in bench.cache.names
    entry = bench.cache.volumes[V1]
    assert entry.spec is not None
    assert entry.spec.value.removed
    assert entry.placement is not None


async def test_a_node_is_told_to_remove_only_what_no_container_names(bench: VolumeBench) -> None:
    await bench.put(V_PLACE, VolumePlacement(schema=1, node=NODE))
    await bench.removed()
    assert removals(bench.cache) == {NODE: ()}
    await bench.unused()
    assert removals(bench.cache) == {NODE: (V1,)}
    session = AgentSession(NODE, "p", Assignments(bench.cache, bench.rig.sealer), bench.cache)
    session.first(b"")
    session.tell_removals(removals(bench.cache)[NODE])
    messages = await session.next()
    assert messages is not None
    assert [list(each.volume_removals.ids) for each in messages] == [[V1]]


async def test_what_is_not_to_go_stays_whatever_a_node_says(bench: VolumeBench) -> None:
    await bench.put(V_PLACE, VolumePlacement(schema=1, node=NODE))
    for node, volume in ((NODE, V1), (NODE, V2), ("other", V1)):
        draft = bench.draft()
        draft.volume_gone(node, volume)
        assert not draft.writes
    await bench.removed()
    for node in (NODE, "other"):
        draft = bench.draft()
        # A container names it still.
        draft.volume_gone(node, V1)
        assert not draft.writes
    await bench.unused()
    await bench.put(V_SPEC, VolumeSpec(schema=1, id=V1, namespace=CONTAINERS, name="data"))
    draft = bench.draft()
    # Nobody uses it, and nobody said that it may go.
    draft.volume_gone(NODE, V1)
    assert not draft.writes
    await bench.removed()
    draft = bench.draft()
    draft.volume_gone("other", V1)
    assert not draft.writes
    draft.volume_gone(NODE, V1)
    await bench.commit(draft)
    assert V1 not in bench.cache.volumes
    assert (CONTAINERS, "volume", "data") not in bench.cache.names


async def test_only_what_is_to_go_is_forgotten(bench: VolumeBench) -> None:
    with pytest.raises(NotFound):
        bench.draft().decide(ForgetVolume(V1))
    with pytest.raises(NotFound):
        bench.draft().decide(LoseVolume(V1, NODE))
    await bench.put(V_PLACE, VolumePlacement(schema=1, node=NODE))
    draft = bench.draft()
    draft.decide(LoseVolume(V1, NODE))
    txn = await bench.commit(draft)
    assert txn.expected[keys.node_spec(NODE)] > 0
    placement = bench.cache.volumes[V1].placement
    assert placement is not None
    assert placement.value.HasField("lost_at")


async def test_volumes_come_back_with_the_containers_that_name_them(bench: VolumeBench) -> None:
    entry = bench.cache.containers[C1].spec
    assert entry is not None
    spec = ContainerSpec()
    spec.CopyFrom(entry.value)
    # The name is another's by now, and the store knows nothing of this volume.
    spec.config.mounts[0].volume_id = V2
    spec.config.mounts.add(kind=MountKind.MOUNT_KIND_VOLUME, target="/own", volume_id=container_id(103))
    draft = bench.draft()
    draft.adopt_volumes(spec, NODE)
    await bench.commit(draft)
    found = {id_: volume.spec.value for id_, volume in bench.cache.volumes.items() if volume.spec is not None}
    assert found[V2].name == f"data-{V2[:6]}"
    assert found[container_id(103)].owner == C1
    assert bench.cache.names[(CONTAINERS, "volume", "data")].value == V1
    again = bench.draft()
    again.adopt_volumes(spec, NODE)
    assert not again.writes
