"""What each transaction of the leader compares: leaving any of it out lets something happen twice."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from shoal_common.errors import NotFound, NotLeader
from shoal_controller.core.allocation import address
from shoal_controller.core.orchestrate import Admit, Finish, Place, Release, SetRemoved, SetRole
from shoal_controller.core.ports import PortView, owner
from shoal_controller.core.removal import Depart, GiveUp
from shoal_controller.core.snapshot import NOTHING, Amounts
from shoal_controller.core.statuses import Verdict
from shoal_controller.leader.assignments import Assignments
from shoal_controller.leader.commit import Draft
from shoal_controller.leader.inbox import Inbox
from shoal_controller.leader.projection import Projector
from shoal_controller.leader.sessions import AgentSession
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.kv import CompareFailed, Txn
from shoal_controller.state.leadership import Leadership
from shoal_controller.state.store import encode
from shoal_proto.v1.container_pb2 import (
    ContainerPlacement,
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    DesiredState,
)
from shoal_proto.v1.dispatcher_pb2 import StatusReport
from shoal_proto.v1.node_pb2 import HoldRole, NodeDescription, NodeRemoval, NodeSpec, NodeState
from shoal_proto.v1.resources_pb2 import Resources
from tests.fakes.kv import FakeKV
from tests.fakes.leading import CONTAINERS, NODES, Rig, check_bookings, container_id

NODE = NODES["n1"]
GIB = 1 << 30
C1 = container_id(1)
NEED = Amounts(GIB)
SPEC, PLACEMENT = keys.container_spec(CONTAINERS, C1), keys.container_placement(CONTAINERS, C1)
STATUS, HOLD, LEDGER = keys.container_status(CONTAINERS, C1), keys.hold(NODE, C1), keys.node_ledger(NODE)
PLACE = Place(C1, NODE, address("10.88.0.0/16", "10.88.0.2"), NEED, 1)


class Bench:
    """A store with one node and one container, a cache of it, and drafts on top."""

    def __init__(self) -> None:
        self.kv = FakeKV()
        self.rig = Rig(self.kv)
        self.cache = ClusterCache(self.kv)
        self.leadership = Leadership(0, deadline=math.inf)

    async def open(self) -> None:
        await self.rig.make_cluster()
        await self.rig.join("n1")
        self.leadership = Leadership(self.kv.take_over(), deadline=math.inf)
        await self.rig.create(1, memory=GIB)
        await self.cache.reached(self.kv.revision)
        draft = self.draft()
        description = NodeDescription(boot_id="b", capacity=Resources(memory_bytes=8 * GIB, cpu_millis=4000))
        assert draft.open_session(NODE, process_id="p", description=description) == 1
        await self.commit(draft)

    def draft(self) -> Draft:
        return Draft(self.cache, now=datetime.now(UTC), tombstone_lease=0)

    async def commit(self, draft: Draft) -> Txn:
        txn = draft.txn(self.leadership)
        await self.cache.reached(await self.kv.commit(txn))
        check_bookings(self.cache)
        return txn

    async def place(self) -> Txn:
        draft = self.draft()
        draft.decide(PLACE)
        return await self.commit(draft)

    def report(self, draft: Draft, state: ContainerState, **more: object) -> Verdict:
        session = self.cache.nodes[NODE].session
        assert session is not None
        removed = bool(more.pop("removed", False))
        status = ContainerStatus(**{"generation": 1, "attempt": 1, "state": state, "report": 1, **more})  # type: ignore[arg-type]
        return draft.report(NODE, session, StatusReport(id=C1, status=status, removed=removed))


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    caching = asyncio.create_task(bench.cache.run(), name="cache")
    await bench.cache.synced.wait()
    await bench.open()
    yield bench
    caching.cancel()
    await asyncio.wait({caching})


async def test_placing_compares_all_that_it_rests_on(bench: Bench) -> None:
    before = bench.cache.containers[C1].spec
    ledger = bench.cache.nodes[NODE].ledger
    assert before is not None
    assert ledger is not None
    txn = await bench.place()
    assert txn.leader == bench.leadership.create_revision
    expected = dict(txn.expected)
    assert expected.pop(keys.cluster()) > 0
    assert expected.pop(keys.node_spec(NODE)) > 0
    assert expected == {
        SPEC: before.revision,
        STATUS: 0,
        PLACEMENT: 0,
        HOLD: 0,
        LEDGER: ledger.revision,
        keys.address("default", "10.88.0.2"): 0,
    }


@pytest.mark.parametrize(
    "key",
    [
        SPEC,
        PLACEMENT,
        STATUS,
        HOLD,
        LEDGER,
        keys.address("default", "10.88.0.2"),
        keys.cluster(),
        keys.node_spec(NODE),
    ],
)
async def test_a_placement_is_refused_if_anything_it_rests_on_changed(bench: Bench, key: str) -> None:
    draft = bench.draft()
    draft.decide(PLACE)
    txn = draft.txn(bench.leadership)
    _, entry = await bench.kv.get(key)
    await bench.rig.put(key, entry.value if entry else b"")
    with pytest.raises(CompareFailed):
        await bench.kv.commit(txn)


async def test_a_placement_goes_by_the_ledger_whatever_it_reserves(bench: Bench) -> None:
    draft = bench.draft()
    draft.decide(replace(PLACE, reserve=NOTHING))
    assert LEDGER in (await bench.commit(draft)).writes


async def test_ports_are_in_placement_hold_and_assignment(bench: Bench) -> None:
    draft = bench.draft()
    draft.decide(replace(PLACE, ports=(PortView(8080, 80), PortView(53, 53, "udp", "127.0.0.1"))))
    await bench.commit(draft)
    placement = bench.cache.containers[C1].placement
    assert placement is not None
    ports = list(placement.value.ports)
    assert [(port.host_ip, port.host_port, port.container_port, port.protocol) for port in ports] == [
        ("", 8080, 80, "tcp"),
        ("127.0.0.1", 53, 53, "udp"),
    ]
    assert list(bench.cache.nodes[NODE].holds[C1].value.ports) == ports
    assignment = Assignments(bench.cache, bench.rig.sealer).of_hold(NODE, C1)
    assert assignment is not None
    assert list(assignment.ports) == ports
    view = Projector(bench.cache).snapshot().nodes[NODE]
    assert owner(view.ports, "", 8080, "tcp") == C1
    draft = bench.draft()
    draft.decide(SetRole(C1, NODE, HoldRole.HOLD_ROLE_RETIRED))
    await bench.commit(draft)
    assert owner(Projector(bench.cache).snapshot().nodes[NODE].ports, "", 8080, "tcp") is None


async def test_every_transaction_is_fenced(bench: Bench) -> None:
    draft = bench.draft()
    draft.decide(PLACE)
    txn = draft.txn(bench.leadership)
    bench.kv.take_over()
    with pytest.raises(CompareFailed) as caught:
        await bench.kv.commit(txn)
    assert keys.leader() in caught.value.keys
    bench.leadership.end()
    with pytest.raises(NotLeader):
        draft.txn(bench.leadership)


async def test_admitting_books_only_what_is_not_booked_yet(bench: Bench) -> None:
    await bench.place()
    draft = bench.draft()
    draft.decide(Admit(C1, NODE, 2, NEED))
    txn = await bench.commit(draft)
    assert {SPEC, PLACEMENT, STATUS, HOLD, LEDGER} <= txn.expected.keys()
    ledger = bench.cache.nodes[NODE].ledger
    assert ledger is not None
    assert ledger.value.reserved.memory_bytes == GIB
    placement = bench.cache.containers[C1].placement
    assert placement is not None
    assert placement.value.run_admitted == 2


async def test_a_status_rests_on_session_hold_and_placement(bench: Bench) -> None:
    await bench.place()
    draft = bench.draft()
    assert bench.report(draft, ContainerState.CONTAINER_STATE_RUNNING) is Verdict.STORE
    txn = draft.txn(bench.leadership)
    assert {keys.node_session(NODE), HOLD, PLACEMENT, STATUS} <= txn.expected.keys()
    _, entry = await bench.kv.get(keys.node_session(NODE))
    assert entry is not None
    await bench.rig.put(keys.node_session(NODE), entry.value)
    with pytest.raises(CompareFailed):
        await bench.kv.commit(txn)


async def test_an_end_gives_room_back_in_the_transaction_that_stores_it(bench: Bench) -> None:
    await bench.place()
    draft = bench.draft()
    # Both at once: the second sees what the first made of the status.
    assert bench.report(draft, ContainerState.CONTAINER_STATE_RUNNING, run_served=1) is Verdict.STORE
    assert bench.report(draft, ContainerState.CONTAINER_STATE_EXITED, run_served=1, report=2) is Verdict.STORE
    assert bench.report(draft, ContainerState.CONTAINER_STATE_RUNNING, run_served=1, report=3) is Verdict.OUTDATED
    txn = await bench.commit(draft)
    assert {STATUS, HOLD, LEDGER} == txn.writes.keys()
    assert SPEC in txn.expected
    ledger = bench.cache.nodes[NODE].ledger
    assert ledger is not None
    assert ledger.value.reserved.memory_bytes == 0


async def test_what_its_policy_starts_again_keeps_its_room(bench: Bench) -> None:
    await bench.place()
    draft = bench.draft()
    again = Timestamp(seconds=5)
    exited = ContainerState.CONTAINER_STATE_EXITED
    assert bench.report(draft, exited, run_served=1, report=2, restart_at=again) is Verdict.STORE
    await bench.commit(draft)
    ledger = bench.cache.nodes[NODE].ledger
    assert ledger is not None
    assert ledger.value.reserved.memory_bytes == GIB
    view = Projector(bench.cache).snapshot().containers[C1].status
    assert view is not None
    assert not view.ended
    draft = bench.draft()
    assert bench.report(draft, exited, run_served=1, report=3) is Verdict.STORE
    await bench.commit(draft)
    ledger = bench.cache.nodes[NODE].ledger
    assert ledger is not None
    assert ledger.value.reserved.memory_bytes == 0


async def test_an_end_before_an_admitted_run_keeps_the_room(bench: Bench) -> None:
    await bench.place()
    draft = bench.draft()
    draft.decide(Admit(C1, NODE, 2, NEED))
    await bench.commit(draft)
    draft = bench.draft()
    bench.report(draft, ContainerState.CONTAINER_STATE_EXITED, run_served=1)
    assert (await bench.commit(draft)).writes.keys() == {STATUS}


async def test_a_status_keeps_the_last_sixteen_attempts_and_unknown_fields(bench: Bench) -> None:
    await bench.place()
    session = bench.cache.nodes[NODE].session
    assert session is not None
    status = ContainerStatus(generation=1, attempt=30, state=ContainerState.CONTAINER_STATE_RUNNING)
    for number in range(1, 31):
        status.attempts.add(number=number)
    # Field 999 of a newer version.
    newer = ContainerStatus.FromString(status.SerializeToString() + b"\xba\x3e\x01x")
    draft = bench.draft()
    draft.report(NODE, session, StatusReport(id=C1, status=newer))
    await bench.commit(draft)
    kept = bench.cache.containers[C1].status
    assert kept is not None
    assert [attempt.number for attempt in kept.value.attempts] == list(range(15, 31))
    assert b"\xba\x3e\x01x" in kept.value.SerializeToString()


async def test_a_writer_keeps_fields_that_it_does_not_know(bench: Bench) -> None:
    _, entry = await bench.kv.get(SPEC)
    assert entry is not None
    await bench.rig.put(SPEC, entry.value + b"\xba\x3e\x01x")
    await bench.cache.reached(bench.kv.revision)
    draft = bench.draft()
    draft.decide(SetRemoved(C1))
    await bench.commit(draft)
    _, entry = await bench.kv.get(SPEC)
    assert entry is not None
    assert ContainerSpec.FromString(entry.value).desired == DesiredState.DESIRED_STATE_REMOVED
    assert b"\xba\x3e\x01x" in entry.value


async def test_removed_deletes_everything_with_the_last_hold(bench: Bench) -> None:
    await bench.place()
    await bench.rig.update(C1, desired=DesiredState.DESIRED_STATE_REMOVED, last_request_id="r1")
    await bench.cache.reached(bench.kv.revision)
    draft = bench.draft()
    draft.decide(SetRole(C1, NODE, HoldRole.HOLD_ROLE_REMOVE))
    await bench.commit(draft)
    draft = bench.draft()
    assert bench.report(draft, ContainerState.CONTAINER_STATE_EXITED, exit_code=7, removed=True) is Verdict.STORE
    assert bench.report(draft, ContainerState.CONTAINER_STATE_EXITED, report=2) is Verdict.OUTDATED
    txn = await bench.commit(draft)
    assert keys.node_session(NODE) in txn.expected
    assert C1 not in bench.cache.containers
    assert not bench.cache.names
    assert not bench.cache.addresses
    assert (CONTAINERS, C1) in bench.cache.tombstones
    tombstone = bench.cache.tombstones[(CONTAINERS, C1)].value
    assert (tombstone.status.exit_code, tombstone.last_request_id) == (7, "r1")


async def test_removed_is_refused_where_nobody_asked(bench: Bench) -> None:
    await bench.place()
    draft = bench.draft()
    assert bench.report(draft, ContainerState.CONTAINER_STATE_EXITED, removed=True) is Verdict.REFUSE
    assert not draft.writes


async def test_finishing_leaves_a_name_that_is_anothers_by_now(bench: Bench) -> None:
    await bench.rig.update(C1, desired=DesiredState.DESIRED_STATE_REMOVED)
    await bench.rig.put(keys.name(CONTAINERS, "container", "c1"), container_id(2).encode())
    await bench.cache.reached(bench.kv.revision)
    draft = bench.draft()
    draft.decide(Finish(C1))
    await bench.commit(draft)
    assert bench.cache.names[(CONTAINERS, "container", "c1")].value == container_id(2)


async def test_a_known_process_with_nothing_new_writes_nothing(bench: Bench) -> None:
    status = bench.cache.nodes[NODE].status
    assert status is not None
    draft = bench.draft()
    assert draft.open_session(NODE, process_id="p", description=status.value.description) == 1
    draft.set_state(NODE, NodeState.NODE_STATE_READY, reason="")
    draft.set_strays(NODE, ())
    assert not draft.writes
    assert draft.open_session(NODE, process_id="q", description=status.value.description) == 2


async def test_as_many_decisions_as_fit_and_no_more(bench: Bench) -> None:
    for number in range(2, 60):
        await bench.rig.create(number)
    await bench.cache.reached(bench.kv.revision)
    draft, placed = bench.draft(), 0
    for number in range(1, 60):
        if draft.full:
            break
        draft.decide(Place(container_id(number), NODE, address("10.88.0.0/16", f"10.88.0.{number + 1}"), Amounts(), 1))
        placed += 1
    assert placed >= 15
    assert len((await bench.commit(draft)).expected) < 128


async def test_releasing_twice_books_once(bench: Bench) -> None:
    await bench.place()
    draft = bench.draft()
    draft.decide(Release(C1, NODE))
    draft.decide(Release(C1, NODE))
    await bench.commit(draft)
    ledger = bench.cache.nodes[NODE].ledger
    assert ledger is not None
    assert ledger.value.reserved.memory_bytes == 0


async def test_a_view_is_projected_anew_only_when_it_changed(bench: Bench) -> None:
    projector = Projector(bench.cache)
    first = projector.snapshot()
    await bench.rig.create(2)
    await bench.cache.reached(bench.kv.revision)
    second = projector.snapshot()
    assert first.containers[C1] is second.containers[C1]
    await bench.place()
    third = projector.snapshot()
    assert third.containers[C1].placement is not None
    assert third.nodes[NODE].reserved == NEED
    assert third.holders[C1] == {NODE}
    assert third.addresses == {"10.88.0.2"}


async def test_the_inbox_keeps_the_furthest_and_acknowledges_the_last(bench: Bench) -> None:
    inbox = Inbox()
    session = AgentSession(NODE, "p", Assignments(bench.cache, bench.rig.sealer), bench.cache)
    states = ContainerState
    for number, state in (
        (1, states.CONTAINER_STATE_RUNNING),
        (2, states.CONTAINER_STATE_EXITED),
        (3, states.CONTAINER_STATE_RUNNING),
    ):
        status = ContainerStatus(generation=1, attempt=1, state=state, report=number)
        inbox.put_report(session, StatusReport(id=C1, status=status))
    (waiting,) = inbox.reports()
    assert (waiting.report.status.state, waiting.last) == (states.CONTAINER_STATE_EXITED, 3)
    # Another arrives while the first is being committed: it must not be settled with it.
    status = ContainerStatus(generation=1, attempt=2, state=states.CONTAINER_STATE_RUNNING, report=4)
    inbox.put_report(session, StatusReport(id=C1, status=status))
    inbox.settle(waiting)
    (waiting,) = inbox.reports()
    inbox.settle(waiting)
    assert inbox.reports() == []


async def test_a_retired_or_removed_hold_says_so_whatever_the_spec_wants(bench: Bench) -> None:
    await bench.place()
    assignments = Assignments(bench.cache, bench.rig.sealer)
    for role, desired in (
        (HoldRole.HOLD_ROLE_CURRENT, DesiredState.DESIRED_STATE_RUNNING),
        (HoldRole.HOLD_ROLE_RETIRED, DesiredState.DESIRED_STATE_STOPPED),
        (HoldRole.HOLD_ROLE_REMOVE, DesiredState.DESIRED_STATE_REMOVED),
    ):
        draft = bench.draft()
        draft.decide(SetRole(C1, NODE, role))
        await bench.commit(draft)
        assignment = assignments.of_hold(NODE, C1)
        assert assignment is not None
        assert (assignment.role, assignment.desired, assignment.run_admitted) == (role, desired, 1)
    # Its spec is lost: the node still holds it, and is not told to do anything about it.
    draft = bench.draft()
    draft.decide(SetRole(C1, NODE, HoldRole.HOLD_ROLE_CURRENT))
    await bench.commit(draft)
    await bench.rig.delete(SPEC)
    await bench.cache.reached(bench.kv.revision)
    assignment = assignments.of_hold(NODE, C1)
    assert assignment is not None
    assert assignment.desired == DesiredState.DESIRED_STATE_UNSPECIFIED


async def operator(bench: Bench, **fields: object) -> None:
    """Change fields of the node's spec, as the API does."""
    key = keys.node_spec(NODE)
    _, entry = await bench.kv.get(key)
    assert entry is not None
    spec = NodeSpec.FromString(entry.value)
    for field, value in fields.items():
        setattr(spec, field, value)
    await bench.cache.reached(await bench.rig.put(key, encode(spec)))


