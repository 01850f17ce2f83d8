"""By which names a container knows others: its resolver's settings and lines of its /etc/hosts, and what can't be."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from shoal_common.errors import InvalidSpec
from shoal_common.quoting import quoted

#: Stands for the address by which a container reaches its node.
HOST_GATEWAY: Final = "host-gateway"
#: As a search domain: none at all, not the node's either.
NO_SEARCH: Final = "."
#: Of each kind, for one container.
MAX_NAMES: Final = 256

_NAME: Final = re.compile(r"(?=.{1,253}\Z)(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")
#: What a link can be called that an IPv6 address is of (fe80::1%eth0).
_ZONE: Final = re.compile(r"[A-Za-z0-9_.-]{1,15}")
_OPTION: Final = re.compile(r"[A-Za-z0-9:_.-]{1,64}")


def check_server(text: str) -> str:
    """Return the address of a name server as it is usually written.

    Raises:
        InvalidSpec: it is none.
    """
    try:
        return _address(text)
    except ValueError:
        raise InvalidSpec(f"name server {quoted(text)} is no address (write one, such as 10.0.0.53)") from None


def check_search(text: str) -> str:
    """Return a search domain. Raises InvalidSpec if it is none."""
    if text != NO_SEARCH and _NAME.fullmatch(text) is None:
        raise InvalidSpec(f'search domain {quoted(text)} is not valid (write one such as example.org, or "." for none)')
    return text


def check_option(text: str) -> str:
    """Return an option of resolv.conf(5). Raises InvalidSpec if it can't be one."""
    if _OPTION.fullmatch(text) is None:
        raise InvalidSpec(f"resolver option {quoted(text)} is not valid (write one such as ndots:2)")
    return text


def parse_host(text: str) -> tuple[str, str]:
    """Return name and address of "NAME:IP", or "NAME=IP"; the address may be "host-gateway".

    Raises:
        InvalidSpec: it is neither.
    """
    # The first of the two: an IPv6 address has colons of its own.
    separator = next((char for char in text if char in ":="), ":")
    name, _, address = text.partition(separator)
    if _NAME.fullmatch(name) is None:
        raise InvalidSpec(f"host {quoted(text)} is not valid (write NAME:IP, such as db:10.0.0.7)")
    if address == HOST_GATEWAY:
        return name, address
    try:
        return name, _address(address.strip("[]"))
    except ValueError:
        raise InvalidSpec(f"host {quoted(text)} names no address (write NAME:IP, or NAME:{HOST_GATEWAY})") from None


def _address(text: str) -> str:
    """Return an address as it is usually written. Raises ValueError if it is none."""
    _, percent, zone = text.partition("%")
    # Python takes anything as a zone, a new line included.
    if percent and _ZONE.fullmatch(zone) is None:
        raise ValueError("no name of a link")
    return str(ipaddress.ip_address(text))


def check_count(what: str, count: int) -> None:
    """Raise InvalidSpec if a container has too many of something."""
    if count > MAX_NAMES:
        raise InvalidSpec(f"a container can have {MAX_NAMES} {what}, not {count} (leave some out)")
