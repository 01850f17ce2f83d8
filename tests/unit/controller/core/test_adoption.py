"""Adoption never loses or doubles a container, a name or an address, whatever store and nodes say."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from shoal_controller.core.adoption import Adoption, Found, Inventories, Known, Outcome, World, plan_adoption
from shoal_controller.core.allocation import address
from shoal_proto.v1.container_pb2 import (
    ContainerConfig,
    ContainerPlacement,
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    DesiredState,
    PortBinding,
)
from shoal_proto.v1.dispatcher_pb2 import Assignment
from shoal_proto.v1.node_pb2 import Hold, HoldRole
from shoal_proto.v1.resources_pb2 import Address, Resources

NOW = Timestamp(seconds=1_000)
SUBNET = "10.88.0.0/24"
NODES = ("na", "nb", "nc")
SPACE = "default"
RUNNING, STOPPED, REMOVED = (
    DesiredState.DESIRED_STATE_RUNNING,
    DesiredState.DESIRED_STATE_STOPPED,
    DesiredState.DESIRED_STATE_REMOVED,
)
CURRENT, RETIRED, REMOVE = HoldRole.HOLD_ROLE_CURRENT, HoldRole.HOLD_ROLE_RETIRED, HoldRole.HOLD_ROLE_REMOVE
S = ContainerState
#: What every node of these tests has heard of, unless it says otherwise.
HEARD = 100


def cid(number: int) -> str:
    return f"{number:064x}"


def addresses(last: int) -> list[Address]:
    if not last:
        return []
    view = address(SUBNET, f"10.88.0.{last}")
    return [Address(network="default", ip=view.ip, prefix_length=24, gateway=view.gateway, mac=view.mac)]


def bindings(port: int) -> list[PortBinding]:
    return [PortBinding(host_port=port, container_port=80, protocol="tcp")] if port else []


def found(
    number: int,
    node: str = "na",
    *,
    generation: int = 1,
    run: int = 1,
    name: str = "",
    last: int = 0,
    port: int = 0,
    state: ContainerState = S.CONTAINER_STATE_RUNNING,
    desired: DesiredState = RUNNING,
    role: HoldRole = CURRENT,
    started: int = 500,
) -> Found:
    assignment = Assignment(
        namespace=SPACE,
        id=cid(number),
        name=name or f"c{number}",
        generation=generation,
        role=role,
        desired=desired,
        run_admitted=run,
        addresses=addresses(last),
        ports=bindings(port),
        config=ContainerConfig(image="web", env=["A=1"], resources=Resources(memory_bytes=10)),
        image_digest="sha256:1",
    )
    status = ContainerStatus(schema=1, generation=generation, attempt=1, state=state, report=3, run_served=run)
    status.attempts.add(number=1, run=run).started_at.seconds = started
    return Found(node, assignment, status)


def known(
    number: int,
    node: str = "na",
    *,
    generation: int = 1,
    run: int = 1,
    admitted: int | None = None,
    name: str = "",
    last: int = 0,
    port: int = 0,
    state: ContainerState | None = S.CONTAINER_STATE_RUNNING,
    desired: DesiredState = RUNNING,
    created: int = 400,
    revision: int = 50,
) -> Known:
    spec = ContainerSpec(
        schema=1,
        id=cid(number),
        namespace=SPACE,
        name=name or f"c{number}",
        desired=desired,
        run=run,
        config=ContainerConfig(image="web", env=["A=1"], resources=Resources(memory_bytes=10)),
        created_at=Timestamp(seconds=created),
        request_mac=b"mac",
    )
    placement = ContainerPlacement(
        schema=1,
        node=node,
        generation=generation,
        run_admitted=run if admitted is None else admitted,
        addresses=addresses(last),
        ports=bindings(port),
    )
    status = None
    if state is not None:
        status = ContainerStatus(schema=1, generation=generation, attempt=1, state=state, report=1, run_served=run)
    return Known(spec, placement if node else None, status, revision, revision if node else 0)


def world(*containers: Known, tombstones: frozenset[tuple[str, str]] = frozenset()) -> World:
    holds: dict[str, dict[str, Hold]] = {}
    names: dict[tuple[str, str], str] = {}
    taken: dict[tuple[str, str], str] = {}
    for each in containers:
        assert each.spec is not None
        id_ = each.spec.id
        names.setdefault((SPACE, each.spec.name), id_)
        if each.placement is not None:
            role = REMOVE if each.spec.desired == REMOVED else CURRENT
            hold = Hold(
                schema=1,
                namespace=SPACE,
                container=id_,
                generation=each.placement.generation,
                role=role,
                addresses=each.placement.addresses,
                reserved=Resources(memory_bytes=10),
                ports=each.placement.ports,
            )
            holds[id_] = {each.placement.node: hold}
            for one in each.placement.addresses:
                taken.setdefault((one.network, one.ip), id_)
    stored = {each.spec.id: each for each in containers if each.spec is not None}
    return World(SUBNET, stored, holds, names, taken, tombstones)


def all_of(*copies: Found, nodes: tuple[str, ...] = NODES, heard: int = HEARD, whole: bool = True) -> Inventories:
    return Inventories(copies, dict.fromkeys(nodes, heard), complete=frozenset(nodes), whole=whole, cluster_wide=True)


def applied(before: World, adoption: Adoption) -> World:
    """Return the store after the plan was written, and nothing else."""
    containers, holds = dict(before.containers), {id_: dict(each) for id_, each in before.holds.items()}
    for each in adoption.containers:
        old = containers.get(each.id, Known())
        containers[each.id] = replace(
            old,
            spec=each.spec,
            placement=each.placement or old.placement,
            status=each.status or old.status,
            spec_revision=HEARD + 50,
            placement_revision=HEARD + 50,
        )
        holds[each.id] = dict(each.holds)
    ours = {each.id for each in adoption.containers}
    names = {key: id_ for key, id_ in before.names.items() if id_ not in ours} | dict(adoption.names)
    taken = {key: id_ for key, id_ in before.addresses.items() if id_ not in ours} | dict(adoption.addresses)
    return replace(before, containers=containers, holds=holds, names=names, addresses=taken)


def adopt(before: World, *copies: Found, **options: object) -> tuple[Adoption, World]:
    adoption = plan_adoption(before, all_of(*copies, **options), NOW)  # type: ignore[arg-type]
    return adoption, applied(before, adoption)


# One rule each


def test_an_emptied_store_takes_all_from_the_nodes() -> None:
    adoption, after = adopt(
        World(SUBNET),
        found(1, last=5),
        found(2, "nb", run=0, state=S.CONTAINER_STATE_READY, desired=DesiredState.DESIRED_STATE_CREATED),
    )
    one, two = (after.containers[cid(number)] for number in (1, 2))
    assert one.spec is not None
    assert one.placement is not None
    assert (one.spec.name, list(one.spec.config.env), one.spec.run, one.spec.desired) == ("c1", ["A=1"], 1, RUNNING)
    assert (one.placement.node, one.placement.run_admitted, one.placement.addresses[0].ip) == ("na", 1, "10.88.0.5")
    assert after.names[(SPACE, "c1")] == cid(1)
    assert after.addresses[("default", "10.88.0.5")] == cid(1)
    assert after.holds[cid(1)]["na"].reserved.memory_bytes == 10
    assert two.spec is not None
    assert (two.spec.desired, two.spec.run) == (DesiredState.DESIRED_STATE_CREATED, 0)
    assert not after.holds[cid(2)]["nb"].HasField("reserved") or not after.holds[cid(2)]["nb"].reserved.memory_bytes
    assert [each.outcome for each in adoption.containers] == [Outcome.ADOPTED] * 2


def test_of_two_copies_the_higher_generation_is_current_and_the_other_retired() -> None:
    _, after = adopt(World(SUBNET), found(1, "na", generation=2), found(1, "nb", generation=3, last=7))
    assert (after.holds[cid(1)]["na"].role, after.holds[cid(1)]["nb"].role) == (RETIRED, CURRENT)
    placement = after.containers[cid(1)].placement
    assert placement is not None
    assert (placement.node, placement.generation) == ("nb", 3)


def test_of_two_copies_of_one_generation_the_one_that_runs_stays() -> None:
    _, after = adopt(World(SUBNET), found(1, "nb", state=S.CONTAINER_STATE_EXITED), found(1, "na"))
    assert (after.holds[cid(1)]["na"].role, after.holds[cid(1)]["nb"].role) == (CURRENT, RETIRED)


def test_what_the_store_holds_older_state_of_is_brought_up_to_date() -> None:
    before = world(known(1, run=1, state=S.CONTAINER_STATE_PREPARING, desired=STOPPED))
    _, after = adopt(before, found(1, run=4))
    now = after.containers[cid(1)]
    assert now.spec is not None
    assert now.placement is not None
    assert now.status is not None
    assert (now.spec.run, now.spec.desired, now.placement.run_admitted) == (4, RUNNING, 4)
    assert (now.status.state, now.status.run_served) == (S.CONTAINER_STATE_RUNNING, 4)
    assert now.spec.request_mac == b"mac", "what only the store knows stays"


def test_what_the_node_has_not_heard_of_is_not_taken_back() -> None:
    before = world(known(1, run=3, admitted=1, desired=STOPPED, revision=HEARD + 1))
    _, after = adopt(before, found(1, run=1))
    spec = after.containers[cid(1)].spec
    assert spec is not None
    assert (spec.desired, spec.run) == (STOPPED, 3)


def test_what_its_node_has_nothing_of_is_lost_and_does_not_start() -> None:
    before = world(known(1, run=3, admitted=2, state=S.CONTAINER_STATE_PREPARING))
    adoption, after = adopt(before)
    assert [each.outcome for each in adoption.containers] == [Outcome.LOST]
    now = after.containers[cid(1)]
    assert now.spec is not None
    assert now.placement is not None
    assert now.status is not None
    assert now.status.state == S.CONTAINER_STATE_FAILED
    assert now.status.reason.startswith("lost")
    assert now.status.ever_ready, "or its node would begin it anew"
    assert now.status.run_served >= now.placement.run_admitted >= now.spec.run, "nothing is left to be started"
    assert now.spec.desired == STOPPED, "or a restart policy would start it"
    assert after.holds[cid(1)]["na"].reserved.memory_bytes == 0
    # Whatever becomes of it later is not undone by recovering again.
    assert adopt(after)[0].containers == ()


def test_what_was_never_told_to_its_node_is_left_to_be_started() -> None:
    assert adopt(world(known(1, state=None, revision=HEARD + 1)))[0].containers == ()


def test_on_a_node_that_is_away_nothing_changes() -> None:
    adoption, _ = adopt(world(known(1, "nc")), nodes=("na", "nb"), whole=False)
    assert adoption.containers == ()


def test_what_waited_for_a_node_may_have_run_since_and_stays_stopped() -> None:
    adoption, after = adopt(world(known(1, "", state=None)))
    assert [each.outcome for each in adoption.containers] == [Outcome.STOPPED]
    spec = after.containers[cid(1)].spec
    assert spec is not None
    assert spec.desired == STOPPED
    # Unless nobody was told anything after it was asked for.
    assert adopt(world(known(1, "", state=None, revision=HEARD + 1)))[0].containers == ()
    # One that waits has nothing to do with a node that comes late.
    late = Inventories([], {"na": HEARD}, complete=frozenset({"na"}))
    assert plan_adoption(world(known(1, "", state=None)), late, NOW).containers == ()


def test_of_a_name_taken_twice_who_was_made_later_has_it() -> None:
    older, newer = found(1, name="web", started=100), found(2, "nb", name="web", started=200)
    _, after = adopt(World(SUBNET), older, newer)
    assert after.names[(SPACE, "web")] == cid(2)
    assert after.names[(SPACE, f"web-{cid(1)[:6]}")] == cid(1)


def test_what_a_node_has_goes_before_what_only_the_store_remembers() -> None:
    before = world(known(1, name="web", last=9, created=900))
    _, after = adopt(before, found(2, "nb", name="web", last=9, started=100))
    assert after.names[(SPACE, "web")] == cid(2)
    assert after.addresses[("default", "10.88.0.9")] == cid(2)
    placement = after.containers[cid(1)].placement
    assert placement is not None
    assert placement.addresses[0].ip != "10.88.0.9"
    assert after.holds[cid(1)]["na"].addresses == placement.addresses


def test_a_container_keeps_its_ports_whatever_the_store_remembers() -> None:
    for before in (World(SUBNET), world(known(1, port=8080)), world(known(1, generation=1, port=80))):
        _, after = adopt(before, found(1, generation=2, port=8080))
        placement = after.containers[cid(1)].placement
        assert placement is not None
        assert [port.host_port for port in placement.ports] == [8080]
        assert after.holds[cid(1)]["na"].ports == placement.ports


def test_a_port_of_a_node_is_who_has_it_there_and_nobody_elses() -> None:
    before = world(known(1, port=8080, last=9, created=900), known(3, "nb", port=8080))
    adoption, after = adopt(before, found(2, port=8080), found(3, "nb", port=8080))
    assert [port.host_port for port in after.holds[cid(2)]["na"].ports] == [8080]
    assert not after.holds[cid(1)]["na"].ports
    placement = after.containers[cid(1)].placement
    assert placement is not None
    assert not placement.ports
    assert [port.host_port for port in after.holds[cid(3)]["nb"].ports] == [8080]
    note = next(each.note for each in adoption.containers if each.id == cid(1))
    assert "its port 8080/tcp is another's" in note


def test_a_superseded_copy_has_no_port() -> None:
    _, after = adopt(World(SUBNET), found(1, generation=1, port=8080), found(1, "nb", generation=2, port=8080))
    assert not after.holds[cid(1)]["na"].ports
    assert [port.host_port for port in after.holds[cid(1)]["nb"].ports] == [8080]


def test_one_being_removed_goes_on_being_removed_and_claims_no_name() -> None:
    removing = found(1, name="web", role=REMOVE, desired=REMOVED, started=900)
    _, after = adopt(world(known(1, name="web")), removing, found(2, "nb", name="web", started=100))
    spec = after.containers[cid(1)].spec
    assert spec is not None
    assert (spec.desired, after.holds[cid(1)]["na"].role) == (REMOVED, REMOVE)
    assert after.names[(SPACE, "web")] == cid(2)


def test_what_was_removed_is_not_brought_back_from_its_tombstone() -> None:
    before = world(tombstones=frozenset({(SPACE, cid(1))}))
    adoption, _ = adopt(before, found(1))
    assert adoption.containers == ()
    assert "removed" in adoption.refused[cid(1)]


def test_a_newer_placement_on_a_node_that_is_away_keeps_it() -> None:
    before = world(known(1, "nc", generation=3))
    _, after = adopt(before, found(1, "na", generation=2), nodes=("na", "nb"), whole=False)
    assert after.holds[cid(1)]["nc"].role == CURRENT
    assert after.holds[cid(1)]["na"].role == RETIRED
    placement = after.containers[cid(1)].placement
    assert placement is not None
    assert placement.node == "nc"


def test_by_its_own_word_a_node_takes_nothing_that_the_store_has_elsewhere() -> None:
    _, before = adopt(World(SUBNET), found(1, "na"))
    for claim in (found(1, "nb", generation=2**40), found(1, "nb", role=REMOVE, desired=REMOVED)):
        told = replace(all_of(claim, found(2, "nb"), nodes=("nb",)), cluster_wide=False, own_only=True)
        adoption = plan_adoption(before, told, NOW)
        assert [each.id for each in adoption.containers] == [cid(2)]
        assert adoption.refused == {cid(1): "the store has it on another node"}


def test_an_older_record_on_the_node_of_the_newer_placement_is_no_copy_of_its_own() -> None:
    _, after = adopt(world(known(1, generation=2)), found(1, generation=1))
    assert (after.holds[cid(1)]["na"].role, after.holds[cid(1)]["na"].generation) == (CURRENT, 2)


# Whatever is found

numbers = st.integers(1, 4)
states = st.sampled_from(
    [S.CONTAINER_STATE_PREPARING, S.CONTAINER_STATE_READY, S.CONTAINER_STATE_RUNNING, S.CONTAINER_STATE_EXITED]
)
wishes = st.sampled_from([RUNNING, STOPPED, REMOVED, DesiredState.DESIRED_STATE_CREATED])
copies = st.builds(
    found,
    numbers,
    st.sampled_from(NODES),
    generation=st.integers(1, 3),
    run=st.integers(0, 3),
    name=st.sampled_from(["web", "db", ""]),
    last=st.integers(0, 4).map(lambda n: n and n + 1),
    state=states,
    desired=wishes,
    role=st.sampled_from([CURRENT, CURRENT, RETIRED, REMOVE]),
    started=st.integers(1, 900),
)
objects = st.builds(
    known,
    numbers,
    st.sampled_from([*NODES, ""]),
    generation=st.integers(1, 3),
    run=st.integers(0, 3),
    state=st.one_of(st.none(), states),
    desired=wishes,
    name=st.sampled_from(["web", "db", ""]),
    last=st.integers(0, 4).map(lambda n: n and n + 1),
    created=st.integers(1, 900),
    revision=st.sampled_from([50, HEARD + 10]),
)


@st.composite
def stores(draw: st.DrawFn) -> World:
    """Return a store that is in order: no name and no address in it is two containers'."""
    made: dict[str, Known] = {}
    names: set[str] = set()
    taken: set[str] = set()
    for each in draw(st.lists(objects, max_size=4)):
        assert each.spec is not None
        ips = {one.ip for one in each.placement.addresses} if each.placement is not None else set()
        if each.spec.id in made or each.spec.name in names or ips & taken:
            continue
        names.add(each.spec.name)
        taken |= ips
        made[each.spec.id] = each
    return world(*made.values())


