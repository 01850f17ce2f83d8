"""Ports of a node's that lead to a container's: as people write them, and what can never be right."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from shoal_common.errors import InvalidSpec
from shoal_common.quoting import quoted

PROTOCOLS: Final = ("tcp", "udp")
LAST_PORT: Final = 65535
#: Ports of the node's that lead to one container.
MAX_PORTS: Final = 1024

_RANGE: Final = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
_REMEDY: Final = "write [IP:][HOST:]CONTAINER[/tcp|udp], each a port or a range, such as 8080:80"


@dataclass(frozen=True, slots=True)
class Publication:
    """One port, or as many as the ranges have.

    Attributes:
        host_ip: IPv4 address of the node's; empty means all.
        host_first: 0 means one that is free.
        protocol: "tcp" or "udp".
    """

    host_ip: str
    host_first: int
    host_last: int
    container_first: int
    container_last: int
    protocol: str

    def __str__(self) -> str:
        host = _spelt(self.host_first, self.host_last) if self.host_first else ""
        address = f"{self.host_ip}:{host}:" if self.host_ip else f"{host}:" if host else ""
        return f"{address}{_spelt(self.container_first, self.container_last)}/{self.protocol}"

    @property
    def count(self) -> int:
        """How many ports of the node's it takes."""
        return self.container_last - self.container_first + 1

    def single(self) -> Iterable[tuple[int, int, int]]:
        """Yield (first, last, container port) for each port that is taken: one from `first` to `last`, 0 if any."""
        alike = self.host_last - self.host_first == self.container_last - self.container_first
        for number, port in enumerate(range(self.container_first, self.container_last + 1)):
            if not self.host_first:
                yield 0, 0, port
            elif alike:
                yield self.host_first + number, self.host_first + number, port
            else:
                yield self.host_first, self.host_last, port


def parse_publication(text: str) -> Publication:
    """Return what "8080:80", "127.0.0.1:53:53/udp", "8000-8010:80-90" or "80" mean.

    Raises:
        InvalidSpec: it can never be right.
    """
    body, slash, protocol = text.partition("/")
    before, _, inside = body.rpartition(":")
    address, colon, host = before.rpartition(":")
    if not inside or (slash and not protocol) or (colon and not address):
        raise InvalidSpec(f"port {quoted(text)} is not valid ({_REMEDY})")
    container = _parsed_range(inside, text)
    outside = _parsed_range(host, text) if host else (0, 0)
    made = Publication(address.strip("[]"), *outside, *container, protocol.lower() or "tcp")
    return check_publication(made, text)


def check_publication(made: Publication, text: str = "") -> Publication:
    """Return `made` with its address as it is usually written.

    Args:
        text: as the user wrote it.

    Raises:
        InvalidSpec: it can never be right.
    """
    shown = quoted(text or str(made))
    if made.protocol not in PROTOCOLS:
        raise InvalidSpec(f"port {shown} has protocol {quoted(made.protocol)} (use tcp or udp)")
    address = _address(made.host_ip, shown)
    for first, last in ((made.host_first, made.host_last), (made.container_first, made.container_last)):
        if max(first, last) > LAST_PORT:
            raise InvalidSpec(f"port {shown} is not valid (ports go from 1 to {LAST_PORT})")
        if first > last:
            raise InvalidSpec(f"port {shown} is not valid (a range begins with its lower port)")
    if not made.container_first or bool(made.host_first) is not bool(made.host_last):
        raise InvalidSpec(f"port {shown} is not valid (a container's ports go from 1 to {LAST_PORT})")
    host = made.host_last - made.host_first + 1
    if made.host_first and made.count > 1 and host != made.count:
        raise InvalidSpec(
            f"port {shown} leads {host} ports to {made.count} "
            "(make both ranges equally long, or name one container port)"
        )
    return Publication(
        address, made.host_first, made.host_last, made.container_first, made.container_last, made.protocol
    )


def check_together(all_: Iterable[Publication]) -> None:
    """Check what one container publishes.

    Raises:
        InvalidSpec: it is too much, or wants one port of the node's twice.
    """
    taken: dict[tuple[str, int], list[str]] = {}
    total = 0
    for made in all_:
        total += made.count
        if total > MAX_PORTS:
            raise InvalidSpec(f"a container can publish {MAX_PORTS} ports (give it fewer, or smaller ranges)")
        for first, last, _ in made.single():
            if not first or first != last:
                continue
            others = taken.setdefault((made.protocol, first), [])
            if any(overlap(made.host_ip, other) for other in others):
                raise InvalidSpec(f"port {first}/{made.protocol} of the node is to lead to two ports (leave one out)")
            others.append(made.host_ip)


def overlap(one: str, other: str) -> bool:
    """Say whether two addresses of a node, empty for all of them, have one in common."""
    return not one or not other or one == other


def is_loopback(host_ip: str) -> bool:
    """Say whether an address is of the loopback, which every host has."""
    return host_ip.startswith("127.")


def parse_exposed(text: str) -> list[str]:
    """Return the ports that "80", "53/udp" or "3000-3003" mean, such as ["80/tcp"].

    Raises:
        InvalidSpec: it is no port.
    """
    ports, slash, protocol = text.partition("/")
    protocol = protocol.lower() if slash else "tcp"
    remedy = "write PORT[/tcp|udp] or a range of them, such as 80 or 3000-3003/udp"
    match = _RANGE.fullmatch(ports)
    first, last = (int(match[1]), int(match[2] or match[1])) if match is not None else (0, 0)
    if protocol not in PROTOCOLS or not 0 < first <= last <= LAST_PORT:
        raise InvalidSpec(f"exposed port {quoted(text)} is not valid ({remedy})")
    if last - first >= MAX_PORTS:
        raise InvalidSpec(f"exposed ports {quoted(text)} are more than {MAX_PORTS} (name fewer)")
    return [f"{port}/{protocol}" for port in range(first, last + 1)]


def _parsed_range(ports: str, text: str) -> tuple[int, int]:
    match = _RANGE.fullmatch(ports)
    if match is None:
        raise InvalidSpec(f"port {quoted(text)} is not valid ({_REMEDY})")
    return int(match[1]), int(match[2] or match[1])


def _address(host_ip: str, shown: str) -> str:
    if not host_ip:
        return ""
    try:
        address = ipaddress.ip_address(host_ip)
    except ValueError:
        raise InvalidSpec(f"port {shown} names {quoted(host_ip)}, which is no address ({_REMEDY})") from None
    if address.version != 4:
        raise InvalidSpec(f"port {shown} names an IPv6 address (ports are published on IPv4 addresses only)")
    if address.is_multicast or (not address.is_unspecified and int(address) == 0xFFFFFFFF):
        raise InvalidSpec(f"port {shown} names {address}, which no host has (name an address of the node)")
    return "" if address.is_unspecified else str(address)


def _spelt(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"
