"""Faults as they happen: each is done, lasts, and is undone, whatever else goes on."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from shoal_common.errors import ShoalError
from shoal_lab.layout import ETCD_PORT
from tests.soak import cuts
from tests.soak.cuts import Cut
from tests.soak.feed import Feed
from tests.soak.grounds import Grounds
from tests.soak.history import History, Trouble
from tests.soak.schedule import Fault, Kind, Round, rounds
from tests.soak.witness import Witness

#: Seconds that a directed fault waits for its moment.
_MOMENT: Final = 8.0
_ACTS: Final = frozenset({"create", "start", "kill", "delete"})
#: Revisions that a new leader has written when the old one may go on.
_WRITTEN: Final = 4
#: Seconds within which a daemon that was started is told to have come up, for faults that need it.
_UP: Final = 3.0

#: Makes containers whose image no node has yet on a node that can't be told of them now.
Unpulled = Callable[[str], Awaitable[None]]


class Injector:
    """Does what the schedule says.

    Args:
        grounds: hosts, and how they are taken hold of.
        seed: of the schedule.
        zero: monotonic time of the beginning.
        unpulled: see `Unpulled`.
    """

    def __init__(
        self,
        grounds: Grounds,
        witness: Witness,
        feed: Feed,
        history: History,
        *,
        seed: int,
        zero: float,
        unpulled: Unpulled,
        kinds: Sequence[Kind] = tuple(Kind),
    ) -> None:
        self._grounds = grounds
        self._witness = witness
        self._feed = feed
        self._history = history
        self._zero = zero
        self._unpulled = unpulled
        self._rounds = rounds(seed, grounds.ground, kinds)
        self._random = random.Random(f"moments {seed}")

    async def inject_until(self, deadline: float) -> None:
        """Inject until a monotonic time; when this returns, every fault is over."""
        for each in self._rounds:
            if time.monotonic() + each.peace + _longest(each) > deadline:
                return
            await asyncio.sleep(each.peace)
            async with asyncio.TaskGroup() as group:
                for fault in each.faults:
                    group.create_task(self._carry_out(fault), name=f"fault {fault}")

    async def _carry_out(self, fault: Fault) -> None:
        await asyncio.sleep(fault.after)
        trouble = Trouble(fault.kind, fault.target, self._now())
        self._history.troubles.append(trouble)
        try:
            async with self._inflicted(fault, trouble):
                await asyncio.sleep(fault.seconds)
        finally:
            trouble.ended = self._now()

    def _now(self) -> float:
        return time.monotonic() - self._zero

    def _inflicted(self, fault: Fault, trouble: Trouble) -> contextlib.AbstractAsyncContextManager[None]:
        """Return the fault as a context: done at its beginning, undone at its end."""
        target, grounds = fault.target, self._grounds
        match fault.kind:
            case Kind.LEADER_KILLED:
                # One that is spared is paused instead.
                return self._killed_or_paused(self._leader(trouble), "controller")
            case Kind.LEADER_PAUSED:
                return self._paused([(self._leader(trouble), "controller")])
            case Kind.LEADER_PAUSED_IN_COMMIT:
                return self._paused_in_commit(trouble)
            case Kind.CONTROLLER_KILLED:
                return self._killed_or_paused(target, "controller")
            case Kind.CONTROLLER_PAUSED:
                return self._paused([(target, "controller")])
            case Kind.CONTROLLER_OFF_ETCD:
                return self._cut(target, Cut(grounds.members, ETCD_PORT, into=False))
            case Kind.CONTROLLER_DEAF_TO_ETCD:
                return self._cut(target, Cut(grounds.members, ETCD_PORT, out=False))
            case Kind.CONTROL_CUT:
                return self._cut(target, Cut(grounds.others(target)))
            case Kind.MEMBER_KILLED:
                return self._killed([(target, "etcd")])
            case Kind.MEMBER_PAUSED:
                return self._paused([(target, "etcd")])
            case Kind.QUORUM_KILLED:
                return self._killed(self._majority())
            case Kind.QUORUM_PAUSED:
                return self._paused(self._majority())
            case Kind.REGISTRY_KILLED:
                return self._killed([(grounds.registry, "registry")])
            case Kind.REGISTRY_PAUSED:
                return self._paused([(grounds.registry, "registry")])
            case Kind.REGISTRY_WITHOUT_PULLS:
                return self._without_pulls(target)
            case Kind.AGENT_KILLED:
                return self._killed([(target, "agent")])
            case Kind.AGENT_PAUSED:
                return self._paused([(target, "agent")])
            case Kind.AGENT_KILLED_IN_ACT:
                return self._killed_in_act(fault, trouble)
            case Kind.AGENT_KILLED_IN_SLOW_START:
                return self._killed_in_slow_start(fault, trouble)
            case Kind.NODE_CUT:
                return self._cut(target, Cut(grounds.others(target)))
            case Kind.NODE_MUTE:
                return self._cut(target, Cut(grounds.control_addresses, into=False))
            case Kind.NODE_DEAF:
                return self._cut(target, Cut(grounds.control_addresses, out=False))
            case Kind.DISK_FULL:
                return self._full(target)
            case Kind.HOST_REBOOTED:
                return self._rebooted(target)

    def _leader(self, trouble: Trouble) -> str:
        """Return the host of the leader, or of any controller while none leads."""
        leader = self._feed.chronicle.leader
        host = self._grounds.by_address(leader.address) if leader is not None else None
        trouble.target = host or self._random.choice(self._grounds.ground.controllers)
        return trouble.target

    def _majority(self) -> list[tuple[str, str]]:
        members = self._grounds.ground.members
        return [(each, "etcd") for each in self._random.sample(members, len(members) // 2 + 1)]

    # Plain ones

    @asynccontextmanager
    async def _killed(self, daemons: Sequence[tuple[str, str]]) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for host, service in daemons:
                stack.push_async_callback(self._grounds.lab.start, f"{host}/{service}")
                await self._grounds.lab.kill(f"{host}/{service}")
            yield

    @asynccontextmanager
    async def _paused(self, daemons: Sequence[tuple[str, str]]) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for host, service in daemons:
                stack.push_async_callback(self._grounds.signal, host, service, signal.SIGCONT)
                await self._grounds.signal(host, service, signal.SIGSTOP)
            yield

    def _killed_or_paused(self, host: str, service: str) -> contextlib.AbstractAsyncContextManager[None]:
        spared = host in self._grounds.ground.spared
        return self._paused([(host, service)]) if spared else self._killed([(host, service)])

    @asynccontextmanager
    async def _cut(self, host: str, cut: Cut) -> AsyncIterator[None]:
        pid = self._grounds.lab.orders(host).pid
        table = await cuts.sever(pid, cut)
        try:
            yield
        finally:
            await cuts.join(pid, table)

    @asynccontextmanager
    async def _full(self, node: str) -> AsyncIterator[None]:
        await self._grounds.fill(node)
        try:
            yield
        finally:
            await self._grounds.clear(node)

    @asynccontextmanager
    async def _rebooted(self, node: str) -> AsyncIterator[None]:
        await self._grounds.power_off(node)
        try:
            yield
        finally:
            await self._grounds.lab.reboot(node)
            # Well before its agent, which has just been begun, has come up.
            await self._witness.install_on(node)

    # Those that wait for their moment

    @asynccontextmanager
    async def _paused_in_commit(self, trouble: Trouble) -> AsyncIterator[None]:
        """Stop the leader just after something was written, when more is on its way; go on after another has led."""
        chronicle = self._feed.chronicle
        await self._feed.reached(chronicle.revision + 1, seconds=_MOMENT)
        host, terms = self._leader(trouble), len(chronicle.terms)
        await asyncio.sleep(self._random.uniform(0, 0.01))
        async with self._paused([(host, "controller")]):
            yield
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_MOMENT):
                    while len(chronicle.terms) == terms:
                        await self._feed.reached(chronicle.revision + 1, seconds=_MOMENT)
                    await self._feed.reached(chronicle.revision + _WRITTEN, seconds=_MOMENT)

    @asynccontextmanager
    async def _killed_in_act(self, fault: Fault, trouble: Trouble) -> AsyncIterator[None]:
        """Kill an agent while its runtime does what it was told to."""
        order = await self._witness.next_order(self._mortal(), _ACTS, seconds=_MOMENT)
        trouble.target = order.node if order is not None else self._random.choice(self._mortal())
        await asyncio.sleep(fault.chance**3 * 0.3)
        async with self._killed([(trouble.target, "agent")]):
            yield

    @asynccontextmanager
    async def _killed_in_slow_start(self, fault: Fault, trouble: Trouble) -> AsyncIterator[None]:
        """Kill an agent whose runtime is starting something, and takes longer than the next agent does to come up."""
        nodes = self._mortal()
        self._witness.slow(nodes, tenths=int(10 * (fault.seconds + _UP)))
        try:
            order = await self._witness.next_order(nodes, frozenset({"start"}), seconds=2 * _MOMENT)
            if order is None:
                return
            trouble.target = order.node
            self._witness.swift([each for each in nodes if each != order.node])
            await asyncio.sleep(fault.chance * 0.3)
            async with self._killed([(order.node, "agent")]):
                pass
            yield
            await asyncio.sleep(_UP)
        finally:
            self._witness.swift(nodes)

    @asynccontextmanager
    async def _without_pulls(self, node: str) -> AsyncIterator[None]:
        """Have a node find the registry gone when it is to fetch what was placed while its agent was away."""
        async with AsyncExitStack() as stack:
            async with self._killed([(node, "agent")]):
                with contextlib.suppress(ShoalError, TimeoutError):
                    await self._unpulled(node)
                await stack.enter_async_context(self._killed([(self._grounds.registry, "registry")]))
            yield

    def _mortal(self) -> list[str]:
        return [each for each in self._grounds.ground.nodes if each not in self._grounds.ground.spared]


def _longest(each: Round) -> float:
    return max((fault.after + fault.seconds for fault in each.faults), default=0.0)
