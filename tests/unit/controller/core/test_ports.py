"""Which ports a container gets, and that none is given away twice."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from shoal_common.containers.ports import overlap
from shoal_controller.core.explain import pending_reason
from shoal_controller.core.orchestrate import Place, plan
from shoal_controller.core.ports import FIRST_FREE, LAST_FREE, PortView, PortWish, Refusal, choose, taken
from shoal_controller.core.snapshot import ContainerView, NodeView, Snapshot
from tests.unit.controller.core.clusters import Applied, cluster, node, settle, snapshots

WEB = PortWish(8080, 8080, 80)
A, B = "a" * 64, "b" * 64


def with_ports(made: NodeView, owner: str, *ports: PortView) -> NodeView:
    return replace(made, ports=taken(made.ports, owner, ports))


def got(*wishes: PortWish, having: tuple[PortView, ...] = (), seed: str = A) -> list[int] | Refusal:
    chosen = choose(wishes, taken({}, B, having), seed=seed)
    return chosen if isinstance(chosen, Refusal) else [port.host_port for port in chosen]


def test_a_named_port_is_given_or_refused_with_its_owner() -> None:
    assert got(WEB) == [8080]
    assert got(WEB, having=(PortView(8081, 80), PortView(8080, 80, "udp"))) == [8080]
    assert got(WEB, having=(PortView(8080, 1),)) == Refusal(WEB, B)


def test_an_address_of_its_own_is_another_port_but_for_all_addresses() -> None:
    local = replace(WEB, host_ip="127.0.0.1")
    assert got(local, having=(PortView(8080, 80, host_ip="10.0.0.1"),)) == [8080]
    assert got(local, having=(PortView(8080, 80, host_ip="127.0.0.1"),)) == Refusal(local, B)
    assert got(local, having=(PortView(8080, 80),)) == Refusal(local, B)
    assert got(WEB, having=(PortView(8080, 80, host_ip="127.0.0.1"),)) == Refusal(WEB, B)


def test_one_of_a_range_is_the_first_that_is_free() -> None:
    wish = PortWish(8000, 8002, 80)
    assert got(wish, having=(PortView(8000, 80),)) == [8001]
    assert got(wish, replace(wish, container_port=81)) == [8000, 8001]
    assert got(wish, PortWish(8000, 8000, 81)) == [8001, 8000]
    all_ = tuple(PortView(port, 80) for port in range(8000, 8003))
    assert got(wish, having=all_) == Refusal(wish, None)


def test_any_port_lies_below_those_of_outgoing_connections_and_moves_on() -> None:
    anything = PortWish(0, 0, 80)
    first, second = got(anything, seed=A), got(anything, seed=B)
    assert isinstance(first, list)
    assert isinstance(second, list)
    assert FIRST_FREE <= first[0] <= LAST_FREE < 32768
    assert first != second
    assert got(anything, seed=A) == first
    assert got(anything, seed=A, having=(PortView(first[0], 80),)) not in (first, Refusal(anything, None))
    full = tuple(PortView(port, 80) for port in range(FIRST_FREE, LAST_FREE + 1))
    assert got(anything, having=full) == Refusal(anything, None)
    assert got(anything, having=full[1:]) == [FIRST_FREE]


def test_what_is_placed_in_one_plan_does_not_share_a_port() -> None:
    containers = [ContainerView(id=id_ * 64, ports=(WEB,), created=number) for number, id_ in enumerate("abc")]
    snapshot = cluster([node("n1"), node("n2")], containers)
    places = [each for each in plan(snapshot, limit=10) if isinstance(each, Place)]
    assert [(each.container[0], each.node) for each in places] == [("a", "id-n1"), ("b", "id-n2")]
    assert all(each.ports == (PortView(8080, 80),) for each in places)


def test_who_wants_no_port_is_not_held_up_by_one_that_finds_none() -> None:
    made = with_ports(node("n1"), B, PortView(8080, 80))
    containers = [ContainerView(id=A, ports=(WEB,)), ContainerView(id="c" * 64, created=1)]
    decisions = plan(cluster([made], containers), limit=10)
    assert [each.container for each in decisions if isinstance(each, Place)] == ["c" * 64]


def test_the_reason_names_node_port_and_owner() -> None:
    waiting = ContainerView(id=A, ports=(WEB,))

    def reason(*nodes: NodeView) -> str:
        return pending_reason(cluster(nodes, [waiting]), waiting)

    held = with_ports(node("n1"), B, PortView(8080, 80))
    own = with_ports(node("n2"), "", PortView(8080, 0))
    assert reason(held) == "1 node: n1: port 8080/tcp is taken by container bbbbbbbbbbbb"
    assert reason(held, own) == (
        "2 nodes: n1: port 8080/tcp is taken by container bbbbbbbbbbbb, n2: port 8080/tcp is taken by its agent"
    )
    many = [with_ports(node(f"n{number}"), B, PortView(8080, 80)) for number in range(5)]
    assert reason(*many) == "5 nodes: 5 have no free port 8080/tcp"
    assert reason(*many, node("n9")) == ""
    full = with_ports(node("n1"), B, *(PortView(port, 80) for port in range(FIRST_FREE, LAST_FREE + 1)))
    anything = replace(waiting, ports=(PortWish(0, 0, 80),))
    assert pending_reason(cluster([full], [anything]), anything) == (
        "1 node: n1: a port from 30000 to 32767/tcp is not free"
    )


def test_a_node_without_the_address_is_no_place_and_every_node_has_a_loopback() -> None:
    def placed(host_ip: str, *nodes: NodeView) -> list[str]:
        waiting = ContainerView(id=A, ports=(replace(WEB, host_ip=host_ip),))
        return [each.node for each in plan(cluster(nodes, [waiting]), limit=9) if isinstance(each, Place)]

    one, two = node("n1"), node("n2")
    assert placed("10.0.0.2", one, two) == ["id-n2"]
    assert placed("127.0.0.5", one, two) == ["id-n1"]
    assert placed("10.0.0.9", one, two) == []
    waiting = ContainerView(id=A, ports=(replace(WEB, host_ip="10.0.0.9"),))
    old = node("n3", addresses=frozenset())
    assert pending_reason(cluster([one, old], [waiting]), waiting) == (
        "2 nodes: n1: has no address 10.0.0.9, n3: its agent is of a version that publishes no ports"
    )


def test_an_agent_that_publishes_no_ports_gets_no_container_that_needs_some() -> None:
    old = node("n1", addresses=frozenset())
    assert not plan(cluster([old], [ContainerView(id=A, ports=(WEB,))]), limit=9)
    assert plan(cluster([old], [ContainerView(id=A)]), limit=9)


@given(snapshots())
def test_no_port_of_a_node_leads_to_two_containers(snapshot: Snapshot) -> None:
    for each in settle(snapshot).nodes.values():
        for (protocol, port), owners in each.ports.items():
            for number, (address, owner) in enumerate(owners):
                clash = [o for a, o in owners[number + 1 :] if overlap(a, address)]
                assert not clash, f"{port}/{protocol} of {each.name} is {owner}'s and {clash}'s"


@given(snapshots())
def test_whoever_is_placed_has_all_the_ports_it_asked_for(snapshot: Snapshot) -> None:
    state = Applied(snapshot)
    for decision in plan(snapshot, limit=1000):
        state.apply(decision)
        if isinstance(decision, Place):
            wishes = snapshot.containers[decision.container].ports
            assert [(port.container_port, port.protocol) for port in decision.ports] == [
                (wish.container_port, wish.protocol) for wish in wishes
            ]
            for wish, port in zip(wishes, decision.ports, strict=True):
                assert (wish.first or FIRST_FREE) <= port.host_port <= (wish.last or LAST_FREE)


@given(
    st.lists(st.builds(PortWish, st.integers(1, 4), st.just(4), st.integers(1, 9)), max_size=5),
    st.sets(st.integers(1, 4), max_size=4),
)
def test_what_is_chosen_was_free(wishes: list[PortWish], used: set[int]) -> None:
    chosen = choose(wishes, taken({}, B, [PortView(port, 80) for port in used]), seed=A)
    if isinstance(chosen, Refusal):
        return
    ports = [port.host_port for port in chosen]
    assert len(set(ports)) == len(ports)
    assert not used & set(ports)
