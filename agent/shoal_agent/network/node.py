"""The network of one node: a bridge, NAT to the outside, and the links of its sandboxes."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pyroute2 import IPRoute, NetlinkError

from shoal_agent.kernel_work import finished
from shoal_agent.network import bridge, conntrack, plumbing, publishing_rules, rules
from shoal_agent.network.host_ports import HostPorts
from shoal_agent.network.links import BRIDGE, Port
from shoal_agent.network.nftables import Nftables
from shoal_agent.network.published import Published
from shoal_common.errors import Conflict, Internal, InvalidSpec, Unavailable

#: The port that the agent listens on by default.
AGENT_PORT = 7410


class NodeNetwork:
    """Everything of the network that belongs to this node, in the namespace that the agent runs in.

    What is there is in the kernel, and every method may be repeated; it remembers only sockets on published ports.

    Args:
        guarded_ports: TCP ports of this host that containers may not connect to.
    """

    def __init__(self, *, guarded_ports: Collection[int] = (AGENT_PORT,)) -> None:
        self._guarded_ports = frozenset(guarded_ports)
        # One thread: changes of links wait for each other in the kernel anyway.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="shoal-network")
        # Removing a link takes tens of milliseconds, in which the kernel waits more than it works: containers that
        # start don't queue behind those that go.
        self._removals = ThreadPoolExecutor(2, thread_name_prefix="shoal-network-removal")
        self._nftables: Nftables | None = None
        self._host_ports = HostPorts()

    async def configure(self, subnet: str, gateway: str) -> None:
        """Make the bridge and the rules, or change them to this; containers that are connected stay so.

        Args:
            subnet: the containers' addresses, such as "10.88.0.0/16".
            gateway: the bridge's address, the same on every node, such as "10.88.0.1".

        Raises:
            InvalidSpec: the two don't fit together.
            Conflict: there is another link of the bridge's name.
            Internal: the kernel refused.
        """
        plan = bridge.plan_bridge(subnet, gateway)

        def work(route: IPRoute) -> None:
            # Rules first: no packet of a container passes without them.
            self._nft().apply(rules.configuration(plan.subnet, self._guarded_ports))
            bridge.apply(route, plan)

        await self._with_route(work)

    async def attach(self, net_ns: Path, ports: Sequence[Port], published: Sequence[Published] = ()) -> None:
        """Connect a sandbox, and lead ports of this node to it.

        Raises:
            Unavailable: `configure` was never called; or a port still leads to another container.
            InvalidSpec: a port is the agent's.
            Conflict: a port is another program's of this host, or on an address that it has not.
            Internal: the kernel refused.
        """
        for port in published:
            if port.protocol == "tcp" and port.host_port in self._guarded_ports:
                raise InvalidSpec(f"{port} of this node is its agent's (publish another)")

        def work(route: IPRoute) -> None:
            self._host_ports.take(published)
            plumbing.connect(route, net_ns, ports, hairpin=bool(published))
            self._nft().apply(rules.admission(ports))
            if published:
                self._publish(published)
                conntrack.forget_before(published, _addresses(route))

        await self._with_route(work)

    async def detach(self, ports: Sequence[Port], published: Sequence[Published] = ()) -> None:
        """Disconnect a sandbox; its links' not being there is success."""

        def expel(route: IPRoute) -> None:
            if published:
                self._withdraw(published)
                conntrack.forget_after(published)
                self._host_ports.give(published)
            if route.link_lookup(ifname=BRIDGE):
                self._nft().apply(rules.expulsion(ports))

        await self._with_route(expel)
        await _with_route(self._removals, lambda route: plumbing.disconnect(route, [port.link for port in ports]))

    async def retain(self, ports: Sequence[Port], published: Sequence[Published] = ()) -> None:
        """Remove every container's link but these, and publish these ports and no other: what a crash left behind."""

        def work(route: IPRoute) -> None:
            plumbing.disconnect(route, plumbing.strays(route, {port.link for port in ports}))
            if route.link_lookup(ifname=BRIDGE):
                self._nft().apply(rules.replacement(ports) + publishing_rules.replacement(published))
            self._host_ports.keep(published)

        await self._with_route(work)

    async def teardown(self) -> None:
        """Remove the bridge, all containers' links and the rules. Doing it again changes nothing."""

        def work(route: IPRoute) -> None:
            plumbing.disconnect(route, plumbing.strays(route, ()))
            bridge.remove(route)
            self._nft().apply(rules.removal())

        await self._with_route(work)

    async def close(self) -> None:
        """Let go of the kernel's ear; everything that was made stays."""
        await finished(self._executor, self._host_ports.close)
        if self._nftables is not None:
            await finished(self._executor, self._nftables.close)
            self._nftables = None
        for executor in (self._executor, self._removals):
            executor.shutdown(wait=False)

    def _publish(self, published: Sequence[Published]) -> None:
        try:
            self._nft().apply(publishing_rules.publication(published))
        except Conflict:
            which = str(published[0]) if len(published) == 1 else f"one of {len(published)} ports"
            raise Unavailable(f"{which} of this node still leads to another container") from None

    def _withdraw(self, published: Sequence[Published]) -> None:
        try:
            self._nft().apply(publishing_rules.withdrawal(published))
        except Conflict:
            # One that was never published may be another's by now.
            for port in published:
                with contextlib.suppress(Conflict):
                    self._nft().apply(publishing_rules.withdrawal((port,)))

    def _nft(self) -> Nftables:
        if self._nftables is None:
            self._nftables = Nftables()
        return self._nftables

    async def _with_route(self, work: Callable[[IPRoute], None]) -> None:
        await _with_route(self._executor, work)


def _addresses(route: IPRoute) -> set[str]:
    """Return the IPv4 addresses of this host."""
    return {str(found.get("local") or found.get("address")) for found in route.get_addr(family=socket.AF_INET)}


async def _with_route(executor: ThreadPoolExecutor, work: Callable[[IPRoute], None]) -> None:
    def body() -> None:
        try:
            with IPRoute() as route:
                work(route)
        except (NetlinkError, OSError) as error:
            raise Internal(f"can't change the node's network: {error}") from None

    await finished(executor, body)
