"""What is decided about links, bridge and rules before the kernel hears of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal_agent.network import rules
from shoal_agent.network.bridge import plan_bridge
from shoal_agent.network.links import LINK_PREFIX, link_name, mac_of, plan_ports
from shoal_common.errors import InvalidSpec
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


def test_replacement_by_nothing_only_flushes() -> None:
    assert rules.replacement(()).endswith("flush set bridge shoal ports\n")