def one_a_node(each: list[Found]) -> list[Found]:
    return list({(copy.node, copy.assignment.id): copy for copy in each}.values())


inventories = st.builds(
    lambda each, nodes: all_of(
        *(copy for copy in one_a_node(each) if copy.node in nodes), nodes=nodes, whole=nodes == NODES
    ),
    st.lists(copies, max_size=6),
    st.sampled_from([NODES, NODES[:2], NODES[:1]]),
)


@given(stores(), inventories)
def test_nothing_that_was_found_is_lost_or_doubled(before: World, told: Inventories) -> None:
    adoption = plan_adoption(before, told, NOW)
    after = applied(before, adoption)
    for copy in told.found:
        assert copy.assignment.id in after.containers
        assert copy.node in after.holds[copy.assignment.id], "every copy is held, or it would be a stray"
    for each in adoption.containers:
        current = [node for node, hold in each.holds.items() if hold.role == CURRENT]
        if each.spec.desired == REMOVED:
            assert not current
            assert {hold.role for hold in each.holds.values()} <= {REMOVE}
        elif each.placement is not None:
            assert current == [each.placement.node], "one copy is the container"
            assert each.holds[each.placement.node].generation == each.placement.generation


@given(stores(), inventories)
def test_no_name_and_no_address_is_two_containers(before: World, told: Inventories) -> None:
    adoption = plan_adoption(before, told, NOW)
    after = applied(before, adoption)
    stay = [each for each in after.containers.values() if each.spec is not None and each.spec.desired != REMOVED]
    names = Counter(each.spec.name for each in stay if each.spec is not None)
    assert all(count == 1 for count in names.values())
    for each in stay:
        assert each.spec is not None
        assert after.names[(SPACE, each.spec.name)] == each.spec.id
    taken = Counter(
        one.ip for each in after.containers.values() if each.placement is not None for one in each.placement.addresses
    )
    assert all(count == 1 for count in taken.values())
    for each in after.containers.values():
        for one in each.placement.addresses if each.placement is not None else ():
            assert each.spec is not None
            assert after.addresses[(one.network, one.ip)] == each.spec.id


