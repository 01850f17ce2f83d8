"""Events: the same whoever derives them, however many changes are seen as one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from shoal_common.errors import InvalidSpec
from shoal_controller.core.events.cluster import (
    NodeParts,
    cluster_events,
    leader_event,
    node_events,
    revocation_events,
)
from shoal_controller.core.events.containers import (
    PATIENCE_NS,
    Parts,
    container_events,
    pending_event,
    pending_since,
    removal_events,
)
from shoal_controller.core.events.filters import Filters
from shoal_proto.v1.cluster_pb2 import Cluster, Leader, Revocation
from shoal_proto.v1.container_pb2 import (
    Attempt,
    ContainerConfig,
    ContainerPlacement,
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    HealthState,
    Tombstone,
)
from shoal_proto.v1.event_pb2 import Event
from shoal_proto.v1.node_pb2 import NodeSession, NodeSpec, NodeState, NodeStatus

ID = "c" * 64
KEPT = 16


def at(seconds: float) -> Timestamp:
    return Timestamp(seconds=1_000_000 + int(seconds), nanos=int(seconds % 1 * 1e9))


def spec(*, trace_id: str = "", last_request_id: str = "") -> ContainerSpec:
    config = ContainerConfig(image="team/web:3", labels={"tier": "front", "exit_code": "9"})
    made = ContainerSpec(schema=1, id=ID, namespace="default", name="web", config=config, created_at=at(0))
    made.trace_id, made.last_request_id = trace_id, last_request_id
    return made


def placement(generation: int = 1, placed: float = 0.01) -> ContainerPlacement:
    return ContainerPlacement(schema=1, node="n1", generation=generation, placed_at=at(placed))


def status(*attempts: Attempt, generation: int = 1) -> ContainerStatus:
    kept = attempts[-KEPT:]
    ended = bool(kept) and kept[-1].HasField("finished_at")
    state = ContainerState.CONTAINER_STATE_EXITED if ended else ContainerState.CONTAINER_STATE_RUNNING
    return ContainerStatus(schema=1, generation=generation, attempts=kept, state=state)


def attempt(
    number: int, *, ended: bool = True, started: bool = True, policy: bool = False, oom: bool = False
) -> Attempt:
    made = Attempt(number=number, run=1, by_policy=policy, starting_at=at(number), ready_at=at(number))
    if started:
        made.started_at.CopyFrom(at(number + 0.1))
    if ended:
        made.finished_at.CopyFrom(at(number + 0.5))
        made.exit_code, made.oom_killed = (137, True) if oom else (3, False)
    return made


def name(node: str) -> str:
    return {"n1": "node1"}.get(node, node)


def told(before: Parts | None, after: Parts) -> list[Event]:
    return list(container_events(before, after, name))


def actions(events: list[Event]) -> list[str]:
    return [event.action for event in events]


#: When a container was placed, and of each attempt whether it started and whether it ran out of memory.
lives = st.tuples(
    st.sampled_from([0.01, 1.9, 2.0, 7.0]), st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40)
)
Life = tuple[float, list[tuple[bool, bool]]]


def lived(life: Life) -> tuple[list[Parts], Tombstone]:
    """Return all states that a container goes through, and what is left of it."""
    placed, plan = life
    states = [Parts("default", ID, spec())]
    states.append(replace(states[-1], placement=placement(placed=placed)))
    attempts: list[Attempt] = []
    for number, (started, oom) in enumerate(plan, 1):
        begun = attempt(number, ended=False, started=started, policy=number > 1)
        states.append(replace(states[-1], status=status(*attempts, begun)))
        attempts.append(attempt(number, started=started, policy=number > 1, oom=oom))
        states.append(replace(states[-1], status=status(*attempts)))
    last = states[-1].status
    left = Tombstone(id=ID, namespace="default", name="web", removed_at=at(100), created_at=at(0), status=last)
    left.image, left.node_name, left.generation = "team/web:3", "node1", 1
    where = states[-1].placement
    assert where is not None
    left.placed_at.CopyFrom(where.placed_at)
    left.labels.update(spec().config.labels)
    return states, left


def test_tells_of_a_pause_once_and_by_its_own_time() -> None:
    runs = Parts("default", ID, spec(), placement(), status(attempt(1, ended=False)))
    paused = ContainerStatus()
    paused.CopyFrom(runs.status or paused)
    paused.paused = True
    paused.paused_at.CopyFrom(at(5))
    frozen = replace(runs, status=paused)
    (event,) = told(runs, frozen)
    assert (event.action, event.time, event.node) == ("pause", at(5), "node1")
    moved = ContainerStatus()
    moved.CopyFrom(paused)
    moved.report += 1
    assert told(frozen, replace(runs, status=moved)) == []
    # Whoever begins to follow later tells the same.
    assert event.id in {each.id for each in told(None, frozen)}
    thawed = ContainerStatus()
    thawed.CopyFrom(paused)
    thawed.paused = False
    thawed.paused_at.CopyFrom(at(6))
    assert actions(told(frozen, replace(runs, status=thawed))) == ["unpause"]


def test_tells_of_health_that_changed() -> None:
    runs = Parts("default", ID, spec(), placement(), status(attempt(1, ended=False)))
    sick = ContainerStatus()
    sick.CopyFrom(runs.status or sick)
    sick.health = HealthState.HEALTH_STATE_UNHEALTHY
    sick.health_at.CopyFrom(at(5))
    (event,) = told(runs, replace(runs, status=sick))
    assert (event.action, event.attributes["health"], event.time) == ("health_status", "unhealthy", at(5))
    later = ContainerStatus()
    later.CopyFrom(sick)
    later.report += 1
    assert told(replace(runs, status=sick), replace(runs, status=later)) == []


def test_tells_of_another_name() -> None:
    before = Parts("default", ID, spec())
    renamed = spec()
    renamed.name, renamed.old_name = "www", "web"
    renamed.renamed_at.CopyFrom(at(5))
    (event,) = told(before, replace(before, spec=renamed))
    assert (event.action, event.name, event.attributes["old_name"], event.time) == ("rename", "www", "web", at(5))
    assert told(replace(before, spec=renamed), replace(before, spec=renamed)) == []


def plain(event: Event) -> bytes:
    """Return what every teller must agree on: how many are missing is what this one does not know."""
    same = Event()
    same.CopyFrom(event)
    same.attributes.pop("missing", "")
    return same.SerializeToString(deterministic=True)


def live(states: list[Parts]) -> list[Event]:
    events = []
    before: Parts | None = None
    for state in states:
        events += told(before, state)
        before = state
    return events


def missing(events: list[Event]) -> int:
    return sum(int(event.attributes.get("missing", "0")) for event in events)


def numbers(events: list[Event]) -> set[str]:
    ends = [event for event in events if event.action in ("start", "restart", "die", "fail")]
    return {event.attributes["attempt"] for event in ends}


@given(lives, st.lists(st.booleans(), min_size=82, max_size=82))
def test_the_same_events_however_changes_are_merged(life: Life, looks: list[bool]) -> None:
    states, left = lived(life)
    seen = [state for state, looked in zip(states, looks, strict=False) if looked]
    everything = live(states)
    full = {event.id: plain(event) for event in everything}
    assert len(full) == len(everything), "an id is told once"
    assert missing(everything) == 0
    for events in (live(seen), told(None, states[-1]), list(removal_events(None, left))[:-1]):
        assert {event.id: plain(event) for event in events}.items() <= full.items()
    merged = live([*seen, states[-1]]) if not seen or seen[-1] is not states[-1] else live(seen)
    attempts = numbers(everything)
    assert len(numbers(merged)) + missing(merged) >= len(attempts), "what is not told is counted"
    if len(attempts) <= KEPT:
        assert {event.id for event in merged} == full.keys()
        assert missing(merged) == 0


@given(lives)
def test_what_was_removed_tells_what_it_told_before(life: Life) -> None:
    states, left = lived(life)
    *before, removal = removal_events(states[-1], left)
    assert (before, removal.action, removal.time) == ([], "remove", at(100))


def test_attempts_made_while_nobody_listened_come_with_their_own_times_and_are_counted() -> None:
    known = Parts("default", ID, spec(), placement(), status(attempt(1)))
    later = replace(known, status=status(*(attempt(number, policy=number > 1) for number in range(1, 31))))
    events = told(known, later)
    assert events[0].attributes["missing"] == "13"  # 2 to 14
    assert (events[0].action, events[0].attributes["attempt"], events[0].time) == ("restart", "15", at(15.1))
    assert actions(events) == ["restart", "die"] * KEPT
    assert missing(events) == 13


def test_an_attempt_that_never_ran_has_failed_and_one_killed_for_memory_says_so() -> None:
    before = Parts("default", ID, spec(), placement())
    assert actions(told(before, replace(before, status=status(attempt(1, started=False))))) == ["fail"]
    assert actions(told(before, replace(before, status=status(attempt(1, oom=True))))) == ["start", "oom", "die"]


def test_labels_do_not_pass_for_what_shoal_says() -> None:
    (*_, die) = told(None, Parts("default", ID, spec(), placement(), status(attempt(1))))
    assert die.attributes["exit_code"] == "3"
    assert die.attributes["label.exit_code"] == "9"


def test_waiting_for_a_place_is_told_alike_before_and_after() -> None:
    waiting = Parts("default", ID, spec())
    since = pending_since(waiting)
    assert since == at(0).ToNanoseconds()
    early = pending_event(waiting)
    assert early.time.ToNanoseconds() == since + PATIENCE_NS
    late = told(waiting, replace(waiting, placement=placement(placed=2.5)))
    assert actions(late) == ["pending", "place"]
    assert plain(late[0]) == plain(early)
    assert actions(told(waiting, replace(waiting, placement=placement(placed=1.9)))) == ["place"]
    assert pending_since(replace(waiting, placement=placement())) is None


def test_a_lost_container_says_where() -> None:
    before = Parts("default", ID, spec(), placement())
    lost = placement()
    lost.lost_at.CopyFrom(at(9))
    (event,) = told(before, replace(before, placement=lost))
    assert (event.action, event.node, event.time) == ("lost", "node1", at(9))


def test_the_trace_is_that_of_the_request_that_changed_it() -> None:
    created = Parts("default", ID, spec(trace_id="a" * 32))
    assert told(None, created)[0].trace_id == "a" * 32
    updated = Parts("default", ID, spec(trace_id="b" * 32, last_request_id="r"))
    assert told(None, updated)[0].trace_id == "", "the creation's is not known any more"


def test_what_happens_to_nodes() -> None:
    joined = NodeParts("n1", NodeSpec(id="n1", name="node1", joined_at=at(0)))
    ready = replace(
        joined,
        session=NodeSession(epoch=1, boot_id="b", opened_at=at(1)),
        status=NodeStatus(state=NodeState.NODE_STATE_READY, since=at(2)),
    )
    assert actions(list(node_events(None, ready))) == ["join", "agent-start", "ready"]
    described = replace(ready, status=NodeStatus(state=NodeState.NODE_STATE_READY, since=at(2), reason="x"))
    assert not list(node_events(ready, described))
    down = replace(ready, status=NodeStatus(state=NodeState.NODE_STATE_DOWN, since=at(5), reason="no heartbeat"))
    (event,) = node_events(ready, down)
    assert (event.action, event.time, event.node, dict(event.attributes)) == (
        "down",
        at(5),
        "node1",
        {"reason": "no heartbeat"},
    )
    cordoned = replace(down, spec=NodeSpec(id="n1", name="node1", joined_at=at(0), cordoned=True, cordoned_at=at(6)))
    assert actions(list(node_events(down, cordoned))) == ["cordon"]
    free = replace(down, spec=NodeSpec(id="n1", name="node1", joined_at=at(0), cordoned_at=at(7)))
    assert actions(list(node_events(cordoned, free))) == ["uncordon"]
    assert not list(node_events(free, free))
    (removed,) = revocation_events(Revocation(role="node", id="n1", name="node1", revoked_at=at(8), reason="forced"))
    assert (removed.action, removed.node, removed.object) == ("remove", "node1", "n1")
    assert not list(revocation_events(Revocation(role="admin", id="x", revoked_at=at(8))))


def test_what_a_node_has_cleared_is_told_once_and_by_its_own_time() -> None:
    def cleared(*times: int) -> NodeParts:
        status = NodeStatus(state=NodeState.NODE_STATE_READY, since=at(2))
        for time in times:
            status.description.cleanings.add(
                at=at(time), kind="images", reason="86% taken", count=2, names=["web@1", "db@2"], freed_bytes=7
            )
        return NodeParts("n1", NodeSpec(id="n1", name="node1", joined_at=at(0)), status=status)

    (event,) = node_events(cleared(3), cleared(3, 4))
    assert (event.type, event.action, event.time, event.node) == ("node", "clean", at(4), "node1")
    assert dict(event.attributes) == {
        "kind": "images",
        "reason": "86% taken",
        "count": "2",
        "names": "web@1,db@2",
        "freed_bytes": "7",
    }
    # The next agent process remembers none of it.
    assert not list(node_events(cleared(3, 4), cleared()))
    assert len({event.id for event in node_events(None, cleared(3, 4))}) == 4


def test_what_happens_to_the_cluster() -> None:
    leader = Leader(controller="k", address="10.0.0.1:7400", elected_at=at(3))
    assert leader_event(leader, 7).id != leader_event(leader, 8).id
    cluster = Cluster(id="k", created_at=at(0))
    assert actions(list(cluster_events(None, cluster))) == ["create"]
    assert not list(cluster_events(cluster, Cluster(id="k", created_at=at(0), epoch=2)))


@pytest.mark.parametrize(
    ("filters", "fits"),
    [
        ([], True),
        (["type=container"], True),
        (["type=node"], False),
        (["action=die", "action=start"], True),
        (["action=die"], False),
        (["event=start"], True),
        (["event=die", "action=start"], True),
        (["event=die"], False),
        (["action=start", "node=node2"], False),
        (["node=node1"], True),
        (["container=web"], True),
        ([f"container={ID[:12]}"], True),
        ([f"container={ID[:3]}"], False),
        (["namespace=default"], True),
        (["image=team/web"], True),
        (["image=team/web:3"], True),
        (["image=web"], False),
        (["label=tier"], True),
        (["label=tier=front"], True),
        (["label=tier=back"], False),
    ],
)
def test_filters(filters: list[str], fits: bool) -> None:
    (event,) = told(
        Parts("default", ID, spec(), placement()),
        Parts("default", ID, spec(), placement(), status(attempt(1, ended=False))),
    )[-1:]
    assert Filters(filters).fit(event) is fits


@pytest.mark.parametrize("wrong", ["", "action", "action=", "colour=red", "=x", "image=" + "x" * 1000])
def test_a_malformed_filter_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidSpec, match="filter"):
        Filters([wrong])


def test_a_hundred_filters_at_most() -> None:
    Filters(["action=die"] * 100)
    with pytest.raises(InvalidSpec, match="101 filters"):
        Filters(["action=die"] * 101)
