"""Ports between messages and what the core sees, whatever is stored."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal_common.containers.ports import MAX_PORTS
from shoal_controller.core import ports
from shoal_controller.core.ports import PortView, PortWish, Taken, choose
from shoal_controller.leader.port_messages import port_bindings, port_views, port_wishes
from shoal_proto.v1.container_pb2 import PortMapping

numbers = st.integers(0, 70000) | st.just((1 << 32) - 1)


def test_each_port_of_a_range_is_a_wish() -> None:
    mappings = [
        PortMapping(host_first=8000, host_last=8001, container_first=80, container_last=81, protocol="udp"),
        PortMapping(host_ip="127.0.0.1", host_first=90, host_last=99, container_first=1, container_last=1),
        PortMapping(container_first=53),
    ]
    assert port_wishes(mappings) == (
        PortWish(8000, 8000, 80, "udp"),
        PortWish(8001, 8001, 81, "udp"),
        PortWish(90, 99, 1, "tcp", "127.0.0.1"),
        PortWish(0, 0, 53),
    )


anything = st.builds(
    PortMapping,
    host_ip=st.text(max_size=9),
    host_first=numbers,
    host_last=numbers,
    container_first=numbers,
    container_last=numbers,
    protocol=st.text(max_size=4) | st.just("udp"),
)


@given(st.lists(anything, max_size=4))
def test_what_nobody_has_checked_is_bounded(mappings: list[PortMapping]) -> None:
    assert len(port_wishes(mappings)) <= MAX_PORTS


def test_a_thousand_ports_are_found_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = Counter[int]()
    is_free = ports._free

    def counted(taken: Taken, own: dict[tuple[str, int], list[str]], wish: PortWish, port: int) -> bool:
        looked[port] += 1
        return is_free(taken, own, wish, port)

    monkeypatch.setattr(ports, "_free", counted)
    wishes = port_wishes([PortMapping(container_first=1, container_last=MAX_PORTS)])
    chosen = choose(wishes, {}, seed="a" * 64)
    assert set(looked.values()) == {1}
    assert isinstance(chosen, tuple)
    assert len({port.host_port for port in chosen}) == MAX_PORTS


def test_bindings_are_read_as_they_were_written() -> None:
    views = (PortView(8080, 80), PortView(53, 53, "udp", "127.0.0.1"))
    assert port_views(port_bindings(views)) == views
