"""Connections that the kernel remembers, and leads where it led them first.

The kernel asks the rules once for each flow. A client that goes on sending UDP from one port, as name servers and
syslog do, would go on to be led past a port that has been published since, or to a container that is gone; and what is
left of a TCP connection to one that is gone would wait for an answer until it gives up.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Collection
from typing import Final

from pyroute2 import NetlinkError, NFCTSocket
from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple, nfct_msg

from shoal_agent.network.published import Published

_NUMBERS: Final = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}
#: Ports of one protocol up to which each is asked for by itself.
_FEW: Final = 4

Flow = tuple[NFCTAttrTuple, NFCTAttrTuple]


def forget_before(ports: Collection[Published], local: Collection[str]) -> None:
    """Forget UDP flows to these ports, on addresses of this host, that lead elsewhere: they began before the ports did.

    Args:
        ports: that have been published.
        local: IPv4 addresses of this host.
    """
    places = {(port.protocol, port.host_port): port.ip for port in ports if port.protocol == "udp"}

    def outdated(flow: Flow) -> bool:
        there, back = flow
        return there.daddr in local and bool(back.saddr != places.get(("udp", there.dport)))

    _forget(places, outdated)


def forget_after(ports: Collection[Published]) -> None:
    """Forget what was led to containers by these ports, which are published no more."""
    places = {(port.protocol, port.host_port): port.ip for port in ports}

    def outdated(flow: Flow) -> bool:
        there, back = flow
        protocol = "udp" if there.proto == socket.IPPROTO_UDP else "tcp"
        return bool(there.daddr != back.saddr and back.saddr == places.get((protocol, there.dport)))

    _forget(places, outdated)


def _forget(places: Collection[tuple[str, int]], outdated: Callable[[Flow], bool]) -> None:
    for protocol, number in _NUMBERS.items():
        ports = {port for each, port in places if each == protocol}
        if not ports:
            continue
        asked = [NFCTAttrTuple(proto=number, dport=port) for port in ports]
        if len(ports) > _FEW:
            asked = [NFCTAttrTuple(proto=number)]
        with NFCTSocket() as kernel:
            for each in asked:
                # Taken down first: a dump that is changed while it goes on may leave some out.
                flows = [flow for flow in map(_flow, kernel.dump(tuple_orig=each)) if flow is not None]
                for flow in flows:
                    if flow[0].dport in ports and outdated(flow):
                        _delete(kernel, flow[0])


def _flow(message: nfct_msg) -> Flow | None:
    tuples = [message.get_attr(name) for name in ("CTA_TUPLE_ORIG", "CTA_TUPLE_REPLY")]
    if None in tuples:
        return None
    there, back = (NFCTAttrTuple.from_netlink(socket.AF_INET, each) for each in tuples)
    return there, back


def _delete(kernel: NFCTSocket, there: NFCTAttrTuple) -> None:
    try:
        kernel.entry("del", tuple_orig=there)
    except NetlinkError as error:
        # It has ended by itself.
        if error.code != errno.ENOENT:
            raise