@pytest.mark.parametrize(
    "change", [{"cordoned": True}, {"removal": NodeRemoval.NODE_REMOVAL_EMPTY}], ids=["cordoned", "removed"]
)
async def test_what_lands_late_books_nothing_on_a_node_that_was(bench: Bench, change: dict[str, object]) -> None:
    late = bench.draft()
    late.decide(PLACE)
    txn = late.txn(bench.leadership)
    await operator(bench, **change)
    with pytest.raises(CompareFailed) as refused:
        await bench.kv.commit(txn)
    assert keys.node_spec(NODE) in refused.value.keys


async def test_what_lands_late_books_nothing_on_a_node_that_is_gone(bench: Bench) -> None:
    late = bench.draft()
    late.decide(PLACE)
    txn = late.txn(bench.leadership)
    await operator(bench, removal=NodeRemoval.NODE_REMOVAL_EMPTY)
    departing = bench.draft()
    departing.decide(Depart(NODE))
    await bench.commit(departing)
    assert NODE not in bench.cache.nodes
    assert ("default", "node", "n1") not in bench.cache.names
    with pytest.raises(CompareFailed):
        await bench.kv.commit(txn)


async def test_a_node_departs_only_if_nothing_was_booked_meanwhile(bench: Bench) -> None:
    await operator(bench, removal=NodeRemoval.NODE_REMOVAL_EMPTY)
    departing = bench.draft()
    departing.decide(Depart(NODE))
    await bench.place()
    with pytest.raises(CompareFailed):
        await bench.kv.commit(departing.txn(bench.leadership))
    again = bench.draft()
    with pytest.raises(NotFound):
        again.decide(Depart(NODE))


