"""Which controllers run: a key for each, under a lease that it keeps alive."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Final

from shoal_common.errors import InvalidSpec, NotFound, ShoalError
from shoal_controller.state import keys
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.kv import KV, Txn
from shoal_controller.state.store import encode
from shoal_proto.v1.cluster_pb2 import Controller

_log: Final = logging.getLogger(__name__)

#: Seconds after which a controller that says nothing is not counted on any more.
LEASE_TTL: Final = 10
#: Seconds between two signs of life, and until a failed one is tried again.
_RENEW: Final = 3.0
_RETRY: Final = 1.0
#: Seconds that a controller which stops takes to say so.
_GOODBYE: Final = 1.0


class Registration:
    """One controller among those that run.

    Args:
        own: what is stored of this one.
    """

    def __init__(self, kv: KV, cache: ClusterCache, own: Controller) -> None:
        self._kv = kv
        self._cache = cache
        self._own = own

    def running(self) -> list[Controller]:
        """Return the controllers that run, by address; this one always is among them."""
        found = {each.value.address: each.value for each in self._cache.controllers.values()}
        found[self._own.address] = self._own
        return [found[address] for address in sorted(found)]

    def addresses(self) -> tuple[str, ...]:
        """Return "HOST:PORT" of the APIs of those that run, sorted."""
        return tuple(each.address for each in self.running())

    async def keep(self) -> None:
        """Be registered until cancelled; then take the registration back."""
        lease, silent = 0, False
        try:
            while True:
                try:
                    if not lease:
                        lease = await self._register()
                    elif await self._kv.keep_alive(lease) <= 0:
                        # It ended while nothing was heard of this controller: suspended, or cut off from etcd.
                        lease = 0
                        continue
                except ShoalError as error:
                    if not silent:
                        _log.warning("other controllers may not know of this one: %s", error)
                    silent = True
                    if isinstance(error, NotFound | InvalidSpec):
                        lease = 0
                    await asyncio.sleep(_RETRY)
                    continue
                silent = False
                await asyncio.sleep(_RENEW * random.uniform(0.8, 1.0))
        finally:
            if lease:
                try:
                    async with asyncio.timeout(_GOODBYE):
                        await self._kv.revoke(lease)
                except (ShoalError, TimeoutError):
                    _log.info("etcd does not answer; the registration ends by itself")

    async def _register(self) -> int:
        """Return the lease under which the key was put."""
        lease = await self._kv.grant(LEASE_TTL)
        key = keys.controller(self._own.name)
        _, entry = await self._kv.get(key)
        txn = Txn()
        txn.put(key, encode(self._own), expect=0 if entry is None else entry.mod_revision, lease=lease)
        await self._kv.commit(txn)
        return lease
