"""The node's firewall rules as text for nft: what they say is decided here, without touching the kernel.

Every function returns one transaction: nftables applies all of it or nothing. Each may be applied again at any time,
while containers run: chains are emptied and filled in the same instant, the set of ports keeps its elements.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from shoal_agent.network import publishing_rules
from shoal_agent.network.links import BRIDGE, LINK_PREFIX, Port

#: Name of the tables, one in each family.
TABLE = "shoal"

_PORTS = f"bridge {TABLE} ports"

_PORTS_SET = f"""\
add table bridge {TABLE}
add set {_PORTS} {{ type ifname . ether_addr . ipv4_addr; }}
"""


def configuration(subnet: str, guarded_ports: Collection[int]) -> str:
    """Return the rules of a node.

    - What leaves the subnet through another link than the bridge is masqueraded.
    - Nobody outside opens a connection to a container, but to a published port; answers come in.
    - Containers don't reach the guarded TCP ports of this host, on whatever address of it.
    - A container sends IPv4 and ARP only, and only as itself.

    Args:
        subnet: the containers' addresses, such as "10.88.0.0/16".
        guarded_ports: of the agent.
    """
    guard = ", ".join(str(port) for port in sorted(guarded_ports))
    refusal = f'iifname "{BRIDGE}" tcp dport {{ {guard} }} reject with tcp reset'
    return f"""\
add table inet {TABLE}
add chain inet {TABLE} postrouting {{ type nat hook postrouting priority srcnat; policy accept; }}
add chain inet {TABLE} forward {{ type filter hook forward priority filter; policy accept; }}
add chain inet {TABLE} input {{ type filter hook input priority filter; policy accept; }}
flush chain inet {TABLE} postrouting
flush chain inet {TABLE} forward
flush chain inet {TABLE} input
add rule inet {TABLE} postrouting ip saddr {subnet} oifname != "{BRIDGE}" masquerade
add rule inet {TABLE} forward oifname "{BRIDGE}" iifname != "{BRIDGE}" ct state established,related accept
add rule inet {TABLE} forward {publishing_rules.PASS}
add rule inet {TABLE} forward oifname "{BRIDGE}" iifname != "{BRIDGE}" drop
{f"add rule inet {TABLE} input {refusal}" if guard else ""}
{publishing_rules.chains(subnet)}\
{_PORTS_SET}\
add chain bridge {TABLE} from_container
add chain bridge {TABLE} prerouting {{ type filter hook prerouting priority -300; policy accept; }}
flush chain bridge {TABLE} prerouting
flush chain bridge {TABLE} from_container
add rule bridge {TABLE} prerouting iifname "{LINK_PREFIX}*" jump from_container
add rule bridge {TABLE} from_container ether type ip iifname . ether saddr . ip saddr @ports accept
add rule bridge {TABLE} from_container ether type arp iifname . ether saddr . arp saddr ip != @ports drop
add rule bridge {TABLE} from_container ether type arp iifname . arp saddr ether . arp saddr ip @ports accept
add rule bridge {TABLE} from_container drop
"""


def admission(ports: Sequence[Port]) -> str:
    """Return what lets these links send."""
    return f"add element {_PORTS} {_elements(ports)}\n"


def expulsion(ports: Sequence[Port]) -> str:
    """Return what forbids these links to send. They need not be allowed: nft can only delete what is there."""
    elements = _elements(ports)
    return f"{_PORTS_SET}add element {_PORTS} {elements}\ndelete element {_PORTS} {elements}\n"


def replacement(ports: Sequence[Port]) -> str:
    """Return what lets these links send and no other."""
    return f"{_PORTS_SET}flush set {_PORTS}\n" + (admission(ports) if ports else "")


def removal() -> str:
    """Return what removes everything; nothing being there is fine."""
    return "".join(f"add table {family} {TABLE}\ndelete table {family} {TABLE}\n" for family in ("inet", "bridge"))


def _elements(ports: Sequence[Port]) -> str:
    return "{ " + ", ".join(f'"{port.link}" . {port.mac} . {port.ip}' for port in ports) + " }"