async def test_what_is_given_up_is_lost_and_its_name_and_address_are_free(bench: Bench) -> None:
    await bench.place()
    await operator(bench, removal=NodeRemoval.NODE_REMOVAL_FORCED)
    draft = bench.draft()
    draft.decide(GiveUp(C1, NODE))
    txn = draft.txn(bench.leadership)
    assert {keys.node_spec(NODE), LEDGER, SPEC, PLACEMENT, HOLD} <= txn.expected.keys()
    await bench.cache.reached(await bench.kv.commit(txn))
    entry = bench.cache.containers[C1]
    assert entry.placement is not None
    assert entry.placement.value.HasField("lost_at")
    assert not bench.cache.addresses
    assert (CONTAINERS, "container", "c1") not in bench.cache.names
    assert not bench.cache.holders(C1)
    ledger = bench.cache.nodes[NODE].ledger
    assert ledger is not None
    assert ledger.value.reserved.memory_bytes == 0


async def test_a_name_that_was_freed_and_taken_is_not_freed_again(bench: Bench) -> None:
    await bench.place()
    await bench.rig.put(keys.name(CONTAINERS, "container", "c1"), b"f" * 64)
    await operator(bench, removal=NodeRemoval.NODE_REMOVAL_FORCED)
    draft = bench.draft()
    draft.decide(GiveUp(C1, NODE))
    await bench.cache.reached(await bench.kv.commit(draft.txn(bench.leadership)))
    taken = bench.cache.names.get((CONTAINERS, "container", "c1"))
    assert taken is not None
    assert taken.value == "f" * 64


