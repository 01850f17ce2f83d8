"""Whose certificates count no more: refused on every call, and cut off from what is open at once.

gRPC checks certificates against the authority only, and only when a connection is made; this is what is left to do.
"""

from __future__ import annotations

from collections.abc import Callable

from shoal_common.errors import Revoked
from shoal_common.identity import Identity, Role
from shoal_controller.state.cache import ClusterCache
from shoal_proto.v1.cluster_pb2 import Revocation


class Revocations:
    """Answers from the cache, and follows it."""

    def __init__(self, cache: ClusterCache) -> None:
        self._cache = cache

    def refuse(self, identity: Identity) -> None:
        """Check that the certificate of a caller counts. For `ServerInterceptor`.

        Raises:
            Revoked: it doesn't.
        """
        stored = self._cache.revoked.get((identity.role, identity.id))
        if stored is not None:
            raise Revoked(explained(identity.role, stored.value))

    async def follow(self, cut: Callable[[], None], drop: Callable[[str], None]) -> None:
        """Have what is open broken off as soon as a revocation is known, until cancelled.

        Args:
            cut: breaks off the calls of everybody who is refused by now.
            drop: breaks off the calls on a node, by its id.
        """
        dropped: set[str] = set()
        with self._cache.subscribe() as changes:
            while True:
                cut()
                nodes = {holder for role, holder in self._cache.revoked if role == Role.NODE}
                for node in nodes - dropped:
                    drop(node)
                dropped = nodes
                async for change in changes:
                    if change.membership or change.everything:
                        break


def explained(role: str, revocation: Revocation) -> str:
    """Return why the holder of a revoked certificate is refused, and what to do."""
    why = revocation.reason or f"the certificate of {role} {revocation.id} was revoked"
    if role == Role.NODE:
        return f"{why} (to have its host join again, run there: shoal agent reset)"
    return f"{why} (ask for a new certificate)"
