"""Ports of a node's that lead to containers: which are taken, and which a container gets there. Pure.

A port is taken by a hold, from the placement to the node's confirmation that nothing of the container is left, also
while the container is stopped: it finds its ports again when it is started.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from shoal_common.ports import overlap

#: Where a port that nobody named is looked for: below those that the kernel gives to outgoing connections (ip(7),
#: ip_local_port_range), so that no connection of the node's own has it.
FIRST_FREE: Final = 30000
LAST_FREE: Final = 32767


@dataclass(frozen=True, slots=True)
class PortWish:
    """One port that a container is to be reached by: any from `first` to `last`; 0 means whichever is free."""

    first: int
    last: int
    container_port: int
    protocol: str = "tcp"
    host_ip: str = ""

    def __str__(self) -> str:
        if not self.first:
            return f"a port from {FIRST_FREE} to {LAST_FREE}/{self.protocol}"
        ports = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"port {ports}/{self.protocol}"


@dataclass(frozen=True, slots=True)
class PortView:
    """A port of a node's that leads to a container's; `host_ip` is empty for all addresses of the node."""

    host_port: int
    container_port: int
    protocol: str = "tcp"
    host_ip: str = ""


#: By protocol and port, the addresses on which it is taken, each with the id of the container; "" is the agent itself.
Taken: TypeAlias = Mapping[tuple[str, int], tuple[tuple[str, str], ...]]


def taken(before: Taken, container: str, ports: Iterable[PortView]) -> Taken:
    """Return what is taken when a container has these ports as well."""
    after = dict(before)
    for port in ports:
        key = (port.protocol, port.host_port)
        after[key] = (*after.get(key, ()), (port.host_ip, container))
    return after


def owner(ports: Taken, host_ip: str, port: int, protocol: str) -> str | None:
    """Return the id of who has a port of a node's on an address; None if it is free."""
    for address, container in ports.get((protocol, port), ()):
        if overlap(address, host_ip):
            return container
    return None


@dataclass(frozen=True, slots=True)
class Refusal:
    """The wish that a node can't fulfil; `owner` has the port, and is None if there are several."""

    wish: PortWish
    owner: str | None


def choose(wishes: Sequence[PortWish], ports: Taken, *, seed: str) -> tuple[PortView, ...] | Refusal:
    """Return the ports that a container gets on a node, in the order of its wishes, or what is not to be had.

    Those that can only be one are taken first. Of the others the first free one is taken; where any will do, the search
    begins somewhere else for each container, so that a port just freed comes back late.

    Args:
        wishes: of the container.
        ports: that are taken on the node.
        seed: the container's id, in hexadecimal digits or not.
    """
    order = sorted(range(len(wishes)), key=lambda number: _choices(wishes[number]))
    chosen: dict[int, PortView] = {}
    for number in order:
        wish = wishes[number]
        found = next((port for port in _candidates(wish, seed) if _free(ports, wish, port)), None)
        if found is None:
            only = wish.first if wish.first == wish.last else 0
            return Refusal(wish, owner(ports, wish.host_ip, only, wish.protocol) if only else None)
        chosen[number] = PortView(found, wish.container_port, wish.protocol, wish.host_ip)
        ports = taken(ports, _SELF, (chosen[number],))
    return tuple(chosen[number] for number in range(len(wishes)))


#: Whose the ports are that are being chosen.
_SELF: Final = "itself"


def _choices(wish: PortWish) -> int:
    return wish.last - wish.first if wish.first else LAST_FREE


def _free(ports: Taken, wish: PortWish, port: int) -> bool:
    return owner(ports, wish.host_ip, port, wish.protocol) is None


def _candidates(wish: PortWish, seed: str) -> Iterable[int]:
    if wish.first:
        yield from range(wish.first, wish.last + 1)
        return
    size = LAST_FREE - FIRST_FREE + 1
    start = sum(ord(char) * 31**place for place, char in enumerate(seed[:16])) % size
    for step in range(size):
        yield FIRST_FREE + (start + step) % size
