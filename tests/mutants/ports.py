"""Mutants of published ports."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

_CORE: Final = "controller/shoal_controller/core"
_TESTS: Final = "tests/unit/controller"

PORTS: Final = (
    Mutant(
        "port-of-a-plan-free-for-its-next-decision",
        f"{_CORE}/scheduler.py",
        "self._nodes[node] = replace(view, ports=taken(view.ports, container.id, ports))",
        "pass",
        f"{_TESTS}/core/test_ports.py::test_what_is_placed_in_one_plan_does_not_share_a_port",
        "two containers of one burst get the same port of a node, and the second never comes up",
    ),
    Mutant(
        "ports-not-part-of-what-is-asked-for",
        f"{_CORE}/scheduler.py",
        "wanted = (container.need, needed, container.ports)",
        "wanted = (container.need, container.constraints, ())",
        f"{_TESTS}/core/test_ports.py::test_who_wants_no_port_is_not_held_up_by_one_that_finds_none",
        "a container whose port is taken keeps others from nodes that have room for them",
    ),
    Mutant(
        "port-on-all-addresses-free-beside-one",
        "common/shoal_common/containers/ports.py",
        "return not one or not other or one == other",
        "return one == other",
        f"{_TESTS}/core/test_ports.py::test_an_address_of_its_own_is_another_port_but_for_all_addresses",
        "who published on all addresses does not get what comes to one of them",
    ),
    Mutant(
        "port-not-in-the-hold",
        "controller/shoal_controller/leader/commit.py",
        "            reserved=resources(decision.reserve),\n            ports=ports,",
        "            reserved=resources(decision.reserve),",
        f"{_TESTS}/leader/test_commit.py::test_ports_are_in_placement_hold_and_assignment",
        "a port is given away while its container runs",
    ),
    Mutant(
        "superseded-copy-keeps-its-ports",
        "controller/shoal_controller/leader/commit.py",
        "                    del hold.ports[:]",
        "                    pass",
        f"{_TESTS}/leader/test_commit.py::test_ports_are_in_placement_hold_and_assignment",
        "ports of a container that has moved on are lost until its old copy is pruned",
    ),
    Mutant(
        "port-only-remembered-before-port-in-use",
        f"{_CORE}/claims.py",
        "if not any(overlap(port.host_ip, address) for address in addresses):",
        "if True:",
        f"{_TESTS}/core/test_adoption.py::test_a_port_of_a_node_is_who_has_it_there_and_nobody_elses",
        "after a recovery the store says that one port is two containers'",
    ),
    Mutant(
        "another-containers-port-withdrawn",
        "agent/shoal_agent/network/publishing_rules.py",
        'f"add element {element}\\ndelete element {element}\\n" for element',
        'f"delete element {element}\\n" for element',
        "tests/unit/agent/network/test_plans.py::test_withdrawal_adds_before_it_deletes",
        "the removal of one container cuts off another that has its port by now",
    ),
    Mutant(
        "loopback-port-reached-from-outside",
        "agent/shoal_agent/network/publishing_rules.py",
        "published_in ip daddr != {_LOOPBACK} {chosen} {_TO_ONE}",
        "published_in {chosen} {_TO_ONE}",
        "tests/unit/agent/network/test_plans.py::test_loopback_is_for_this_node_alone",
        "neighbours on the node's network reach what was published to the node itself only",
    ),
    Mutant(
        "agent-that-publishes-nothing-given-ports",
        f"{_CORE}/filters.py",
        '        if not node.addresses:\n            return ""',
        "        if not node.addresses:\n            return None",
        f"{_TESTS}/core/test_ports.py::test_an_agent_that_publishes_no_ports_gets_no_container_that_needs_some",
        "while a cluster is upgraded containers run that nobody reaches",
    ),
    Mutant(
        "given-up-port-kept-over-the-next-start",
        "agent/shoal_agent/core/lifecycle.py",
        "return (list(one.addresses), list(one.ports)) == (list(other.addresses), list(other.ports))",
        "return True",
        "tests/unit/agent/containers/test_worker.py::test_another_address_or_port_is_set_up_before_the_next_start",
        "after a recovery the container to which a port was given never gets it",
    ),
)
