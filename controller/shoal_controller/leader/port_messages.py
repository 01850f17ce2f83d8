"""Ports between the stored messages and what the core sees of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from shoal_common.containers.ports import LAST_PORT, Publication, check_publication, check_together
from shoal_common.errors import InvalidSpec
from shoal_controller.core.ports import PortView, PortWish
from shoal_proto.v1.container_pb2 import PortBinding, PortMapping

#: The node refuses it, and says so.
_NEVER: Final = PortWish(LAST_PORT + 1, LAST_PORT + 1, 1)


def port_wishes(mappings: Iterable[PortMapping]) -> tuple[PortWish, ...]:
    """Return what a container's configuration asks for, port by port.

    A controller of an older version has checked nothing of it, and a node may tell anything of what it has. What can
    never be right becomes one port that no node publishes.
    """
    made = [publication(each) for each in mappings]
    try:
        checked = [check_publication(each) for each in made]
        check_together(checked)
    except InvalidSpec:
        return (_NEVER,)
    return tuple(
        PortWish(first, last, port, each.protocol, each.host_ip)
        for each in checked
        for first, last, port in each.single()
    )


def publication(mapping: PortMapping) -> Publication:
    """Return a message as what it means."""
    return Publication(
        host_ip=mapping.host_ip,
        host_first=mapping.host_first,
        host_last=mapping.host_last or mapping.host_first,
        container_first=mapping.container_first,
        container_last=mapping.container_last or mapping.container_first,
        protocol=mapping.protocol or "tcp",
    )


def port_views(bindings: Iterable[PortBinding]) -> tuple[PortView, ...]:
    """Return ports of a node's as the core sees them."""
    return tuple(PortView(each.host_port, each.container_port, each.protocol, each.host_ip) for each in bindings)


def port_bindings(views: Iterable[PortView]) -> list[PortBinding]:
    """Return ports of a node's as they are stored."""
    return [
        PortBinding(
            host_ip=each.host_ip, host_port=each.host_port, container_port=each.container_port, protocol=each.protocol
        )
        for each in views
    ]
