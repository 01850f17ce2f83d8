"""What etcd's history must not be, one thing at a time."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from google.protobuf.message import Message

from shoal_controller.state import keys
from shoal_controller.state.kv import Batch, Event
from shoal_proto.v1.container_pb2 import (
    ContainerConfig,
    ContainerPlacement,
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    DesiredState,
    Tombstone,
)
from shoal_proto.v1.node_pb2 import Hold, HoldRole, NodeLedger
from shoal_proto.v1.resources_pb2 import Address, Resources
from tests.soak.chronicle import Chronicle
from tests.soak.history import Limits

ID, OTHER, NODE, IP = "a" * 64, "b" * 64, "node-1", "10.88.0.2"
SPEC, NAME = keys.container_spec("default", ID), keys.name("default", "container", "web")
PLACEMENT, STATUS = keys.container_placement("default", ID), keys.container_status("default", ID)
HOLD, LEDGER = keys.hold(NODE, ID), keys.node_ledger(NODE)
ADDRESS, TOMBSTONE = keys.address("default", IP), keys.tombstone("default", ID)

Values = Mapping[str, Message | str | None]


def spec(desired: DesiredState = DesiredState.DESIRED_STATE_RUNNING, **more: object) -> ContainerSpec:
    return ContainerSpec(schema=1, id=ID, name="web", desired=desired, run=1, request_mac=b"m", **more)  # type: ignore[arg-type]


def placement(**more: object) -> ContainerPlacement:
    fields = {"schema": 1, "node": NODE, "generation": 1, "run_admitted": 1, "addresses": [Address(ip=IP)], **more}
    return ContainerPlacement(**fields)  # type: ignore[arg-type]


def hold(role: HoldRole = HoldRole.HOLD_ROLE_CURRENT, memory: int = 64) -> Hold:
    reserved = Resources(memory_bytes=memory)
    return Hold(
        schema=1,
        namespace="default",
        container=ID,
        generation=1,
        role=role,
        addresses=[Address(ip=IP)],
        reserved=reserved,
    )


def ledger(reserved: int = 64, capacity: int = 100) -> NodeLedger:
    return NodeLedger(schema=1, capacity=Resources(memory_bytes=capacity), reserved=Resources(memory_bytes=reserved))


def status(attempt: int, state: ContainerState, report: int, **more: object) -> ContainerStatus:
    return ContainerStatus(schema=1, generation=1, attempt=attempt, state=state, report=report, **more)  # type: ignore[arg-type]


def limited(memory: int, changed: int = 0) -> ContainerSpec:
    return spec(config=ContainerConfig(resources=Resources(memory_bytes=memory)), limits_changed=changed)


MADE: Values = {SPEC: spec(), NAME: ID}
PLACED: Values = {PLACEMENT: placement(), HOLD: hold(), LEDGER: ledger(), ADDRESS: ID}
BURIED = Tombstone(schema=1, id=ID, namespace="default", request_mac=b"m", run=1)
GONE: Values = {
    SPEC: None,
    NAME: None,
    PLACEMENT: None,
    HOLD: None,
    LEDGER: ledger(0),
    ADDRESS: None,
    TOMBSTONE: BURIED,
}
REMOVED: Values = {SPEC: spec(DesiredState.DESIRED_STATE_REMOVED)}
REMOVING: Values = {HOLD: hold(HoldRole.HOLD_ROLE_REMOVE)}
RUNNING = ContainerState.CONTAINER_STATE_RUNNING


class Story:
    """Revisions, one after the other."""

    def __init__(self, *revisions: Values) -> None:
        self.chronicle = Chronicle()
        self._revision = 1
        for values in revisions:
            assert not self.then(values)

    def then(self, values: Values) -> list[str]:
        """Return what is wrong with the next revision."""
        self._revision += 1
        events = tuple(
            Event(
                key,
                value.SerializeToString() if isinstance(value, Message) else value.encode() if value else None,
                self._revision,
                lease=7 if key == TOMBSTONE else 0,
            )
            for key, value in values.items()
        )
        said = self.chronicle.apply(Batch(self._revision, events))
        assert all(each.what.startswith(f"revision {self._revision}: ") for each in said)
        return [each.what.partition(": ")[2] for each in said]


def test_a_life_has_nothing_wrong() -> None:
    story = Story(MADE, {LEDGER: ledger(0)}, PLACED, {STATUS: status(1, RUNNING, 3)}, REMOVED, REMOVING)
    assert not story.then({**GONE, STATUS: None})
    assert story.chronicle.values.keys() == {LEDGER, TOMBSTONE}
    assert story.chronicle.looked["revisions"] == 7


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({LEDGER: ledger(65)}, "has Amounts(memory=65, cpu=0) booked, and holds of Amounts(memory=64, cpu=0)"),
        ({LEDGER: ledger(64, 63)}, "has Amounts(memory=64, cpu=0) of Amounts(memory=63, cpu=0) booked"),
        ({HOLD: hold(memory=0)}, "has Amounts(memory=64, cpu=0) booked, and holds of Amounts(memory=0, cpu=0)"),
    ],
)
def test_books_are_what_is_held_and_fit(change: Values, said: str) -> None:
    assert Story(MADE, {LEDGER: ledger(0)}, PLACED).then(change) == [f"{NODE} {said}"]


def test_an_address_is_booked_for_as_long_as_it_is_held() -> None:
    story = Story(MADE, {LEDGER: ledger(0)}, PLACED, REMOVED)
    assert story.then({**REMOVING, ADDRESS: None}) == [f"{IP} is in use, and is not booked for it"]


def test_an_address_is_one_containers() -> None:
    said = Story(MADE, {LEDGER: ledger(0)}, PLACED).then({ADDRESS: OTHER})
    assert f"{IP} is in use, and is not booked for it" in said
    assert f"{IP} is booked for one that does not use it" in said


def test_a_name_is_its_containers_until_that_is_removed() -> None:
    assert Story(MADE).then({NAME: None}) == ["web is not its own"]
    assert not Story(MADE).then({NAME: None, **REMOVED})
    assert "web is that of a container which is not there" in Story(MADE).then({NAME: OTHER})


def test_what_is_removed_leaves_a_tombstone() -> None:
    story = Story(MADE, {LEDGER: ledger(0)}, PLACED, REMOVED, REMOVING)
    assert story.then({key: value for key, value in GONE.items() if key != TOMBSTONE}) == [
        "is removed without a tombstone"
    ]
    story = Story(MADE, {LEDGER: ledger(0)}, PLACED, REMOVED, REMOVING)
    other = Tombstone(schema=1, id=ID, request_mac=b"n", run=1)
    assert story.then({**GONE, TOMBSTONE: other}) == ["has a tombstone that does not tell what it was"]


def test_only_what_was_wanted_gone_goes_and_for_ever() -> None:
    assert "is gone, and nobody wanted that" in Story(MADE, {LEDGER: ledger(0)}, PLACED).then(GONE)
    story = Story(MADE, {LEDGER: ledger(0)}, PLACED, REMOVED, REMOVING, GONE)
    assert story.then(MADE) == ["is made again after it was removed"]
    assert "is wanted again after its removal was" in Story(MADE, {**REMOVED, NAME: None}).then(MADE)


def test_statuses_only_advance() -> None:
    story = Story(MADE, {LEDGER: ledger(0)}, PLACED, {STATUS: status(2, RUNNING, 5)})
    back = status(2, ContainerState.CONTAINER_STATE_STARTING, 6)
    assert story.then({STATUS: back}) == ["went from (1, 2, 40, 5) to (1, 2, 30, 6)"]
    story = Story(MADE, {LEDGER: ledger(0)}, PLACED, {STATUS: status(2, RUNNING, 5)})
    assert story.then({STATUS: status(2, RUNNING, 5)}) == ["went from (1, 2, 40, 5) to (1, 2, 40, 5)"]
    story = Story(MADE, {LEDGER: ledger(0)}, PLACED, {STATUS: status(2, RUNNING, 5)})
    assert story.then({STATUS: status(3, RUNNING, 4)}) == ["report 4 followed report 5"]


def test_a_placement_is_held() -> None:
    said = Story(MADE, {LEDGER: ledger(0)}).then({PLACEMENT: placement(), ADDRESS: ID})
    assert said == [f"is placed on {NODE}, which does not hold it"]
    said = Story(MADE, {LEDGER: ledger(0)}, PLACED).then({HOLD: None, LEDGER: ledger(0)})
    assert f"is placed on {NODE}, which does not hold it" in said


def test_a_generation_has_one_place() -> None:
    story = Story(MADE, {LEDGER: ledger(0)}, PLACED)
    assert "generation 1 has changed its place" in story.then({PLACEMENT: placement(node="node-2")})
    story = Story(MADE, {LEDGER: ledger(0)}, PLACED)
    assert "admitted run 1, then 0" in story.then({PLACEMENT: placement(run_admitted=0)})


def test_nothing_is_left_without_a_spec() -> None:
    story = Story(MADE, {LEDGER: ledger(0)}, PLACED, REMOVED, REMOVING)
    left = {key: value for key, value in GONE.items() if key not in (HOLD, LEDGER)}
    assert "has no spec, but a hold of node-1" in story.then(left)


def test_a_container_has_no_more_than_is_booked() -> None:
    made = {**MADE, SPEC: limited(64)}
    story = Story(made, {LEDGER: ledger(0)}, PLACED)
    has = {STATUS: status(1, RUNNING, 1, pid=7, limits=Resources(memory_bytes=64))}
    assert not story.then(has)
    of_65, of_64 = ("Amounts(memory=65, cpu=0)", "Amounts(memory=64, cpu=0)")
    assert story.then({SPEC: limited(65, 1)}) == [f"is to have {of_65}, and {of_64} is booked for it"]
    assert not story.then({SPEC: limited(66, 2), HOLD: hold(memory=66), LEDGER: ledger(66)})
    more = {STATUS: status(1, RUNNING, 2, pid=7, limits=Resources(memory_bytes=67))}
    assert story.then(more) == ["has Amounts(memory=67, cpu=0), and Amounts(memory=66, cpu=0) is booked for it"]
    # Without a run of it nothing is booked.
    ended = {STATUS: status(1, ContainerState.CONTAINER_STATE_EXITED, 3, limits=Resources(memory_bytes=67))}
    assert not story.then({**ended, HOLD: hold(memory=0), LEDGER: ledger(0)})


def test_limits_change_by_count() -> None:
    story = Story({**MADE, SPEC: limited(64)})
    assert not story.then({SPEC: limited(65, 1)})
    assert story.then({SPEC: limited(66, 1)}) == ["has other limits, and its node is not told to set them"]
    assert story.then({SPEC: limited(66, 0)}) == ["counted 1 changes of its limits, then 0"]
    assert story.chronicle.limits == {ID: [Limits(64), Limits(65), Limits(66)]}


def test_attempts_are_remembered() -> None:
    told = status(1, RUNNING, 3)
    told.attempts.add(number=1, run=1)
    told.attempts.add(number=2, run=1, by_policy=True)
    chronicle = Story(MADE, {LEDGER: ledger(0)}, PLACED, {STATUS: told}).chronicle
    assert [(each.run, each.by_policy) for each in chronicle.attempts[ID].values()] == [(1, False), (1, True)]