@given(stores(), inventories)
def test_no_port_of_a_node_is_two_containers(before: World, told: Inventories) -> None:
    after = applied(before, plan_adoption(before, told, NOW))
    taken = Counter(
        (node, port.protocol, port.host_port)
        for holds in after.holds.values()
        for node, hold in holds.items()
        for port in hold.ports
    )
    assert all(count == 1 for count in taken.values())


@given(stores(), inventories)
def test_generations_and_runs_never_go_back(before: World, told: Inventories) -> None:
    after = applied(before, plan_adoption(before, told, NOW))
    for id_, old in before.containers.items():
        new = after.containers[id_]
        assert new.spec is not None
        assert old.spec is not None
        assert new.spec.run >= old.spec.run
        if old.placement is not None:
            assert new.placement is not None
            assert new.placement.generation >= old.placement.generation
            if new.placement.generation == old.placement.generation and new.placement.node == old.placement.node:
                assert new.placement.run_admitted >= old.placement.run_admitted
    for copy in told.found:
        placement = after.containers[copy.assignment.id].placement
        assert placement is not None
        assert placement.generation >= copy.assignment.generation
        if (placement.node, placement.generation) == (copy.node, copy.assignment.generation):
            assert placement.run_admitted >= copy.status.run_served


@given(stores(), inventories)
def test_adopting_again_changes_nothing(before: World, told: Inventories) -> None:
    after = applied(before, plan_adoption(before, told, NOW))
    again = plan_adoption(after, told, Timestamp(seconds=2_000))
    assert applied(after, again) == replace(
        after,
        containers={
            id_: replace(each, spec_revision=HEARD + 50, placement_revision=HEARD + 50)
            if id_ in {one.id for one in again.containers}
            else each
            for id_, each in after.containers.items()
        },
    )


@given(stores(), inventories)
def test_what_runs_as_asked_is_not_stopped_and_nothing_else_is_started(before: World, told: Inventories) -> None:
    after = applied(before, plan_adoption(before, told, NOW))
    for copy in told.found:
        id_ = copy.assignment.id
        now = after.containers[id_]
        assert now.spec is not None
        assert now.placement is not None
        theirs = [each for each in told.found if each.assignment.id == id_]
        old = before.containers.get(id_)
        if len(theirs) > 1 or old is not None:
            continue
        if copy.assignment.role == CURRENT and copy.assignment.desired == RUNNING:
            assert now.spec.desired == RUNNING
            assert now.placement.run_admitted == max(copy.assignment.run_admitted, copy.status.run_served)
