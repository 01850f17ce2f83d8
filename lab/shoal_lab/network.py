"""The lab's network: one bridge, in a namespace of its own, that joins the hosts and this machine.

Everything is a batch for ip(8), planned here without root.
"""

from __future__ import annotations

from collections.abc import Mapping

from shoal_lab.layout import Host, Layout

_BRIDGE = "lab0"


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


def partition_batch(host: Host, *, cut: bool) -> str:
    """Return the command for the switch that cuts a host's cable, or joins it again."""
    return f"link set {host.name} {'down' if cut else 'up'}\n"
