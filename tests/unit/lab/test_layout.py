"""The plan of a lab."""

from __future__ import annotations

import pytest

from shoal_agent.sandbox.uid_ranges import parse_bases
from shoal_common.errors import InvalidSpec
from shoal_lab.cluster import Lab
from shoal_lab.layout import MAX_NODES, Layout
from shoal_lab.network import cable_batch, host_batch, switch_batch


def test_hosts_have_addresses_of_their_own() -> None:
    layout = Layout("lab", "10.77.0.0/24", MAX_NODES)
    addresses = [host.address for host in layout.hosts if host.address] + [layout.machine_address]
    assert len(set(addresses)) == len(addresses) == MAX_NODES + 2
    assert all(address.startswith("10.77.0.") for address in addresses)


@pytest.mark.parametrize("name", ["", "Lab", "a" * 11, "../x", "1st"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidSpec, match="lab name"):
        Layout(name, "10.77.0.0/24", 3)


@pytest.mark.parametrize("subnet", ["", "10.77.0.0/16", "8.8.8.0/24", "10.77.0.1/24"])
def test_bad_subnets_are_refused(subnet: str) -> None:
    with pytest.raises(InvalidSpec, match="subnet"):
        Layout("lab", subnet, 3)


@pytest.mark.parametrize("nodes", [0, -1, MAX_NODES + 1])
def test_bad_sizes_are_refused(nodes: int) -> None:
    with pytest.raises(InvalidSpec, match="nodes"):
        Layout("lab", "10.77.0.0/24", nodes)


def test_link_names_fit_the_kernel() -> None:
    assert len(Layout("a" * 10, "10.77.0.0/24", 1).uplink) <= 15


def test_an_unknown_host_names_those_there_are() -> None:
    with pytest.raises(InvalidSpec, match="control1, node1"):
        Layout("lab", "10.77.0.0/24", 1).host("node2")


def test_the_switch_has_a_port_per_host() -> None:
    batch = switch_batch({"control1": 10, "node1": 11})
    assert "link add control1 type veth peer name eth0 netns 10" in batch
    assert "link set node1 master lab0 up" in batch


@pytest.mark.parametrize(("controllers", "members"), [(0, 1), (2, 1), (1, 4), (7, 1)])
def test_bad_numbers_of_controllers_and_members_are_refused(controllers: int, members: int) -> None:
    with pytest.raises(InvalidSpec, match="ask for 1, 3 or 5"):
        Layout("lab", "10.77.0.0/24", 1, controllers, members)


def test_controllers_and_members_share_the_control_hosts() -> None:
    layout = Layout("lab", "10.77.0.0/24", MAX_NODES, controllers=3, members=5)
    assert [host.name for host in layout.running("etcd")] == [f"control{n}" for n in range(1, 6)]
    assert [host.name for host in layout.running("controller")] == ["control1", "control2", "control3"]
    assert [host.name for host in layout.running("registry")] == ["control1"]
    addresses = [host.address for host in layout.hosts if host.address]
    assert len(set(addresses)) == len(addresses) == MAX_NODES + 5


def test_targets_are_hosts_or_daemons_of_them() -> None:
    layout = Layout("lab", "10.77.0.0/24", 2, controllers=3, members=3)
    words = ("control2", "etcd", "controller", "node1", "control3/etcd")
    assert layout.targets(words) == ["control2/etcd", "control2/controller", "node1", "control3/etcd"]
    assert layout.target("control1")[1] == ("etcd", "registry", "controller")
    for wrong in (["control2", "registry"], ["etcd"], ["node1/etcd"], ["node3"]):
        with pytest.raises(InvalidSpec, match="has no"):
            layout.targets(wrong)


def test_a_partition_is_undone_by_healing() -> None:
    host = Layout("lab", "10.77.0.0/24", 1).host("node1")
    assert cable_batch(host, cut=True) == "link set node1 down\n"
    assert cable_batch(host, cut=False) == "link set node1 up\n"
    assert "10.77.0.11/24" in host_batch(host)


def test_nodes_have_uids_of_their_own_that_the_agent_takes() -> None:
    layout = Layout("lab", "10.77.0.0/24", MAX_NODES)
    bases = [base for host in layout.node_hosts for base in parse_bases(layout.uid_range(host))]
    assert len(set(bases)) == len(bases) == MAX_NODES * 256


@pytest.mark.parametrize("name", ["", "A", "../x", "x" * 300, "\U0001f41a" * 300, "1a"])
def test_a_lab_that_no_name_can_be_of_is_not_looked_for(name: str) -> None:
    with pytest.raises(InvalidSpec, match="not valid"):
        Lab.load(name)
