"""The store in memory: the same promises as etcd's (tests/contract), and faults on demand."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from shoal_common.errors import Compacted, NotFound, Unavailable
from shoal_controller.state import keys
from shoal_controller.state.kv import Batch, Entry, Event, Listing, OutcomeUnknown, SetBack, Txn


@dataclass(slots=True)
class LateCommit:
    """A transaction whose sender has given up, and that is still on its way."""

    kv: FakeKV
    txn: Txn

    def land(self) -> int:
        """Let it arrive now; raises what the sender would have seen."""
        return self.kv.apply(self.txn)


class FakeKV:
    """A `KV` without a server. Everything happens in one event loop.

    Attributes:
        revision: of the newest commit.
        available: while False, every call raises `Unavailable`, and watches tell nothing.
        lose_answers: that many of the next commits happen, but their senders get `OutcomeUnknown`.
        delay_commits: that many of the next commits end up in `late` instead; their senders get `OutcomeUnknown`.
    """

    def __init__(self) -> None:
        self.revision = 1
        self.available = True
        self.lose_answers = 0
        self.delay_commits = 0
        self.late: list[LateCommit] = []
        self.commits = 0
        self._entries: dict[str, Entry] = {}
        self._history: list[Batch] = []
        self._compacted = 0
        self._leases: set[int] = set()
        self._ttls: dict[int, int] = {}
        self._lease_ids = itertools.count(7000)
        self._changed = asyncio.Event()

    async def get(self, key: str) -> tuple[int, Entry | None]:
        await self._answer()
        return self.revision, self._entries.get(key)

    async def list(self, prefix: str, *, revision: int = 0) -> Listing:
        await self._answer()
        if revision and revision < self._compacted:
            raise Compacted(f"revision {revision} was compacted")
        entries = dict(self._entries)
        if revision:
            entries = {}
            for batch in self._history:
                if batch.revision <= revision:
                    for event in batch.events:
                        _apply(entries, event)
        found = sorted((entry for key, entry in entries.items() if key.startswith(prefix)), key=lambda entry: entry.key)
        return Listing(revision or self.revision, tuple(found))

    async def commit(self, txn: Txn) -> int:
        await self._answer()
        if self.delay_commits:
            self.delay_commits -= 1
            self.late.append(LateCommit(self, txn))
            raise OutcomeUnknown("no answer (and not committed yet)")
        revision = self.apply(txn)
        if self.lose_answers:
            self.lose_answers -= 1
            raise OutcomeUnknown("no answer (committed)")
        return revision

    async def watch(self, prefix: str, *, after: int) -> AsyncGenerator[Batch, None]:
        told = after
        if after > self.revision:
            raise SetBack(f"the store is at {self.revision}, below {after}: it was set back")
        while True:
            if told + 1 < self._compacted:
                raise Compacted(f"revisions up to {self._compacted} were compacted")
            for batch in self._history[self._index_after(told) :]:
                events = tuple(event for event in batch.events if event.key.startswith(prefix))
                told = batch.revision
                if events:
                    yield Batch(told, events)
                if not self.available or told + 1 < self._compacted:
                    break
            else:
                # What was committed while a batch was being taken in is there already, and wakes nobody any more.
                if self._index_after(told) >= len(self._history):
                    self._changed.clear()
                    await self._changed.wait()
            while not self.available:
                self._changed.clear()
                await self._changed.wait()

    async def grant(self, ttl_seconds: int) -> int:
        await self._answer()
        lease = next(self._lease_ids)
        self._leases.add(lease)
        self._ttls[lease] = ttl_seconds
        return lease

    async def keep_alive(self, lease: int) -> int:
        await self._answer()
        return self._ttls[lease] if lease in self._leases else 0

    async def revoke(self, lease: int) -> None:
        await self._answer()
        self.expire(lease)

    def apply(self, txn: Txn) -> int:
        """Commit at once; raises as `commit` does."""
        present = {key: (entry.mod_revision, entry.create_revision) for key, entry in self._entries.items()}
        if txn.stale(present):
            raise txn.refusal(revision=self.revision, present=present)
        for put in txn.writes.values():
            if put is not None and put.lease and put.lease not in self._leases:
                raise NotFound(f"lease {put.lease} is gone")
        if txn.writes:
            self._record(
                [(key, None, 0) if put is None else (key, put.value, put.lease) for key, put in txn.writes.items()]
            )
        self.commits += 1
        return self.revision

    def expire(self, lease: int) -> None:
        """End a lease, with all that was put under it."""
        self._leases.discard(lease)
        gone = [entry.key for entry in self._entries.values() if lease and entry.lease == lease]
        if gone:
            self._record([(key, None, 0) for key in gone])

    def compact(self, revision: int) -> None:
        """Forget what was before `revision`."""
        self._compacted = max(self._compacted, revision)
        self._wake()

    def interrupt(self) -> None:
        """Take the store away until `restore`."""
        self.available = False
        self._wake()

    def restore(self) -> None:
        """Bring the store back."""
        self.available = True
        self._wake()

    def take_over(self, *, controller: str = "another") -> int:
        """Put the leader key anew, whoever led, and return its creation revision."""
        if keys.leader() in self._entries:
            self._record([(keys.leader(), None, 0)])
        self._record([(keys.leader(), controller.encode(), 0)])
        return self.revision

    def _record(self, changes: Sequence[tuple[str, bytes | None, int]]) -> None:
        self.revision += 1
        events = []
        for key, value, lease in changes:
            old = self._entries.get(key)
            created = 0 if value is None else (old.create_revision if old else self.revision)
            event = Event(key, value, self.revision, lease, created)
            events.append(event)
            _apply(self._entries, event)
        self._history.append(Batch(self.revision, tuple(events)))
        self._wake()

    def _index_after(self, revision: int) -> int:
        # One batch per revision, and the first revision that writes is 2.
        return max(0, revision - 1)

    def _wake(self) -> None:
        self._changed.set()

    async def _answer(self) -> None:
        await asyncio.sleep(0)  # As with a real store, others run meanwhile.
        if not self.available:
            raise Unavailable("the store is away")


def _apply(entries: dict[str, Entry], event: Event) -> None:
    if event.value is None:
        entries.pop(event.key, None)
    else:
        entries[event.key] = Entry(event.key, event.value, event.mod_revision, event.create_revision, event.lease)
