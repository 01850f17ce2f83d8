"""Whether this controller believes its store, and who waits for it to be well again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from shoal_common.errors import Conflict, InvalidSpec, ShoalError, Unavailable
from shoal_common.messages import copied
from shoal_controller.core import store_health
from shoal_controller.core.store_health import Mark, StoreView
from shoal_controller.recovery.mark import MarkFile
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.kv import KV, CompareFailed, OutcomeUnknown, Txn
from shoal_controller.state.store import encode
from shoal_proto.v1.cluster_pb2 import Cluster

_log: Final = logging.getLogger(__name__)

#: Seconds between two saves of a mark that only moved on, and until a save or a word to others is tried again.
_SAVE: Final = 5.0
_RETRY: Final = 1.0
#: Recoveries by which a node may be ahead of what is known: each raises the epoch by one, and the number has an end.
_MOST_EPOCHS: Final = 1_000


class StoreHealth:
    """Judges the store by what this controller, and its nodes, have seen of it before.

    Args:
        kv: the store.
        cache: of it.
        cluster: id of the cluster that this controller belongs to.
        file: where its mark is kept; None keeps none.
    """

    def __init__(self, kv: KV, cache: ClusterCache, cluster: str, file: MarkFile | None = None) -> None:
        self._kv = kv
        self._cache = cache
        self._cluster = cluster
        self._file = file
        self._mark = file.load() if file is not None else Mark()
        self._saved = self._mark
        self._complained = False
        self._moved = asyncio.Event()
        #: Nodes that had followed no more than the store when they asked in this term.
        self._accounted: set[str] = set()

    @property
    def cluster(self) -> str:
        """Id of the cluster that this controller belongs to."""
        return self._cluster

    @property
    def newest_epoch(self) -> int:
        """The highest epoch that is known of: the next recovery's is above it."""
        return max(self._mark.epoch, self._view().epoch)

    def suspects(self, epoch: int) -> bool:
        """Say whether a store of this epoch has lost something."""
        return bool(self._mark.suspicion) and epoch <= self._mark.epoch

    @property
    def problem(self) -> str:
        """What is wrong with the store, with its remedy, in a line; empty if nothing."""
        self._look()
        return store_health.problem(self._cluster, self._mark, self._view())

    def check(self) -> None:
        """Check that the store may be written.

        Raises:
            Conflict: it has lost something.
        """
        if problem := self.problem:
            raise Conflict(problem)

    def begin_term(self) -> None:
        """Note that this controller begins to lead: until then another one may have told nodes what it has not seen."""
        self._accounted.clear()

    def account_for(self, node: str) -> None:
        """Note that all that a node has followed until now is known."""
        self._accounted.add(node)

    def check_epoch(self, node: str, epoch: int) -> None:
        """Check that a node says of itself what can be: the next recovery's epoch is above that of all nodes.

        Raises:
            InvalidSpec: it doesn't.
        """
        if epoch > self.newest_epoch + _MOST_EPOCHS:
            raise InvalidSpec(f"node {node} says that it has followed epoch {epoch}, which can't be")

    async def check_position(self, node: str, epoch: int, revision: int) -> None:
        """Check that the store has everything that a node has followed.

        Raises:
            Unavailable: it hasn't (then it is not believed any more), or does not answer.
            InvalidSpec: the node can't have followed that.
        """
        self.check_epoch(node, epoch)
        view = self._view()
        if (epoch, revision) <= (view.epoch, view.revision):
            self.account_for(node)
            return
        # The cache may only be late.
        newest, entry = await self._kv.get(keys.cluster())
        now_epoch = Cluster.FromString(entry.value).epoch if entry is not None else 0
        if (epoch, revision) > (now_epoch, newest):
            if node in self._accounted and (now_epoch, newest) >= (view.epoch, view.revision):
                # Since it was accounted for only this controller has told it anything, and nothing that it can't find.
                said = f"node {node} says that it has followed epoch {epoch}, revision {revision}, which nobody told it"
                _log.error("%s (if it was taken over: shoal node rm --force)", said)
                raise InvalidSpec(f"{said} (shoal agent reset, then join again)")
            self._suspect(store_health.ahead(node, epoch, revision, replace(view, revision=newest)), epoch)
            raise Unavailable(self.problem)
        await self._cache.reached(newest)
        self.account_for(node)

    async def until(self, *, well: bool) -> None:
        """Wait until the store is well, or is not."""
        while bool(self.problem) is well:
            moved = self._moved
            await moved.wait()

    async def run(self) -> None:
        """Follow the cache, keep the mark, and tell the other controllers what was found; until cancelled."""
        with self._cache.subscribe() as changes, ThreadPoolExecutor(1, thread_name_prefix="store-mark") as disk:
            keeping = asyncio.create_task(self._keep(disk), name="store-mark")
            try:
                self._wake()
                async for _ in changes:
                    self._wake()
            finally:
                keeping.cancel()
                await asyncio.wait({keeping})
                if self._file is not None and self._mark != self._saved:
                    # What a disk does not take now is known again from the nodes.
                    with contextlib.suppress(OSError):
                        self._file.save(self._mark)

    # Inside.

    def _view(self) -> StoreView:
        cluster = self._cache.cluster
        if cluster is None:
            return StoreView("", 0, self._cache.revision, recovering=False)
        value = cluster.value
        return StoreView(value.id, value.epoch, self._cache.revision, value.recovering)

    def _look(self) -> None:
        """Take in what the cache has now."""
        if not self._cache.synced.is_set():
            return
        view = self._view()
        if said := self._cache.take_set_back():
            self._suspect(said, max(self._mark.epoch, view.epoch))
        if view.cluster != self._cluster:
            return
        if self._mark.suspicion and view.epoch > self._mark.epoch:
            self._mark = Mark(view.epoch, view.revision)
        elif not self._mark.suspicion and store_health.is_behind(self._mark, view):
            self._suspect(store_health.behind(self._mark, view), self._mark.epoch)
        elif not self._mark.suspicion:
            self._mark = replace(self._mark, epoch=view.epoch, revision=view.revision)

    def _suspect(self, what: str, epoch: int) -> None:
        """Believe the store no more, until its epoch is above this."""
        if not self._mark.suspicion:
            _log.error("%s: nothing is placed, and nodes are told nothing", what)
            self._mark = replace(self._mark, epoch=max(self._mark.epoch, epoch), suspicion=what)
            self._wake()

    def _wake(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def _keep(self, disk: ThreadPoolExecutor) -> None:
        while True:
            moved = self._moved
            self._look()
            if not (await self._save(disk) and await self._tell()):
                await asyncio.sleep(_RETRY)
                continue
            await moved.wait()
            self._look()
            await self._pause()

    async def _pause(self) -> None:
        """Wait until the mark is worth saving: it has only moved on for long enough, or there is a suspicion."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SAVE):
                while self._mark.suspicion == self._saved.suspicion:
                    moved = self._moved
                    await moved.wait()
                    self._look()

    async def _save(self, disk: ThreadPoolExecutor) -> bool:
        mark = self._mark
        if mark == self._saved:
            return True
        try:
            if self._file is not None:
                await asyncio.get_running_loop().run_in_executor(disk, self._file.save, mark)
        except OSError as error:
            if not self._complained:
                _log.warning("can't keep how far etcd was seen, and goes on trying: %s", error)
            self._complained = True
            return False
        self._complained = False
        self._saved = mark
        return True

    async def _tell(self) -> bool:
        """Note in the store that it needs recovery, for all controllers to see; say whether that is done."""
        stored = self._cache.cluster
        if not self._mark.suspicion or stored is None or stored.value.id != self._cluster or stored.value.recovering:
            return True
        if stored.value.epoch > self._mark.epoch:
            return True
        cluster = copied(stored.value)
        cluster.recovering = True
        txn = Txn()
        txn.put(keys.cluster(), encode(cluster), expect=stored.revision)
        try:
            await self._cache.reached(await self._kv.commit(txn))
        except CompareFailed as error:
            await self._cache.reached(error.revision)
            return False
        except OutcomeUnknown:
            return False
        except ShoalError as error:
            _log.warning("can't note in etcd that it needs recovery: %s", error)
            return False
        return True
