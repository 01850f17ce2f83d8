"""Addresses out of the flat subnet, and the MACs that follow from them."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache

from shoal_controller.core.snapshot import DEFAULT_NETWORK


@dataclass(frozen=True, slots=True)
class AddressView:
    """An address with everything that a node needs to plumb it."""

    network: str
    ip: str
    prefix_length: int
    gateway: str
    mac: str


@lru_cache(maxsize=16)
def _parsed(subnet: str) -> ipaddress.IPv4Network:
    return ipaddress.IPv4Network(subnet)


@lru_cache(maxsize=16)
def gateway(subnet: str) -> str:
    """Return the address that every node's bridge answers for: the first of the subnet."""
    return str(_parsed(subnet).network_address + 1)


def room(subnet: str) -> int:
    """Return how many containers can have an address: all but network, gateway and broadcast."""
    return max(0, _parsed(subnet).num_addresses - 3)


def mac(ip: str) -> str:
    """Return the MAC address of the container with this address: locally administered, 02:42 and the address.

    It moves along with the address, so that neighbours need not learn anew.
    """
    return ":".join(f"{byte:02x}" for byte in (0x02, 0x42, *ipaddress.IPv4Address(ip).packed))


def address(subnet: str, ip: str) -> AddressView:
    """Return `ip` as an address of the flat network."""
    return AddressView(DEFAULT_NETWORK, ip, _parsed(subnet).prefixlen, gateway(subnet), mac(ip))


class Allocator:
    """Gives out free addresses, each once.

    The search begins after the address that was given out last and goes round, so that one just freed, for which
    others may still have connections or neighbour entries, comes back as late as possible.

    Args:
        subnet: such as "10.88.0.0/16".
        used: addresses in use.
        last: given out last; "" begins at the subnet's first.
    """

    def __init__(self, subnet: str, used: Collection[str], *, last: str = "") -> None:
        net = _parsed(subnet)
        self._subnet = subnet
        self._used = set(used)
        self._first = int(net.network_address) + 2
        self._size = room(subnet)
        start = int(ipaddress.IPv4Address(last)) + 1 if last else self._first
        #: Place in the round at which the search goes on, and how many places it has left before it was all round.
        self._next = start - self._first if self._first <= start < self._first + self._size else 0
        self._left = self._size

    def allocate(self) -> AddressView | None:
        """Return an address that is not in use and now is, or None when there is no other."""
        for ip in self._round():
            if ip not in self._used:
                self._used.add(ip)
                return address(self._subnet, ip)
        return None

    def _round(self) -> Iterator[str]:
        # Nothing is freed while this object lives: all of it is looked at once, whatever the number of calls.
        while self._left:
            ip = self._first + self._next
            self._next = (self._next + 1) % self._size
            self._left -= 1
            yield str(ipaddress.IPv4Address(ip))
