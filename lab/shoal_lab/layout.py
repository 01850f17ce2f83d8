"""Which hosts a lab has, how they are called and addressed, and where their things lie. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shoal_common.errors import InvalidSpec

#: Kept small enough for link names ("shl-" and the name, 15 characters in all) and socket paths (107 bytes).
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,9}")
DATA_ROOT: Final = Path("/var/lib/shoal-lab")
RUN_ROOT: Final = Path("/run/shoal-lab")
MAX_NODES: Final = 100
#: How many controllers, and how many members of etcd, a lab may have: odd, since a majority has to live.
CONTROL_SIZES: Final = (1, 3, 5)

_FIRST_UID: Final = 524288
#: 256 ranges of 65536: 100 nodes of them end before the ids that systemd gives to other things.
_UIDS_PER_NODE: Final = 256 * 65536

SWITCH: Final = "switch"
API_PORT: Final = 7400
JOIN_PORT: Final = 7401
AGENT_PORT: Final = 7410
REGISTRY_PORT: Final = 5000
ETCD_PORT: Final = 2379
PEER_PORT: Final = 2380


@dataclass(frozen=True, slots=True)
class Host:
    """One host of the lab.

    Attributes:
        name: "control1", "node2" or "switch"; also its host name.
        address: on the lab's network; "" for the switch, which has no address.
        services: what is started in it, in this order.
    """

    name: str
    address: str
    services: tuple[str, ...]


def check_name(name: str) -> None:
    """Raise InvalidSpec if a lab can't be called that."""
    if _NAME.fullmatch(name) is None:
        raise InvalidSpec(
            f'lab name "{name[:40]}" is not valid (use up to 10 lower-case letters, digits and "-", a letter first)'
        )


