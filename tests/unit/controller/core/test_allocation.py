from __future__ import annotations

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from shoal_controller.core.allocation import Allocator, address, gateway, mac, room


def test_an_address_says_all_that_a_node_needs() -> None:
    found = address("10.88.0.0/16", "10.88.1.7")
    assert (found.network, found.ip, found.prefix_length, found.gateway) == ("default", "10.88.1.7", 16, "10.88.0.1")
    assert found.mac == mac("10.88.1.7") == "02:42:0a:58:01:07"


def test_network_gateway_and_broadcast_are_never_given_out() -> None:
    allocator = Allocator("10.88.0.0/29", ())
    given_out = []
    while (found := allocator.allocate()) is not None:
        given_out.append(found.ip)
    assert given_out == [f"10.88.0.{n}" for n in range(2, 7)]
    assert len(given_out) == room("10.88.0.0/29")
    assert gateway("10.88.0.0/29") not in given_out
    assert allocator.allocate() is None


def test_an_address_just_freed_comes_back_last() -> None:
    subnet = "10.88.0.0/29"
    last = ""
    used: set[str] = set()
    for expected in (2, 3, 4, 5, 6):
        found = Allocator(subnet, used, last=last).allocate()
        assert found is not None
        assert found.ip == f"10.88.0.{expected}"
        last = found.ip
        used = {last}  # The one before it has been freed again.
    found = Allocator(subnet, used, last=last).allocate()
    assert found is not None
    assert found.ip == "10.88.0.2"


@given(st.integers(22, 30), st.data())
def test_gives_out_all_that_is_free_each_once(prefix: int, data: st.DataObject) -> None:
    subnet = f"10.88.0.0/{prefix}"
    hosts = [str(ip) for ip in ipaddress.IPv4Network(subnet).hosts()][1:]
    used = data.draw(st.sets(st.sampled_from(hosts), max_size=min(20, len(hosts))))
    last = data.draw(st.sampled_from(["", *hosts, "10.99.0.1"]))
    allocator = Allocator(subnet, used, last=last)
    given_out = []
    while (found := allocator.allocate()) is not None:
        given_out.append(found.ip)
    assert len(given_out) == len(set(given_out))
    assert set(given_out) == set(hosts) - used


def test_macs_are_local_and_unicast_and_unique() -> None:
    assert mac("10.0.0.1") != mac("10.0.0.2")
    assert int(mac("255.255.255.255").split(":")[0], 16) & 0b11 == 0b10
