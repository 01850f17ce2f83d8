"""The lab's network: one bridge, in a namespace of its own, that joins the hosts and this machine.

Everything is a batch for ip(8), tc(8) or nft(8), planned here without root.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shoal_common.errors import InvalidSpec
from shoal_lab.layout import Host, Layout

_BRIDGE: Final = "lab0"
_TABLE: Final = "shoal_lab"
_RATE: Final = re.compile(r"[1-9][0-9]{0,8}[kmg]?bit")


def machine_batch(layout: Layout, switch_pid: int) -> str:
    """Return the commands for this machine: its link to the bridge."""
    return (
        f"link add {layout.uplink} type veth peer name machine netns {switch_pid}\n"
        f"address add {layout.machine_address}/24 dev {layout.uplink}\n"
        f"link set {layout.uplink} up\n"
    )


def switch_batch(pids: Mapping[str, int]) -> str:
    """Return the commands for the switch: the bridge and a port per host, named as the host.

    Args:
        pids: first process of each host, by name.
    """
    lines = [
        "link set lo up",
        f"link add {_BRIDGE} type bridge stp_state 0 forward_delay 0",
        f"link set {_BRIDGE} up",
        f"link set machine master {_BRIDGE} up",
    ]
    for name, pid in pids.items():
        lines += [f"link add {name} type veth peer name eth0 netns {pid}", f"link set {name} master {_BRIDGE} up"]
    return "\n".join(lines) + "\n"


def port_batch(host: Host, pid: int) -> str:
    """Return the command that joins a host which has booted again."""
    return f"link add {host.name} type veth peer name eth0 netns {pid}\nlink set {host.name} master {_BRIDGE} up\n"


def host_batch(host: Host) -> str:
    """Return the commands for a host: its address."""
    return f"link set lo up\naddress add {host.address}/24 dev eth0\nlink set eth0 up\n"


class Way(StrEnum):
    """The direction in which a host is cut off, as seen from it."""

    BOTH = ""
    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Cut:
    """A host that others don't reach, or that doesn't reach them.

    Attributes:
        host: whose connection is cut.
        peer: the one other host towards which; "" for all others.
        way: what is lost: what comes in, what goes out, or both.
    """

    host: str
    peer: str = ""
    way: Way = Way.BOTH

    def __str__(self) -> str:
        towards = f" from {self.peer}" if self.peer else ""
        return f"cut off{towards}{f' ({self.way} only)' if self.way else ''}"

    @property
    def cable(self) -> bool:
        """Whether nothing at all gets through, as without a cable."""
        return not self.peer and self.way == Way.BOTH


@dataclass(frozen=True, slots=True)
class Slowness:
    """A slow cable.

    Attributes:
        rate: as tc(8) writes it, such as "1mbit".
        delay_ms: how long a packet waits for its turn at most, before it is dropped.
    """

    rate: str
    delay_ms: int = 400

    def __post_init__(self) -> None:
        if _RATE.fullmatch(self.rate) is None:
            raise InvalidSpec(f'rate "{self.rate}" is not valid (write one like 1mbit or 500kbit)')
        if not 1 <= self.delay_ms <= 60_000:
            raise InvalidSpec(f"a delay of {self.delay_ms} ms is not possible (use 1 to 60000)")

    def _bytes_a_second(self) -> int:
        number, unit = int(self.rate.rstrip("kmgbit")), self.rate.lstrip("0123456789")
        return number * {"bit": 1, "kbit": 10**3, "mbit": 10**6, "gbit": 10**9}[unit] // 8

    def qdisc(self, device: str) -> str:
        """Return the command for tc(8) that slows down what a device sends."""
        # A bucket holds at least a full packet, and what passes within a tick of the kernel's clock.
        burst = max(2000, self._bytes_a_second() // 100)
        return f"qdisc replace dev {device} root tbf rate {self.rate} burst {burst} latency {self.delay_ms}ms\n"


def cable_batch(host: Host, *, cut: bool) -> str:
    """Return the command for the switch that cuts a host's cable, or joins it again."""
    return f"link set {host.name} {'down' if cut else 'up'}\n"


def firewall(cuts: Iterable[Cut], addresses: Mapping[str, str]) -> str:
    """Return the rules for nft(8) in a host that lose what `cuts` say, those that cut its cable left out.

    Replaces the rules of before; without cuts there are none.

    Args:
        addresses: of all hosts, by name.
    """
    ways: dict[Way, list[str]] = {Way.IN: [], Way.OUT: []}
    for cut in cuts:
        for way in () if cut.cable else (Way.IN, Way.OUT) if cut.way == Way.BOTH else (Way(cut.way),):
            side, interface = ("saddr", "iifname") if way == Way.IN else ("daddr", "oifname")
            peer = f"ip {side} {addresses[cut.peer]} " if cut.peer else ""
            ways[way].append(f'{interface} "eth0" {peer}drop')
    # To delete a table that isn't there is an error, to add one that is there is none.
    text = f"table inet {_TABLE}\ndelete table inet {_TABLE}\n"
    if any(ways.values()):
        # Before anything else looks at a packet, and after: what the host forwards for its containers is lost too.
        hooks = {Way.IN: "prerouting priority -400", Way.OUT: "postrouting priority 400"}
        chains = [
            f"chain lose_{way} {{ type filter hook {hooks[way]}; policy accept; {'; '.join(rules)}; }}\n"
            for way, rules in ways.items()
            if rules
        ]
        text += f"table inet {_TABLE} {{\n{''.join(chains)}}}\n"
    return text
