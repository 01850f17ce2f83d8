"""Ports of this host that lead to containers, taken from its own programs.

nftables would lead a port to a container whether or not a program of the host listens on it, and cut that program off.
So the agent listens itself on what it publishes, as any server would: whoever has the port already is not robbed of it,
and who wants it later is told that it is taken. Nothing ever arrives on these sockets. They end with the agent; while
none runs a program can take such a port, and gets nothing.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
from collections.abc import Iterable
from typing import Final

from shoal_agent.network.published import Published
from shoal_common.containers.ports import overlap
from shoal_common.errors import Conflict, ShoalError, Unavailable

log = logging.getLogger(__name__)

#: Sockets that are kept, since an agent has other uses for descriptors; of more ports it is only seen whether they are
#: free.
MOST: Final = 512


class HostPorts:
    """The sockets. Used by one thread at a time."""

    def __init__(self) -> None:
        self._held: dict[Published, socket.socket] = {}

    def take(self, ports: Iterable[Published]) -> None:
        """Take all of these ports, or none; those that are taken already are fine.

        Raises:
            Conflict: a program of the host has one, or the host has no such address.
            Unavailable: one is taken, and leads to another container.
        """
        new: dict[Published, socket.socket] = {}
        held: dict[tuple[str, int], list[str]] = {}
        for port in self._held:
            held.setdefault((port.protocol, port.host_port), []).append(port.host_ip)
        try:
            for port in ports:
                if port in self._held:
                    continue
                if any(overlap(port.host_ip, ip) for ip in held.get((port.protocol, port.host_port), ())):
                    raise Unavailable(f"{port} of this node still leads to another container")
                new[port] = _listening(port)
        except ShoalError:
            for made in new.values():
                made.close()
            raise
        for port, made in new.items():
            if len(self._held) < MOST:
                self._held[port] = made
            else:
                made.close()

    def keep(self, ports: Iterable[Published]) -> None:
        """Take these ports as far as that can be done: containers that run have them, whoever listens there."""
        for port in ports:
            try:
                self.take((port,))
            except (ShoalError, OSError) as error:
                log.warning("%s; it leads to a container all the same", error)

    def give(self, ports: Iterable[Published]) -> None:
        """Give ports back to the host's programs; they need not be taken."""
        for port in ports:
            if (made := self._held.pop(port, None)) is not None:
                made.close()

    def close(self) -> None:
        """Give all of them back."""
        self.give(list(self._held))


def _listening(port: Published) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if port.protocol == "udp" else socket.SOCK_STREAM)
    try:
        if port.protocol == "tcp":
            # As servers do: what a program before left behind (TIME_WAIT) is nobody's.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            with contextlib.suppress(OSError):
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
        made.bind((port.host_ip, port.host_port))
        if port.protocol == "tcp":
            made.listen(0)
    except OSError as error:
        made.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise Conflict(f"{port} can't be published: this node has no address {port.host_ip}") from None
        if error.errno == errno.EADDRINUSE:
            raise Conflict(
                f"{port} of this node is in use by a program of its own (publish another, or end that program)"
            ) from None
        raise
    return made
