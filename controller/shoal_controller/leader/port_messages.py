"""Ports between the stored messages and what the core sees of them."""

from __future__ import annotations

from collections.abc import Iterable

from shoal_common.ports import Publication
from shoal_controller.core.ports import PortView, PortWish
from shoal_proto.v1.container_pb2 import PortBinding, PortMapping


def port_wishes(mappings: Iterable[PortMapping]) -> tuple[PortWish, ...]:
    """Return what a container's configuration asks for, port by port."""
    wishes = []
    for each in mappings:
        whole = publication(each)
        for first, last, port in whole.single():
            wishes.append(PortWish(first, last, port, whole.protocol, whole.host_ip))
    return tuple(wishes)


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
