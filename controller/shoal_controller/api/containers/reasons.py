"""Why containers wait, in the scheduler's own words, computed from this controller's cache."""

from __future__ import annotations

from shoal_controller.core.explain import pending_reason
from shoal_controller.core.snapshot import Snapshot
from shoal_controller.leader.projection import Projector
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.store import ContainerEntry


class PendingReasons:
    """Explains against one snapshot per revision, so that a list of a thousand projects the cluster once."""

    def __init__(self, cache: ClusterCache) -> None:
        self._cache = cache
        self._projector = Projector(cache)
        self._snapshot: Snapshot | None = None
        self._revision = -1

    def of(self, entry: ContainerEntry) -> str:
        """Return why a container is not placed, or its run not admitted; "" if it does not wait."""
        if self._snapshot is None or self._revision != self._cache.revision:
            self._snapshot, self._revision = self._projector.snapshot(), self._cache.revision
        container = self._snapshot.containers.get(entry.id)
        return "" if container is None else pending_reason(self._snapshot, container)
