"""What is decided about links, bridge and rules before the kernel hears of it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal_agent.network import publishing_rules, rules
from shoal_agent.network.bridge import plan_bridge
from shoal_agent.network.links import LINK_PREFIX, link_name, mac_of, plan_ports
from shoal_agent.network.published import Published, plan_published
from shoal_agent.sandbox.sandboxes import Claim
from shoal_common.errors import InvalidSpec
from shoal_proto.v1.container_pb2 import PortBinding
from shoal_proto.v1.resources_pb2 import Address


def address(**fields: object) -> Address:
    given = {"network": "default", "ip": "10.88.0.7", "prefix_length": 16, "gateway": "10.88.0.1", **fields}
    return Address(**given)  # type: ignore[arg-type]


@given(st.ip_addresses(v=4))
def test_mac_is_the_address_and_never_a_group(ip: object) -> None:
    octets = [int(part, 16) for part in mac_of(str(ip)).split(":")]
    assert octets[:2] == [0x02, 0x42]
    assert ".".join(map(str, octets[2:])) == str(ip)
    assert not octets[0] & 1


@given(st.text(max_size=80), st.integers(0, 9))
def test_link_name_fits_the_kernel_and_the_firewall(key: str, index: int) -> None:
    name = link_name(key, index)
    assert len(name) == 15
    assert name.startswith(LINK_PREFIX)
    assert name == link_name(key, index)
    assert name != link_name(key, index + 1)


def test_one_link_an_address_and_one_default_route() -> None:
    ports = plan_ports("c0ffee-1", [address(), address(ip="10.88.0.8")])
    assert [(port.inside, port.ip, port.gateway) for port in ports] == [
        ("eth0", "10.88.0.7", "10.88.0.1"),
        ("eth1", "10.88.0.8", ""),
    ]
    assert ports[0].mac == "02:42:0a:58:00:07"
    assert plan_ports("c0ffee-1", []) == ()


@pytest.mark.parametrize(
    "fields",
    [
        {"network": "other"},
        {"ip": "10.88.0"},
        {"ip": "fe80::1"},
        {"prefix_length": 33},
        {"gateway": "10.99.0.1"},
        {"mac": "02:42:0a:58:00:08"},
    ],
)
def test_address_that_can_not_be_used_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidSpec, match="c0ffee-1"):
        plan_ports("c0ffee-1", [address(**fields)])


def test_bridge_is_the_same_on_every_node() -> None:
    plan = plan_bridge("10.88.0.0/16", "10.88.0.1")
    assert (plan.gateway, plan.prefix_length, plan.mac) == ("10.88.0.1", 16, "02:42:0a:58:00:01")


@pytest.mark.parametrize(
    ("subnet", "gateway"),
    [("10.88.0.0/16", "10.89.0.1"), ("10.88.0.0/16", "10.88.0.0"), ("10.88.0.0/16", "10.88.255.255"), ("x", "y")],
)
def test_gateway_that_is_no_host_of_the_subnet_is_refused(subnet: str, gateway: str) -> None:
    with pytest.raises(InvalidSpec):
        plan_bridge(subnet, gateway)


def test_every_chain_is_emptied_before_it_is_filled() -> None:
    text = rules.configuration("10.88.0.0/16", {7410})
    lines = text.splitlines()
    for line in lines:
        if line.startswith("add rule"):
            chain = " ".join(line.split()[2:5])
            assert f"flush chain {chain}" in lines[: lines.index(line)], line
    # The set keeps the ports of containers that run.
    assert "flush set" not in text


def test_container_ends_in_a_drop() -> None:
    chain = [
        line for line in rules.configuration("10.88.0.0/16", {7410}).splitlines() if "shoal from_container" in line
    ]
    assert chain[-1].endswith("from_container drop")
    assert all("@ports" in line for line in chain if line.endswith("accept"))


def test_expulsion_adds_before_it_deletes() -> None:
    ports = plan_ports("c0ffee-1", [address()])
    element = f'{{ "{ports[0].link}" . 02:42:0a:58:00:07 . 10.88.0.7 }}'
    assert rules.expulsion(ports).splitlines()[-2:] == [
        f"add element bridge shoal ports {element}",
        f"delete element bridge shoal ports {element}",
    ]


def binding(**fields: object) -> PortBinding:
    return PortBinding(**{"host_port": 8080, "container_port": 80, "protocol": "tcp", **fields})  # type: ignore[arg-type]


def test_published_ports_lead_to_the_first_address() -> None:
    links = plan_ports("c0ffee-1", [address(), address(ip="10.88.0.8")])
    made = plan_published("c0ffee-1", links, [binding(), binding(host_ip="127.0.0.1", protocol="udp")])
    assert made == (
        Published("", 8080, "tcp", "10.88.0.7", 80),
        Published("127.0.0.1", 8080, "udp", "10.88.0.7", 80),
    )
    assert publishing_rules.publication(made).splitlines()[-2:] == [
        "add element inet shoal published { tcp . 8080 : 10.88.0.7 . 80 }",
        "add element inet shoal published_at { 127.0.0.1 . udp . 8080 : 10.88.0.7 . 80 }",
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"host_port": 0},
        {"host_port": 65536},
        {"container_port": 0},
        {"protocol": "sctp"},
        {"protocol": "tcp; flush ruleset"},
        {"host_ip": "::1"},
        {"host_ip": "0.0.0.0 }; flush ruleset"},
    ],
)
def test_port_that_can_not_be_published_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidSpec, match="c0ffee-1"):
        plan_published("c0ffee-1", plan_ports("c0ffee-1", [address()]), [binding(**fields)])


def test_ports_need_an_address() -> None:
    with pytest.raises(InvalidSpec, match="no address"):
        plan_published("c0ffee-1", (), [binding()])


def test_withdrawal_adds_before_it_deletes() -> None:
    # Added with another destination it is refused as a whole: what has become another's stays.
    element = "inet shoal published { tcp . 8080 : 10.88.0.7 . 80 }"
    assert publishing_rules.withdrawal([Published("", 8080, "tcp", "10.88.0.7", 80)]).splitlines()[-2:] == [
        f"add element {element}",
        f"delete element {element}",
    ]


def test_loopback_is_for_this_node_alone() -> None:
    rules_ = publishing_rules.chains("10.88.0.0/16").splitlines()
    inward = [line for line in rules_ if line.startswith("add rule inet shoal published_in")]
    assert inward
    assert all("ip daddr != 127.0.0.0/8" in line for line in inward)
    assert 'add rule inet shoal guard iifname "shoal0" ip daddr 127.0.0.0/8 drop' in rules_


def test_claim_keeps_what_is_published_and_reads_an_older_agents() -> None:
    links = plan_ports("c0ffee-1", [address()])
    claim = Claim("c0ffee-1", 524288, links, plan_published("c0ffee-1", links, [binding()]))
    assert Claim.decode(claim.encode()) == claim
    older = json.loads(claim.encode())
    del older["published"]
    assert Claim.decode(json.dumps(older)) == replace(claim, published=())


def test_replacement_by_nothing_only_flushes() -> None:
    assert rules.replacement(()).endswith("flush set bridge shoal ports\n")
