"""The leader's loop: take what happened, plan, commit by compare-and-swap, again.

One task makes all of the leader's writes, one transaction after the other, so that they can't conflict among each
other. It never waits in order to collect: idle, it acts at once, and what arrives while a transaction is under way
goes together into the next.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Final

from shoal_common.errors import Conflict, Exhausted, InvalidSpec, NotFound, NotLeader, ShoalError, Unavailable
from shoal_controller.core.orchestrate import Decision, Finish, Place, SetLedger, plan
from shoal_controller.core.removal import Depart
from shoal_controller.core.snapshot import DEFAULT_NETWORK
from shoal_controller.core.statuses import Verdict
from shoal_controller.core.volumes import ForgetVolume, LoseVolume, RemoveVolume
from shoal_controller.leader.commit import Draft
from shoal_controller.leader.dispatcher import Dispatcher
from shoal_controller.leader.inbox import Described, Inbox, News, Opening, Reported, StateSeen, StraysFound, VolumesGone
from shoal_controller.leader.projection import Projector
from shoal_controller.recovery.health import StoreHealth
from shoal_controller.recovery.roll import Roll
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.kv import KV, CompareFailed, OutcomeUnknown
from shoal_controller.state.leadership import Leadership
from shoal_controller.state.store import ContainerEntry, NodeEntry, VolumeEntry

_log: Final = logging.getLogger(__name__)

#: Decisions planned at a time: a few more than fit into one transaction.
_PLAN: Final = 24
#: Seconds that a tombstone is kept, and for how long one lease is used for new ones.
_TOMBSTONE: Final = 3600
_LEASE_USE: Final = 60
#: Seconds between attempts while the store does not answer, or is full.
_RETRY: Final = 0.25
_RETRY_FULL: Final = 5.0
#: Seconds in which clients of a controller that is gone have found another one.
_SETTLE: Final = 3.0
#: Refusals in a row after which what stands first is put aside, alone by then, for the rest to go on.
_PATIENCE: Final = 8


class Leader:
    """Leads, one term at a time.

    Args:
        kv: of the cluster.
        cache: of the cluster; somebody runs it.
        dispatcher: is woken at the beginning of a term.
        health: of the store; while it has lost something, nothing is written and nodes are told nothing.

    Attributes:
        term: the one that this controller leads in; None if it doesn't.
        roll: the nodes that are there, while the store is not believed.
    """

    def __init__(self, kv: KV, cache: ClusterCache, dispatcher: Dispatcher, health: StoreHealth) -> None:
        self.term: Leadership | None = None
        self.roll: Roll | None = None
        self._health = health
        self._kv = kv
        self._cache = cache
        self._dispatcher = dispatcher

    async def lead(self, leadership: Leadership) -> None:
        """Lead for one term; returns when it is lost. For `Election.run`."""
        await self._catch_up(leadership)
        self._health.begin_term()
        self.term = leadership
        try:
            while leadership.valid():
                if self._health.problem:
                    await self._wait_until_well(leadership)
                else:
                    await self._lead(leadership)
        finally:
            self.term = None

    async def _wait_until_well(self, leadership: Leadership) -> None:
        """Touch nothing until the store is well again, or the term is over; nodes are noted and sent away."""
        _log.error("%s", self._health.problem)
        self.roll = Roll()
        self._dispatcher.hold(self.roll)
        try:
            await _first(self._health.until(well=True), leadership.lost.wait())
        finally:
            self._dispatcher.end()
            self.roll = None

    async def _lead(self, leadership: Leadership) -> None:
        """Lead until the term is over, or the store has lost something."""
        inbox = Inbox()
        writer = Writer(self._kv, self._cache, inbox, leadership, self._health)
        self._dispatcher.begin(inbox)
        try:
            async with asyncio.TaskGroup() as group:
                helpers = (
                    group.create_task(self._follow(inbox), name="leader-follow"),
                    group.create_task(self._dispatcher.watch_terms(), name="leader-liveness"),
                    group.create_task(writer.settle(), name="leader-settle"),
                )
                await _first(writer.run(), self._health.until(well=False))
                for helper in helpers:
                    helper.cancel()
        finally:
            self._dispatcher.end()

    async def _catch_up(self, leadership: Leadership) -> None:
        """Wait until the cache has what the leaders before wrote: agents refuse to go back."""
        while leadership.valid():
            try:
                revision, _ = await self._kv.get(keys.leader())
                await self._cache.reached(revision)
                return
            except Unavailable as error:
                _log.warning("can't begin to lead: %s", error)
                await asyncio.sleep(_RETRY)

    async def _follow(self, inbox: Inbox) -> None:
        """Pass on every change of the cache: to the loop, and to the agents concerned."""
        with self._cache.subscribe() as changes:
            inbox.wake.set()
            async for change in changes:
                self._dispatcher.publish(change)
                inbox.wake.set()


async def _first(*waits: Coroutine[None, None, object]) -> None:
    """Wait until one of these ends, and cancel the others; what it raises is raised."""
    tasks = [asyncio.create_task(wait, name="leader-waits") for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in done:
        task.result()


class _Patience:
    """How much goes into one transaction of a kind: half as much after each refusal, all of it after a success."""

    def __init__(self) -> None:
        self.refusals = 0

    def portion(self, most: int) -> int:
        return max(1, most >> self.refusals)

    @property
    def exhausted(self) -> bool:
        return self.refusals >= _PATIENCE


class Writer:
    """Makes all writes of one term.

    Args:
        kv: of the cluster.
        cache: of the cluster.
        inbox: what waits to be written.
        leadership: the term, which fences every transaction.
        health: of the store.
    """

    def __init__(self, kv: KV, cache: ClusterCache, inbox: Inbox, leadership: Leadership, health: StoreHealth) -> None:
        self._health = health
        self._kv = kv
        self._cache = cache
        self._inbox = inbox
        self._leadership = leadership
        self._projector = Projector(cache)
        self._last_address = _newest_address(cache)
        #: Containers and nodes for which nothing is decided until they change, as they were when put aside.
        self._aside: dict[str, ContainerEntry | NodeEntry | VolumeEntry | None] = {}
        self._kept = frozenset(cache.containers)
        self._news, self._reports, self._plans = _Patience(), _Patience(), _Patience()
        #: Revision of the cache at which there was nothing to decide; -1: look again.
        self._idle_at = -1
        self._lease = 0
        self._lease_until = float("-inf")

    async def settle(self) -> None:
        """Remove by themselves, from some time after the beginning of the term, also containers of before it.

        Whoever reads the output of one that ended meanwhile has to come back first: with it its logs go.
        """
        await asyncio.sleep(_SETTLE)
        self._kept = frozenset()
        self._idle_at = -1
        self._inbox.wake.set()

    async def run(self) -> None:
        """Write until the term is lost."""
        while not self._leadership.lost.is_set():
            await self._inbox.wake.wait()
            self._inbox.wake.clear()
            try:
                while await self._round():
                    pass
            except NotLeader:
                # The election ends this; until it does, nothing may be written.
                await self._leadership.lost.wait()

    async def _round(self) -> bool:
        """Do one transaction of each kind that has something to write; return whether any had."""
        busy = False
        for patience, step in (
            (self._news, self._write_news),
            (self._reports, self._write_reports),
            (self._plans, self._write_plan),
        ):
            try:
                busy |= await step()
            except CompareFailed as error:
                if keys.leader() in error.keys:
                    raise NotLeader("another controller leads") from error
                patience.refusals += 1
                _log.info("planning anew: %s", error)
                await self._refresh(error.revision)
                busy = True
            except (NotFound, InvalidSpec) as error:
                patience.refusals += 1
                _log.warning("planning anew: %s", error)
                # A lease may have been what is gone.
                self._lease_until = float("-inf")
                busy = True
            except OutcomeUnknown as error:
                _log.warning("reading again: %s", error)
                await self._refresh(0)
                busy = True
            except Conflict as error:
                # Whoever runs this ends it; until then, nothing is written.
                _log.error("can't write: %s", error)
                await self._health.until(well=True)
            except Exhausted as error:
                _log.error("can't write: %s", error)
                await asyncio.sleep(_RETRY_FULL)
                busy = True
            except Unavailable as error:
                _log.warning("can't write: %s", error)
                await asyncio.sleep(_RETRY)
                busy = True
        return busy

    async def _refresh(self, revision: int) -> None:
        """Wait until the cache has `revision`; 0: everything that is committed now."""
        while not self._leadership.lost.is_set():
            try:
                if not revision:
                    revision, _ = await self._kv.get(keys.leader())
                await self._cache.reached(revision)
                return
            except Unavailable as error:
                _log.warning("can't refresh: %s", error)
                await asyncio.sleep(_RETRY)

    async def _commit(self, draft: Draft) -> None:
        """Commit what a draft has to write, and wait until the cache has it."""
        if draft.writes:
            self._health.check()
            revision = await self._kv.commit(draft.txn(self._leadership))
            await self._refresh(revision)

    # News of nodes

    async def _write_news(self) -> bool:
        waiting = self._inbox.news
        while waiting and isinstance(waiting[0], Opening) and waiting[0].epoch.done():
            waiting.popleft()  # Whoever asked has gone.
        if not waiting:
            return False
        if self._news.exhausted:
            self._set_news_aside(waiting.popleft())
            self._news.refusals = 0
            return True
        draft = Draft(self._cache, now=datetime.now(UTC))
        settled: list[tuple[News, Callable[[], None]]] = []
        for news in list(waiting)[: self._news.portion(len(waiting))]:
            if draft.full:
                break
            settled.append((news, _add_news(draft, news)))
        await self._commit(draft)
        for news, answer in settled:
            self._inbox.settle_news(news)
            answer()
        self._news.refusals = 0
        return True

    def _set_news_aside(self, news: News) -> None:
        _log.error("giving up on news of node %s, which is refused again and again: %s", news.node, type(news).__name__)
        if isinstance(news, Opening) and not news.epoch.done():
            news.epoch.set_exception(Unavailable(f"the session of node {news.node} can't be stored"))

    # Reports of containers

    async def _write_reports(self) -> bool:
        waiting = self._inbox.reports()
        if not waiting:
            return False
        if self._reports.exhausted:
            _log.error("giving up on a report on container %s, refused again and again", waiting[0].report.id)
            self._inbox.settle(waiting[0])
            self._reports.refusals = 0
            return True
        lease = await self._tombstone_lease() if any(each.report.removed for each in waiting) else 0
        draft = Draft(self._cache, now=datetime.now(UTC), tombstone_lease=lease)
        settled: list[tuple[Reported, Verdict]] = []
        for reported in waiting[: self._reports.portion(len(waiting))]:
            if draft.full:
                break
            settled.append((reported, self._add_report(draft, reported)))
        await self._commit(draft)
        for reported, verdict in settled:
            self._inbox.settle(reported)
            if verdict is not Verdict.REFUSE:
                report = reported.report
                _log.debug("stored report %d on container %s", report.status.report, report.id)
                reported.session.accept(report.id, report.status.generation, reported.last)
        self._reports.refusals = 0
        return True

    def _add_report(self, draft: Draft, reported: Reported) -> Verdict:
        node = reported.session.node
        entry = self._cache.nodes.get(node)
        session = entry.session if entry is not None else None
        if session is None or session.value.process_id != reported.session.process_id:
            # A newer process speaks for the node, and reports the same from the same records.
            return Verdict.REFUSE
        verdict = draft.report(node, session, reported.report)
        if verdict is Verdict.REFUSE:
            _log.warning(
                "node %s reports on container %s generation %d what can't be: %s",
                node,
                reported.report.id,
                reported.report.status.generation,
                "removed without being asked" if reported.report.removed else reported.report.status.state,
            )
        return verdict

    # The plan

    async def _write_plan(self) -> bool:
        if self._cache.revision == self._idle_at:
            # Woken by what needed no write, such as thousands of sessions after a change of leader.
            return False
        self._aside = {name: entry for name, entry in self._aside.items() if self._entry(name) is entry}
        snapshot = self._projector.snapshot(last_address=self._last_address)
        decisions = plan(snapshot, limit=self._plans.portion(_PLAN), aside=frozenset(self._aside), kept=self._kept)
        if not decisions:
            self._plans.refusals = 0
            self._idle_at = self._cache.revision
            return False
        if self._plans.exhausted:
            self._set_aside(decisions[0])
            self._plans.refusals = 0
            return True
        lease = 0
        if any(isinstance(decision, Finish) for decision in decisions):
            before = self._cache.revision
            lease = await self._tombstone_lease()
            if self._cache.revision != before:
                return True  # The plan is of a state that has passed.
        draft = Draft(self._cache, now=datetime.now(UTC), tombstone_lease=lease)
        last_address = self._last_address
        decided: list[Decision] = []
        for decision in decisions:
            if draft.full or (decided and not draft.has_room(_size(decision, self._cache))):
                break
            draft.decide(decision)
            decided.append(decision)
            if isinstance(decision, Place) and decision.address is not None:
                last_address = decision.address.ip
        await self._commit(draft)
        for decision in decided:
            _log.debug("stored %s", decision)
        # After an unknown outcome the old one stands: what was placed is in use by then, and so skipped.
        self._last_address = last_address
        self._plans.refusals = 0
        return True

    def _set_aside(self, decision: Decision) -> None:
        if isinstance(decision, RemoveVolume | LoseVolume | ForgetVolume):
            what = decision.volume
        else:
            what = decision.node if isinstance(decision, SetLedger | Depart) else decision.container
        _log.error("putting %s aside until it changes: %s is refused again and again", what, type(decision).__name__)
        self._aside[what] = self._entry(what)

    def _entry(self, what: str) -> ContainerEntry | NodeEntry | VolumeEntry | None:
        cache = self._cache
        return cache.containers.get(what) or cache.nodes.get(what) or cache.volumes.get(what)

    async def _tombstone_lease(self) -> int:
        """Return a lease that lasts as long as a tombstone has to; many share one."""
        now = asyncio.get_running_loop().time()
        if now >= self._lease_until:
            self._lease = await self._kv.grant(_TOMBSTONE + _LEASE_USE)
            self._lease_until = now + _LEASE_USE
        return self._lease


def _size(decision: Decision, cache: ClusterCache) -> int:
    """Return how many keys a decision names at most, beside those that every one may."""
    entry = cache.containers.get(decision.container) if isinstance(decision, Place) else None
    return 2 * len(entry.spec.value.config.mounts) if entry is not None and entry.spec is not None else 0


def _add_news(draft: Draft, news: News) -> Callable[[], None]:
    """Add news to a draft, and return what to do when it is committed."""
    match news:
        case Opening(node, process_id, description, epoch):
            try:
                number = draft.open_session(node, process_id=process_id, description=description)
            except ShoalError as error:
                refused = error
                return lambda: None if epoch.done() else epoch.set_exception(refused)
            return lambda: None if epoch.done() else epoch.set_result(number)
        case Described(node, description):
            draft.describe(node, description)
        case StraysFound(node, ids):
            draft.set_strays(node, ids)
        case VolumesGone(node, volumes):
            for volume in volumes:
                draft.volume_gone(node, volume)
        case StateSeen(node, state, reason):
            draft.set_state(node, state, reason=reason)
    return lambda: None


def _newest_address(cache: ClusterCache) -> str:
    """Return the address that was given out last, as far as the store tells."""
    newest, found = 0, ""
    for entry in cache.containers.values():
        if entry.placement is not None and entry.placement.create_revision > newest:
            for address in entry.placement.value.addresses:
                if address.network == DEFAULT_NETWORK:
                    newest, found = entry.placement.create_revision, address.ip
    return found
