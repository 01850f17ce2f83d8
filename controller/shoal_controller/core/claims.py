"""Who has a name, who an address, and who a port, when several containers were found with the same one. Pure.

In one history a name is one container's at a time: whoever has it later got it after the other had given it up. So what
a node has goes before what only the store remembers, and of two the one that was created later. Who has to give way
gets a name made of the old one and its id, another address, and no port instead: that one was for those who knew it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from shoal_common.containers.ports import overlap
from shoal_controller.core.allocation import Allocator
from shoal_controller.core.snapshot import DEFAULT_NETWORK
from shoal_proto.v1.container_pb2 import PortBinding
from shoal_proto.v1.node_pb2 import Hold
from shoal_proto.v1.resources_pb2 import Address

#: Characters that a name has at most, and digits of the id that are put after a name.
_LONGEST: Final = 128
_DIGITS: Final = (6, 12, 64)


@dataclass(frozen=True, slots=True)
class Claimant:
    """A container that wants its name and its addresses.

    Attributes:
        leaves: it is being removed, and claims no name.
        found: a node has it.
        created: nanoseconds since the epoch.
        node: where it is placed; its ports are that node's.
    """

    id: str
    namespace: str
    name: str
    leaves: bool
    found: bool
    created: int
    addresses: tuple[Address, ...]
    node: str = ""
    ports: tuple[PortBinding, ...] = ()

    @property
    def rank(self) -> tuple[bool, int, str]:
        """What goes first; the highest."""
        return self.found, self.created, self.id


@dataclass(frozen=True, slots=True)
class Claims:
    """The outcome: who has each name and address of theirs, and what those have that had to give way."""

    names: dict[tuple[str, str], str] = field(default_factory=dict)
    addresses: dict[tuple[str, str], str] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    readdressed: dict[str, tuple[Address, ...]] = field(default_factory=dict)
    reduced: dict[str, tuple[PortBinding, ...]] = field(default_factory=dict)


def settle_claims(
    claimants: Sequence[Claimant],
    *,
    subnet: str,
    names: Mapping[tuple[str, str], str],
    addresses: Mapping[tuple[str, str], str],
    others: Collection[str],
    holds: Mapping[str, Mapping[str, Hold]],
) -> Claims:
    """Return who has what.

    Args:
        claimants: in any order.
        subnet: of the flat network.
        names, addresses: who has them in the store.
        others: ids of all containers in the store; one that is no claimant keeps what it has there.
        holds: of the store, by container and node; ports of those that are no claimants are kept.
    """
    claims = Claims()
    ours = {claimant.id for claimant in claimants}
    kept_names = {key: id_ for key, id_ in names.items() if id_ in others and id_ not in ours}
    kept_addresses = {key: id_ for key, id_ in addresses.items() if id_ in others and id_ not in ours}
    order = sorted(claimants, key=lambda claimant: claimant.rank, reverse=True)
    wanted = {(claimant.namespace, claimant.name) for claimant in claimants}
    for claimant in order:
        if claimant.leaves:
            continue
        key = (claimant.namespace, claimant.name)
        if key in kept_names or key in claims.names:
            taken = kept_names.keys() | claims.names.keys() | wanted
            key = (claimant.namespace, _another(claimant, taken))
            claims.renamed[claimant.id] = key[1]
        claims.names[key] = claimant.id
    _settle_addresses(order, subnet, kept_addresses, claims)
    _settle_ports(order, {id_: by_node for id_, by_node in holds.items() if id_ not in ours}, claims)
    return claims


def _settle_ports(order: Sequence[Claimant], kept: Mapping[str, Mapping[str, Hold]], claims: Claims) -> None:
    taken: dict[tuple[str, str, int], list[str]] = {}
    for by_node in kept.values():
        for node, hold in by_node.items():
            for port in hold.ports:
                taken.setdefault((node, port.protocol, port.host_port), []).append(port.host_ip)
    for claimant in order:
        left = []
        for port in claimant.ports:
            addresses = taken.setdefault((claimant.node, port.protocol, port.host_port), [])
            if not any(overlap(port.host_ip, address) for address in addresses):
                addresses.append(port.host_ip)
                left.append(port)
        if len(left) < len(claimant.ports):
            claims.reduced[claimant.id] = tuple(left)


def _settle_addresses(
    order: Sequence[Claimant], subnet: str, kept: Mapping[tuple[str, str], str], claims: Claims
) -> None:
    losers: list[Claimant] = []
    for claimant in order:
        keys = [(address.network, address.ip) for address in claimant.addresses]
        if any(key in kept or key in claims.addresses for key in keys):
            losers.append(claimant)
        else:
            claims.addresses.update(dict.fromkeys(keys, claimant.id))
    used = {ip for network, ip in (*kept, *claims.addresses) if network == DEFAULT_NETWORK}
    allocator = Allocator(subnet, used) if losers and subnet else None
    for claimant in losers:
        got = allocator.allocate() if allocator is not None else None
        if got is None:
            claims.readdressed[claimant.id] = ()
            continue
        address = Address(
            network=got.network, ip=got.ip, prefix_length=got.prefix_length, gateway=got.gateway, mac=got.mac
        )
        claims.readdressed[claimant.id] = (address,)
        claims.addresses[(got.network, got.ip)] = claimant.id


def _another(claimant: Claimant, taken: Collection[tuple[str, str]]) -> str:
    """Return a name that is nobody's, made of the one that is taken."""
    for digits in _DIGITS:
        suffix = f"-{claimant.id[:digits]}"
        name = claimant.name[: _LONGEST - len(suffix)] + suffix
        if (claimant.namespace, name) not in taken:
            return name
    # Whoever names containers after the ids of others gets what is left.
    return claimant.id[:32] + claimant.name[: _LONGEST - 32]
