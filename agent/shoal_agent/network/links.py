"""How a container is connected: the links of a sandbox, planned as data from its addresses."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Interface

from shoal_common.errors import InvalidSpec
from shoal_proto.v1 import resources_pb2

#: The bridge of the cluster's flat network, on every node.
BRIDGE = "shoal0"

#: How the host's ends of all containers' links begin; the firewall matches on it.
LINK_PREFIX = "shl"

#: The one network there is so far.
DEFAULT_NETWORK = "default"


@dataclass(frozen=True, slots=True)
class Port:
    """One link of a sandbox.

    Attributes:
        link: name of the host's end, a port of the bridge.
        inside: name of the sandbox's end.
        ip: IPv4 address of the sandbox's end.
        prefix_length: of the network.
        gateway: address that the default route leads to; empty: no default route.
        mac: MAC address of the sandbox's end.
    """

    link: str
    inside: str
    ip: str
    prefix_length: int
    gateway: str
    mac: str


def mac_of(ip: str) -> str:
    """Return the MAC address that belongs to an IPv4 address: 02:42 and its four bytes."""
    return ":".join(f"{byte:02x}" for byte in (0x02, 0x42, *IPv4Address(ip).packed))


def link_name(key: str, index: int) -> str:
    """Return the name of the host's end of a sandbox's link: the same for the same key, 15 characters at most."""
    return LINK_PREFIX + hashlib.sha256(f"{key}/{index}".encode()).hexdigest()[:12]


def plan_ports(key: str, addresses: Sequence[resources_pb2.Address]) -> tuple[Port, ...]:
    """Return the links of a sandbox, `eth0` first. Raises InvalidSpec for an address that can't be used."""
    ports = []
    for index, address in enumerate(addresses):
        if address.network != DEFAULT_NETWORK:
            raise InvalidSpec(f"network {address.network!r} of {key} is not on this node (there is: {DEFAULT_NETWORK})")
        try:
            interface = IPv4Interface(f"{address.ip}/{address.prefix_length}")
            gateway = IPv4Address(address.gateway) if address.gateway else None
        except (AddressValueError, ValueError) as error:
            raise InvalidSpec(f"address of {key} is not usable: {error}") from None
        if gateway is not None and gateway not in interface.network:
            raise InvalidSpec(f"gateway {gateway} of {key} is not in its network {interface.network}")
        mac = mac_of(str(interface.ip))
        if address.mac and address.mac.lower() != mac:
            raise InvalidSpec(f"MAC {address.mac} of {key} does not belong to {interface.ip} (that one has {mac})")
        ports.append(
            Port(
                link=link_name(key, index),
                inside=f"eth{index}",
                ip=str(interface.ip),
                prefix_length=address.prefix_length,
                # One default route is enough.
                gateway=str(gateway) if gateway is not None and index == 0 else "",
                mac=mac,
            )
        )
    return tuple(ports)