@dataclass(frozen=True, slots=True)
class Layout:
    """One lab.

    Attributes:
        name: labs of different names and subnets stand side by side.
        subnet: the network between the hosts and this machine, a /24.
        nodes: how many nodes.
        controllers: how many controllers, each on a control host.
        members: how many members of etcd, likewise.
    """

    name: str
    subnet: str
    nodes: int
    controllers: int = 1
    members: int = 1

    def __post_init__(self) -> None:
        check_name(self.name)
        if not 1 <= self.nodes <= MAX_NODES:
            raise InvalidSpec(f"a lab can't have {self.nodes} nodes (ask for 1 to {MAX_NODES})")
        for number, what in ((self.controllers, "controllers"), (self.members, "etcd members")):
            if number not in CONTROL_SIZES:
                raise InvalidSpec(f"a lab can't have {number} {what} (ask for 1, 3 or 5)")
        try:
            network = ipaddress.IPv4Network(self.subnet)
        except ValueError as error:
            raise InvalidSpec(f'subnet "{self.subnet}" is not valid (write one like 10.77.0.0/24)') from error
        if network.prefixlen != 24 or not network.is_private:
            raise InvalidSpec(f'subnet "{self.subnet}" is not a private /24 (write one like 10.77.0.0/24)')

    def _address(self, number: int) -> str:
        return str(ipaddress.IPv4Network(self.subnet)[number])

    @property
    def machine_address(self) -> str:
        """This machine's own address on the lab's network."""
        return self._address(1)

    @property
    def control(self) -> Host:
        """The first control host, which the registry is on too."""
        return self.control_hosts[0]

    @property
    def control_hosts(self) -> tuple[Host, ...]:
        """The hosts of etcd and controllers: a member, a controller, or both on each."""
        return tuple(
            Host(
                f"control{n}",
                self._address(1 + n),
                (
                    *(("etcd",) if n <= self.members else ()),
                    *(("registry",) if n == 1 else ()),
                    *(("controller",) if n <= self.controllers else ()),
                ),
            )
            for n in range(1, max(self.controllers, self.members) + 1)
        )

    def running(self, service: str) -> tuple[Host, ...]:
        """Return the hosts on which a service is started."""
        return tuple(host for host in self.hosts if service in host.services)

    @property
    def node_hosts(self) -> tuple[Host, ...]:
        """The hosts of agents."""
        return tuple(Host(f"node{n}", self._address(10 + n), ("agent",)) for n in range(1, self.nodes + 1))

    @property
    def switch(self) -> Host:
        """The host that only holds the bridge which joins the others.

        In a namespace of its own, since this machine's firewall may see what is bridged in its own.
        """
        return Host(SWITCH, "", ())

    @property
    def hosts(self) -> tuple[Host, ...]:
        """All hosts, in the order in which they are made."""
        return (self.switch, *self.control_hosts, *self.node_hosts)

    def host(self, name: str) -> Host:
        """Return the host of that name.

        Raises:
            InvalidSpec: there is none.
        """
        for host in self.hosts:
            if host.name == name:
                return host
        known = ", ".join(host.name for host in self.hosts if host.services)
        raise InvalidSpec(f'lab "{self.name}" has no host "{name}" (it has {known})')

    def target(self, name: str) -> tuple[Host, tuple[str, ...]]:
        """Return the host that a name means, and all of its daemons, or the one of "control1/etcd".

        Raises:
            InvalidSpec: there is no such host, or no such daemon on it.
        """
        host_name, slash, service = name.partition("/")
        host = self.host(host_name)
        if not slash:
            return host, host.services
        if service not in host.services:
            raise InvalidSpec(f'host {host.name} has no daemon "{service}" (it has {", ".join(host.services)})')
        return host, (service,)

    def targets(self, words: Sequence[str]) -> list[str]:
        """Return the targets that words mean: hosts, each by itself or followed by daemons of it.

        Raises:
            InvalidSpec: see `target`.
        """
        daemons = {service for host in self.hosts for service in host.services}
        found: list[str] = []
        host, alone = "", False
        for word in words:
            if word in daemons and host:
                if alone:
                    found.pop()
                alone = False
                word = f"{host}/{word}"
            else:
                host, alone = word, True
            self.target(word)
            found.append(word)
        return found

    @property
    def data(self) -> Path:
        """Everything of the lab that takes disk space."""
        return DATA_ROOT / self.name

    @property
    def run(self) -> Path:
        """Control sockets of the hosts."""
        return RUN_ROOT / self.name

    @property
    def state(self) -> Path:
        """What is needed to know the lab again: its parameters, JSON."""
        return self.data / "lab.json"

    def host_data(self, host: str) -> Path:
        """Data of one host, the same path inside and outside of it."""
        return self.data / host

    def socket(self, host: str) -> Path:
        """Where the host's init listens."""
        return self.run / f"{host}.sock"

    def log(self, host: str, service: str) -> Path:
        """What a daemon of a host printed."""
        return self.data / "logs" / f"{host}-{service}.log"

    @property
    def client(self) -> Path:
        """Certificates of the lab's administrator."""
        return self.data / "client"

    @property
    def store_pki(self) -> Path:
        """The authority of etcd, and what it signed."""
        return self.data / "etcd-pki"

    def disk(self, host: str) -> Path:
        """The disk of a host that has one of its own: a file with a file system in it."""
        return self.data / f"{host}.disk"

    @property
    def uplink(self) -> str:
        """This machine's own link to the lab's network."""
        return f"shl-{self.name}"

    def uid_range(self, host: Host) -> str:
        """Host uids of a node's containers: the lab's nodes share a kernel, and must not share ids."""
        first = _FIRST_UID + (int(host.address.rpartition(".")[2]) - 11) * _UIDS_PER_NODE
        return f"{first}-{first + _UIDS_PER_NODE - 1}"

    def cgroup(self, host: str) -> str:
        """Parent of all cgroups of a host, below each hierarchy."""
        return f"/shoal-lab/{self.name}/{host}"