async def test_a_superseded_copy_is_given_up_and_nothing_is_lost(bench: Bench) -> None:
    await bench.place()
    entry = bench.cache.containers[C1]
    assert entry.placement is not None
    moved = ContainerPlacement()
    moved.CopyFrom(entry.placement.value)
    moved.node, moved.generation = "f" * 32, 2
    await bench.cache.reached(await bench.rig.put(PLACEMENT, encode(moved)))
    await operator(bench, removal=NodeRemoval.NODE_REMOVAL_FORCED)
    draft = bench.draft()
    draft.decide(GiveUp(C1, NODE))
    await bench.cache.reached(await bench.kv.commit(draft.txn(bench.leadership)))
    entry = bench.cache.containers[C1]
    assert entry.placement is not None
    assert not entry.placement.value.HasField("lost_at")
    assert bench.cache.addresses
    assert (CONTAINERS, "container", "c1") in bench.cache.names
    assert not bench.cache.nodes[NODE].holds


async def test_news_of_a_node_that_is_gone_bring_nothing_back(bench: Bench) -> None:
    await operator(bench, removal=NodeRemoval.NODE_REMOVAL_EMPTY)
    departing = bench.draft()
    departing.decide(Depart(NODE))
    await bench.commit(departing)
    late = bench.draft()
    late.describe(NODE, NodeDescription(boot_id="c", capacity=Resources(memory_bytes=GIB)))
    late.set_state(NODE, NodeState.NODE_STATE_DOWN, reason="no heartbeat")
    late.set_strays(NODE, [C1])
    assert not late.writes
