"""The node's bridge: made and found as the plan says."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError
from pathlib import Path

from pyroute2 import IPRoute

from shoal_agent.network.links import BRIDGE, mac_of
from shoal_common.errors import Conflict, InvalidSpec

_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
#: Answers to what the host sent from its loopback to a published port come in by the bridge (ip-sysctl.rst).
_ROUTE_LOCALNET = Path(f"/proc/sys/net/ipv4/conf/{BRIDGE}/route_localnet")


@dataclass(frozen=True, slots=True)
class BridgePlan:
    """The bridge as it should be.

    Attributes:
        subnet: the containers' addresses, such as "10.88.0.0/16".
        gateway: the bridge's own address, the same on every node.
        mac: derived from the gateway, so that it is the same on every node too: a container that moves keeps what it
            knows of its neighbours.
    """

    subnet: str
    prefix_length: int
    gateway: str
    mac: str


def plan_bridge(subnet: str, gateway: str) -> BridgePlan:
    """Return the plan. Raises InvalidSpec if the gateway is no host's address in the subnet."""
    try:
        network, address = IPv4Network(subnet), IPv4Address(gateway)
    except (AddressValueError, NetmaskValueError, ValueError) as error:
        raise InvalidSpec(f"subnet {subnet!r} with gateway {gateway!r} is not usable: {error}") from None
    if address not in network or address in (network.network_address, network.broadcast_address):
        raise InvalidSpec(f"gateway {gateway} is no address for a host in {subnet}")
    return BridgePlan(subnet=str(network), prefix_length=network.prefixlen, gateway=gateway, mac=mac_of(gateway))


def apply(route: IPRoute, plan: BridgePlan) -> None:
    """Make the bridge, or make the one that is there as the plan says, and let the host forward packets.

    Raises Conflict if a link of that name is something else.
    """
    if not route.link_lookup(ifname=BRIDGE):
        route.link("add", ifname=BRIDGE, kind="bridge", address=plan.mac)
    link = route.link("get", ifname=BRIDGE)[0]
    if link.get(("linkinfo", "kind")) != "bridge":
        raise Conflict(f"link {BRIDGE} exists and is no bridge (remove it: ip link delete {BRIDGE})")
    index = link["index"]
    route.link("set", index=index, address=plan.mac, state="up")
    for found in route.get_addr(index=index, family=2):
        if (found.get("address"), found["prefixlen"]) != (plan.gateway, plan.prefix_length):
            route.addr("del", index=index, address=found.get("address"), prefixlen=found["prefixlen"])
    route.addr("replace", index=index, address=plan.gateway, prefixlen=plan.prefix_length)
    # Writing it, even the same value, resets the setting of every link; so only if it is off.
    if _FORWARDING.read_text().strip() != "1":
        _FORWARDING.write_text("1\n")
    _ROUTE_LOCALNET.write_text("1\n")


def remove(route: IPRoute) -> None:
    """Remove the bridge; its not being there is success. Forwarding stays on: others may have come to need it."""
    for index in route.link_lookup(ifname=BRIDGE):
        route.link("del", index=index)
