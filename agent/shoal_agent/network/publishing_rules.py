"""What nftables does with the ports of this node that lead to containers, as text for nft.

Two maps, from a port (on one address, or on all) to a container's address and port. A connection from outside keeps
its client's address: only what would otherwise come back another way is masqueraded (see `chains`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shoal_agent.network.links import BRIDGE
from shoal_agent.network.published import Published

_ON_ALL: Final = "inet shoal published"
_ON_ONE: Final = "inet shoal published_at"

MAPS: Final = f"""\
add table inet shoal
add map {_ON_ALL} {{ type inet_proto . inet_service : ipv4_addr . inet_service; }}
add map {_ON_ONE} {{ type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }}
"""

_TO_ONE: Final = "dnat ip to ip daddr . meta l4proto . th dport map @published_at"
_TO_ALL: Final = "dnat ip to meta l4proto . th dport map @published"
_LOOPBACK: Final = "127.0.0.0/8"


def chains(subnet: str) -> str:
    """Return the rules that lead connections to the containers of published ports.

    - From outside, and from containers, to any address of this node's but its loopback.
    - From this node itself, to its loopback as well.
    - What a container sends to this node's loopback is dropped: the bridge takes answers to it (`route_localnet`).
    - Containers are not told of a shorter way to each other: that is none to a published port.
    - Masqueraded is what comes from the loopback, which no container can answer, and from a container by way of a
      published port: its answer would go straight to it, from another address than it asked.

    Args:
        subnet: the containers' addresses.
    """
    chosen = "meta l4proto {{ tcp, udp }} fib daddr type local"
    return f"""\
{MAPS}\
add chain inet shoal guard {{ type filter hook prerouting priority raw; policy accept; }}
add chain inet shoal published_in {{ type nat hook prerouting priority dstnat; policy accept; }}
add chain inet shoal published_local {{ type nat hook output priority -100; policy accept; }}
add chain inet shoal guard_out {{ type filter hook output priority filter; policy accept; }}
flush chain inet shoal guard
flush chain inet shoal guard_out
flush chain inet shoal published_in
flush chain inet shoal published_local
add rule inet shoal guard iifname "{BRIDGE}" ip daddr {_LOOPBACK} drop
add rule inet shoal guard_out oifname "{BRIDGE}" icmp type redirect drop
add rule inet shoal published_in ip daddr != {_LOOPBACK} {chosen} {_TO_ONE}
add rule inet shoal published_in ip daddr != {_LOOPBACK} {chosen} {_TO_ALL}
add rule inet shoal published_local {chosen} {_TO_ONE}
add rule inet shoal published_local {chosen} {_TO_ALL}
add rule inet shoal postrouting oifname "{BRIDGE}" ct status dnat ip saddr {{ {_LOOPBACK}, {subnet} }} masquerade
"""


#: What lets a connection to a published port pass the rule that nobody outside opens one to a container.
PASS: Final = f'oifname "{BRIDGE}" ct status dnat accept'


def publication(ports: Sequence[Published]) -> str:
    """Return what publishes these ports. It fails as a whole if one of them leads to something else."""
    return MAPS + "".join(f"add element {_element(port)}\n" for port in ports)


def withdrawal(ports: Sequence[Published]) -> str:
    """Return what publishes these ports no more; they need not be. It fails as a whole if one leads to something else.

    Adding what is there already is nothing to nft, adding it with another destination a failure of the whole.
    """
    elements = [_element(port) for port in ports]
    return MAPS + "".join(f"add element {element}\ndelete element {element}\n" for element in elements)


def replacement(ports: Sequence[Published]) -> str:
    """Return what publishes these ports and no other."""
    return f"{MAPS}flush map {_ON_ALL}\nflush map {_ON_ONE}\n" + (publication(ports) if ports else "")


def _element(port: Published) -> str:
    key = f"{port.protocol} . {port.host_port}"
    to = f"{port.ip} . {port.port}"
    if port.host_ip:
        return f"{_ON_ONE} {{ {port.host_ip} . {key} : {to} }}"
    return f"{_ON_ALL} {{ {key} : {to} }}"
