"""The few things that Shoal asks of a key-value store, and the transaction that can't forget its compares.

Two implementations pass one contract suite: etcd (`etcd.py`) and one in memory for tests.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol

from shoal_common.errors import Compacted, Internal, NotLeader, ShoalError, Unavailable
from shoal_controller.state import keys
from shoal_controller.state.leadership import Leadership

#: etcd's --max-txn-ops: of compares, and of operations, in one transaction.
MAX_TXN: Final = 128


class CompareFailed(ShoalError):
    """Somebody wrote meanwhile what the transaction compares: refresh, and plan anew.

    Attributes:
        revision: of the store when it refused; a cache that has reached it knows the reason.
        keys: those that are not as the transaction expects. The leader key among them: the term is over.
    """

    retryable = True

    def __init__(self, message: str, *, revision: int, keys: frozenset[str] = frozenset()) -> None:
        super().__init__(message)
        self.revision = revision
        self.keys = keys


class SetBack(Compacted):
    """The store is not what it was: restored to an earlier state, emptied, or another one in its place."""


class OutcomeUnknown(Unavailable):
    """A transaction got no answer: it may have been committed, or may be yet. Read again before anything else.

    Since a transaction compares every key that it writes, a late commit after any other write of these keys is
    refused by the store: whoever reads again and writes on top of what was read is safe.
    """


@dataclass(frozen=True, slots=True)
class Entry:
    """A key that exists. `lease` is 0 for none."""

    key: str
    value: bytes
    mod_revision: int
    create_revision: int
    lease: int


@dataclass(frozen=True, slots=True)
class Event:
    """A change of one key; `value` is None when it was deleted (by anybody, or with its lease).

    `create_revision` equals `mod_revision` when the key is new, and is 0 when it was deleted.
    """

    key: str
    value: bytes | None
    mod_revision: int
    lease: int = 0
    create_revision: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """All changes of one revision; without any: everything up to `revision` has been told."""

    revision: int
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """Everything below a prefix as it was at `revision`, in the order of keys."""

    revision: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Put:
    """One write of a transaction. `lease` is 0 for none."""

    value: bytes
    lease: int


class Txn:
    """A transaction under construction: all of it happens, at one revision, or nothing.

    No key can be put or deleted without saying the revision at which it is known, 0 for "does not exist": that is
    what makes a commit that lands late, after its sender has given up, harmless.
    """

    def __init__(self) -> None:
        self._expected: dict[str, int] = {}
        self._writes: dict[str, Put | None] = {}
        self._leader: int | None = None

    def put(self, key: str, value: bytes, *, expect: int, lease: int = 0) -> None:
        """Write `value` if the key's modification revision is `expect` (0: it does not exist).

        Raises:
            Internal: the key is written already, is expected at another revision, or the transaction is full.
        """
        self._write(key, Put(value, lease), expect)

    def delete(self, key: str, *, expect: int) -> None:
        """Delete the key if its modification revision is `expect`.

        Raises:
            Internal: as for `put`; also for 0, since what does not exist can't be deleted (`require` says that).
        """
        if expect == 0:
            raise Internal(f"{key} does not exist and can't be deleted")
        self._write(key, None, expect)

    def require(self, key: str, *, revision: int) -> None:
        """Commit only if the key's modification revision is `revision` (0: it does not exist).

        Raises:
            Internal: the key is expected at another revision, or the transaction is full.
        """
        if revision < 0:
            raise Internal(f"{key} can't have revision {revision}")
        if self._expected.setdefault(key, revision) != revision:
            raise Internal(f"{key} is expected at revision {self._expected[key]} and at {revision}")
        self._check_size()

    def fence(self, leadership: Leadership) -> None:
        """Commit only while this term lasts, whatever this process believes.

        Raises:
            NotLeader: the term is over, as this process knows without asking.
            Internal: another term fences it already, or the transaction is full.
        """
        if not leadership.valid():
            raise NotLeader("this controller does not lead any more")
        if self._leader not in (None, leadership.create_revision):
            raise Internal(f"transaction is fenced by term {self._leader} and by {leadership.create_revision}")
        self._leader = leadership.create_revision
        self._check_size()

    @property
    def expected(self) -> Mapping[str, int]:
        """Modification revision that each key must have; 0: it must not exist."""
        return MappingProxyType(self._expected)

    @property
    def writes(self) -> Mapping[str, Put | None]:
        """What is put, or None where the key is deleted."""
        return MappingProxyType(self._writes)

    @property
    def leader(self) -> int | None:
        """Creation revision that the leader key must have, if the transaction is a leader's."""
        return self._leader

    def stale(self, present: Mapping[str, tuple[int, int]]) -> frozenset[str]:
        """Return the keys that are not as this transaction needs them.

        Args:
            present: modification and creation revision of those of its keys that exist.
        """
        stale = {key for key, revision in self._expected.items() if present.get(key, (0, 0))[0] != revision}
        if self._leader is not None and present.get(keys.leader(), (0, 0))[1] != self._leader:
            stale.add(keys.leader())
        return frozenset(stale)

    def refusal(self, *, revision: int, present: Mapping[str, tuple[int, int]]) -> CompareFailed:
        """Return the error that says why the store refused it at `revision`."""
        stale = self.stale(present)
        what = []
        for key in sorted(stale)[:3]:
            modified, created = present.get(key, (0, 0))
            if key == keys.leader() and key not in self._expected:
                what.append(f"{key} (expected of term {self._leader}, is {created or 'absent'})")
            else:
                what.append(f"{key} (expected {self._expected[key] or 'absent'}, is {modified or 'absent'})")
        if len(stale) > 3:
            what.append(f"{len(stale) - 3} more")
        message = f"transaction refused at revision {revision}: changed meanwhile: {', '.join(what) or 'unknown'}"
        return CompareFailed(message, revision=revision, keys=stale)

    def _write(self, key: str, write: Put | None, expect: int) -> None:
        if key in self._writes:
            raise Internal(f"{key} is written twice in one transaction")
        self.require(key, revision=expect)
        self._writes[key] = write
        self._check_size()

    def _check_size(self) -> None:
        compares = len(self._expected) + (self._leader is not None)
        if compares > MAX_TXN:
            raise Internal(f"transaction has more than {MAX_TXN} compares (split it)")


