"""Cutting some of a host's traffic, in one direction or both, by its own firewall. The planning is pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from shoal_lab.hosts import inside

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Cut:
    """What no longer passes at a host.

    Attributes:
        peers: addresses; none means all.
        port: of TCP at the peers; 0 means all there is.
        out: what the host sends.
        into: what it is sent.
    """

    peers: tuple[str, ...] = ()
    port: int = 0
    out: bool = True
    into: bool = True


def rules(table: str, cut: Cut) -> str:
    """Return the batch for nft(8)."""
    peers = f"{{ {', '.join(cut.peers)} }}" if cut.peers else ""

    def chain(hook: str, address: str, port: str) -> Iterable[str]:
        match = " ".join(
            [*([f"ip {address} {peers}"] if peers else []), *([f"tcp {port} {cut.port}"] if cut.port else [])]
        )
        yield f"add chain inet {table} {hook} {{ type filter hook {hook} priority -300; }}"
        yield f"add rule inet {table} {hook} {match or 'ip version 4'} drop"

    lines = [f"add table inet {table}"]
    if cut.out:
        lines += chain("output", "daddr", "dport")
    if cut.into:
        lines += chain("input", "saddr", "sport")
    return "\n".join(lines) + "\n"


async def sever(pid: int, cut: Cut) -> str:
    """Cut; returns what `join` takes. `pid` is of the host's first process."""
    table = f"soak{next(_numbers)}"
    await inside(pid, ["nft", "-f", "-"], net_only=True, stdin=rules(table, cut).encode())
    return table


async def join(pid: int, table: str) -> None:
    """Undo a cut."""
    await inside(pid, ["nft", "delete", "table", "inet", table], net_only=True)
