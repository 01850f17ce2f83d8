"""The files by which a container knows names: /etc/hosts, /etc/hostname and /etc/resolv.conf. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from shoal_common.containers.naming import HOST_GATEWAY, NO_SEARCH, parse_host
from shoal_proto.v1.container_pb2 import ContainerConfig
from shoal_proto.v1.resources_pb2 import Address

_HOSTS: Final = """127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""
#: Where a container that shares the host's network reaches the host.
_LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Names:
    """What a container was given to know; what is empty is the host's.

    Attributes:
        hosts: name and address of each further line of /etc/hosts.
    """

    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    hosts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class HostNames:
    """What the host knows.

    Attributes:
        resolver: its resolv.conf.
        hosts: its /etc/hosts.
        shared: its network is the container's, where all of this holds.
    """

    resolver: str
    hosts: str = ""
    shared: bool = False


def names_of(config: ContainerConfig, addresses: Iterable[Address]) -> Names:
    """Return what a configuration says.

    Args:
        config: checked by a controller.
        addresses: of the container; the gateway of the first is its way to the host.
    """
    gateway = next((address.gateway for address in addresses if address.gateway), _LOOPBACK)
    hosts = (parse_host(text) for text in config.extra_hosts)
    return Names(
        servers=tuple(config.dns.servers),
        search=tuple(config.dns.search),
        options=tuple(config.dns.options),
        hosts=tuple((name, gateway if address == HOST_GATEWAY else address) for name, address in hosts),
    )


def contents(hostname: str, host: HostNames, names: Names) -> dict[str, str]:
    """Return the text of each file by name.

    Args:
        hostname: of the container.
        host: what the host knows. Name servers on its loopback can't be reached from another network, and are left out.
        names: of the container's own.
    """
    further = "".join(f"{address}\t{name}\n" for name, address in names.hosts)
    hosts = host.hosts if host.shared else f"{_HOSTS}127.0.1.1\t{hostname}\n"
    return {
        "hosts": f"{hosts}{further}",
        "hostname": f"{hostname}\n",
        "resolv.conf": _resolver(host, names),
    }


def _resolver(host: HostNames, names: Names) -> str:
    own = {"nameserver": names.servers, "search": names.search, "domain": names.search, "options": names.options}
    lines = [line for line in host.resolver.splitlines() if not own.get(_keyword(line))]
    if not host.shared:
        lines = [line for line in lines if not _is_loopback(line)]
    lines += [f"nameserver {server}" for server in names.servers]
    if domains := [domain for domain in names.search if domain != NO_SEARCH]:
        lines.append(f"search {' '.join(domains)}")
    if names.options:
        lines.append(f"options {' '.join(names.options)}")
    return "".join(f"{line}\n" for line in lines)


def _keyword(line: str) -> str:
    words = line.split(maxsplit=1)
    return words[0] if words else ""


def _is_loopback(line: str) -> bool:
    words = line.split()
    return len(words) > 1 and words[0] == "nameserver" and (words[1].startswith("127.") or words[1] == "::1")