class KV(Protocol):
    """A store with revisions: every commit that writes raises the store's revision by one."""

    async def get(self, key: str) -> tuple[int, Entry | None]:
        """Return the store's revision and what it has at `key`; linearizable.

        Raises:
            Unavailable: the store does not answer.
        """
        ...

    async def list(self, prefix: str, *, revision: int = 0) -> Listing:
        """Return everything below `prefix`, all of it at one revision (0: the newest).

        Raises:
            Compacted: `revision` is no longer kept.
            Unavailable: the store does not answer.
        """
        ...

    async def commit(self, txn: Txn) -> int:
        """Commit `txn` and return the revision at which it happened (the store's, if it writes nothing).

        Raises:
            CompareFailed: something that it compares is not as expected; nothing was written.
            OutcomeUnknown: it may have been committed, or may be yet; see there.
            Unavailable: the store does not answer; nothing was written and nothing will be.
            Exhausted: the store is full; nothing was written.
            InvalidSpec: the store refuses it for good (too large).
            NotFound: a lease that it names is gone; nothing was written.
        """
        ...

    def watch(self, prefix: str, *, after: int) -> AsyncGenerator[Batch, None]:
        """Yield every revision above `after` that touches `prefix`, in order, each once and whole.

        It lasts over disconnects and restarts of the store. Close it (`contextlib.aclosing`) when done.

        Raises:
            Compacted: revisions that were not told yet are no longer kept.
            SetBack: the store is at an earlier place than was told, or has another history.
        """
        ...

    async def grant(self, ttl_seconds: int) -> int:
        """Return a new lease that lasts `ttl_seconds` (at least 2): what is put with it is deleted when it ends.

        Raises:
            Unavailable: the store does not answer.
        """
        ...

    async def keep_alive(self, lease: int) -> int:
        """Let a lease last as long again from now on, and return the seconds; 0: it has ended.

        Raises:
            Unavailable: the store does not answer.
        """
        ...

    async def revoke(self, lease: int) -> None:
        """End a lease now; one that has ended is fine.

        Raises:
            Unavailable: the store does not answer.
        """
        ...
