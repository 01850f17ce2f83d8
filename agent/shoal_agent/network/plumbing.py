"""Connecting a sandbox to the bridge: the links of its plan, made on the host and configured inside."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from pyroute2 import IPRoute, NetlinkError

from shoal_agent.kernel import syscalls
from shoal_agent.kernel.syscalls import CloneFlag
from shoal_agent.network.links import BRIDGE, LINK_PREFIX, Port
from shoal_common.errors import Internal, Unavailable

_NTF_MASTER = 0x04
_NUD_NOARP = 0x40


def connect(route: IPRoute, net_ns: Path, ports: Sequence[Port], *, hairpin: bool = False) -> None:
    """Make the links and configure their ends. May be repeated after it failed or was killed anywhere.

    Args:
        route: netlink of the host's namespace.
        net_ns: the sandbox's pinned network namespace.
        ports: the plan.
        hairpin: the sandbox reaches itself by a published port. A bridge whose frames netfilter sees (br_netfilter)
            turns such a frame round by itself, and sends none back where it came from unless told to.

    Raises:
        Unavailable: the node has no bridge yet.
        Internal: the kernel refused.
    """
    bridge = _index(BRIDGE)
    if not bridge:
        raise Unavailable(f"the node's network is not configured yet: no link {BRIDGE} (the agent needs a controller)")
    fd = os.open(net_ns, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for port in ports:
            _make_pair(route, fd, port)
            _set_port(route, bridge, port, hairpin=hairpin)
        _inside(fd, lambda: _configure(ports))
    except NetlinkError as error:
        raise Internal(f"can't connect {net_ns.parent.name}: {error}") from None
    finally:
        os.close(fd)


def disconnect(route: IPRoute, links: Collection[str]) -> None:
    """Remove links by the name of the host's end; those that are not there are fine."""
    for link in links:
        if not (index := _index(link)):
            continue
        try:
            route.link("del", index=index)
        except NetlinkError as error:
            # The kernel removes it by itself when the namespace of the other end goes.
            if error.code != errno.ENODEV:
                raise


def strays(route: IPRoute, wanted: Collection[str]) -> list[str]:
    """Return the host's ends of containers' links that are not wanted."""
    names = [str(link.get("ifname")) for link in route.get_links(kind="veth")]
    return [name for name in names if name.startswith(LINK_PREFIX) and name not in wanted]


def _index(link: str) -> int:
    """Return a link's number in the network namespace of this thread; 0 if there is none."""
    # Asked of the kernel directly: pyroute2 takes thirty times as long, and this is asked four times in a start.
    try:
        return socket.if_nametoindex(link)
    except OSError:
        return 0


def _make_pair(route: IPRoute, fd: int, port: Port) -> None:
    peer = {"ifname": port.inside, "net_ns_fd": fd, "address": port.mac}
    try:
        route.link("add", ifname=port.link, kind="veth", peer=peer)
    except NetlinkError as error:
        # An attempt before this one was killed half-way. The other end of a link of this name is in the sandbox of
        # this key, since the key's namespace is the only one such a link is ever made in - or in one that is being
        # destroyed, if a sandbox of the same key was released just now.
        if error.code != errno.EEXIST:
            raise
        disconnect(route, [port.link])
        route.link("add", ifname=port.link, kind="veth", peer=peer)


def _set_port(route: IPRoute, bridge: int, port: Port, *, hairpin: bool) -> None:
    index = _index(port.link)
    route.link("set", index=index, master=bridge)
    # Who is behind a port is known. A bridge that learns can be taught wrong, and one that floods shows a container
    # the traffic of others.
    route.brport("set", index=index, learning=0, unicast_flood=0, mode=int(hairpin))
    route.fdb("replace", ifindex=index, lladdr=port.mac, flags=_NTF_MASTER, state=_NUD_NOARP)
    route.link("set", index=index, state="up")


def _configure(ports: Sequence[Port]) -> None:
    with IPRoute() as route:
        for port in ports:
            index = _index(port.inside)
            route.addr("replace", index=index, address=port.ip, prefixlen=port.prefix_length)
            route.link("set", index=index, state="up")
            if port.gateway:
                route.route("replace", dst="default", gateway=port.gateway, family=socket.AF_INET)


def _inside(fd: int, function: Callable[[], None]) -> None:
    """Run the function in the network namespace, in a thread that ends with it: none ever has to find back."""
    failures: list[BaseException] = []

    def body() -> None:
        try:
            syscalls.setns(fd, CloneFlag.NEWNET)
            function()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=body, name="shoal-inside")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
