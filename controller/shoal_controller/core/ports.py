"""Ports of a node's that lead to containers: which are taken, and which a container gets there. Pure.

A port is taken by a hold, from the placement to the node's confirmation that nothing of the container is left, also
while the container is stopped: it finds its ports again when it is started.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias
from zlib import crc32

from shoal_common.containers.ports import overlap

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
    return taken_by(((container, ports),), before)


def taken_by(owners: Iterable[tuple[str, Iterable[PortView]]], before: Taken | None = None) -> Taken:
    """Return what is taken, beside what was before, by containers with these ports."""
    after = dict(before or {})
    for container, ports in owners:
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
        seed: the container's id.
    """
    order = sorted(range(len(wishes)), key=lambda number: _choices(wishes[number]))
    chosen: dict[int, PortView] = {}
    own: dict[tuple[str, int], list[str]] = {}
    #: Where a search that was made before goes on: all before it is taken.
    seen: dict[tuple[str, str, int, int], int] = {}
    for number in order:
        wish = wishes[number]
        search = (wish.protocol, wish.host_ip, wish.first, wish.last)
        candidates = _candidates(wish, seed)
        place = seen.get(search, 0)
        while place < len(candidates) and not _free(ports, own, wish, candidates[place]):
            place += 1
        seen[search] = place + 1
        found = candidates[place] if place < len(candidates) else None
        if found is None:
            only = wish.first if wish.first == wish.last else 0
            return Refusal(wish, owner(ports, wish.host_ip, only, wish.protocol) if only else None)
        chosen[number] = PortView(found, wish.container_port, wish.protocol, wish.host_ip)
        own.setdefault((wish.protocol, found), []).append(wish.host_ip)
    return tuple(chosen[number] for number in range(len(wishes)))


def _choices(wish: PortWish) -> int:
    return wish.last - wish.first if wish.first else LAST_FREE


def _free(ports: Taken, own: Mapping[tuple[str, int], Sequence[str]], wish: PortWish, port: int) -> bool:
    if any(overlap(wish.host_ip, address) for address in own.get((wish.protocol, port), ())):
        return False
    return owner(ports, wish.host_ip, port, wish.protocol) is None


def _candidates(wish: PortWish, seed: str) -> Sequence[int]:
    return range(wish.first, wish.last + 1) if wish.first else _round(seed)


@lru_cache(maxsize=16)
def _round(seed: str) -> Sequence[int]:
    """Return all ports that anybody may get, from somewhere on and round."""
    start = FIRST_FREE + crc32(seed.encode()) % (LAST_FREE - FIRST_FREE + 1)
    return (*range(start, LAST_FREE + 1), *range(FIRST_FREE, start))
