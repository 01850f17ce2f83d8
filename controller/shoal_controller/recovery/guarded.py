"""The store as the API writes it: not at all while it has lost something."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from shoal_controller.recovery.health import StoreHealth
from shoal_controller.state.etcd import EtcdKV
from shoal_controller.state.kv import Batch, Entry, Listing, Txn


class GuardedStore:
    """etcd, whose writes are refused while the cluster needs recovery; reads are served."""

    def __init__(self, kv: EtcdKV, health: StoreHealth) -> None:
        self._kv = kv
        self._health = health

    async def get(self, key: str) -> tuple[int, Entry | None]:
        """See `KV.get`."""
        return await self._kv.get(key)

    async def list(self, prefix: str, *, revision: int = 0) -> Listing:
        """See `KV.list`."""
        return await self._kv.list(prefix, revision=revision)

    async def commit(self, txn: Txn) -> int:
        """See `KV.commit`.

        Raises:
            Conflict: the store has lost something; the message says what mends it.
        """
        self._health.check()
        return await self._kv.commit(txn)

    def watch(self, prefix: str, *, after: int) -> AsyncGenerator[Batch, None]:
        """See `KV.watch`."""
        return self._kv.watch(prefix, after=after)

    async def grant(self, ttl_seconds: int) -> int:
        """See `KV.grant`."""
        self._health.check()
        return await self._kv.grant(ttl_seconds)

    async def keep_alive(self, lease: int) -> int:
        """See `KV.keep_alive`."""
        return await self._kv.keep_alive(lease)

    async def revoke(self, lease: int) -> None:
        """See `KV.revoke`."""
        await self._kv.revoke(lease)

    async def version(self) -> str:
        """See `EtcdKV.version`."""
        return await self._kv.version()

    async def full(self) -> bool:
        """See `EtcdKV.full`."""
        return await self._kv.full()
