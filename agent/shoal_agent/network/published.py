"""Ports of this node that lead to containers, planned as data from their placements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address

from shoal_agent.network.links import Port
from shoal_common.containers.ports import LAST_PORT, PROTOCOLS
from shoal_common.errors import InvalidSpec
from shoal_proto.v1.container_pb2 import PortBinding


@dataclass(frozen=True, slots=True)
class Published:
    """One port.

    Attributes:
        host_ip: address of this node's; empty means all of them.
        host_port: on it.
        protocol: "tcp" or "udp".
        ip: of the container.
        port: in the container.
    """

    host_ip: str
    host_port: int
    protocol: str
    ip: str
    port: int

    def __str__(self) -> str:
        return f"port {self.host_ip + ':' if self.host_ip else ''}{self.host_port}/{self.protocol}"


def plan_published(key: str, links: Sequence[Port], bindings: Sequence[PortBinding]) -> tuple[Published, ...]:
    """Return the ports of this node that lead to a sandbox.

    Args:
        key: of the sandbox.
        links: of the sandbox; ports lead to the address of the first.
        bindings: what the leader chose.

    Raises:
        InvalidSpec: the sandbox has no address, or a port is none.
    """
    if bindings and not links:
        raise InvalidSpec(f"ports of {key} can't be published: it has no address")
    made = []
    for binding in bindings:
        ports = (binding.host_port, binding.container_port)
        if binding.protocol not in PROTOCOLS or not all(0 < port <= LAST_PORT for port in ports):
            raise InvalidSpec(f"port {ports[0]}/{binding.protocol[:20]} of {key} can't be published")
        try:
            host_ip = str(IPv4Address(binding.host_ip)) if binding.host_ip else ""
        except AddressValueError as error:
            raise InvalidSpec(f"port {ports[0]}/{binding.protocol} of {key} can't be published: {error}") from None
        made.append(Published(host_ip, ports[0], binding.protocol, links[0].ip, ports[1]))
    return tuple(made)
