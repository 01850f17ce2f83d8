"""`container prune`: removes what does not run."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Final

from shoal_common.errors import Conflict, InvalidSpec, NotFound
from shoal_common.ids import new_request_id
from shoal_controller.api.containers.phases import is_going, phase_of
from shoal_controller.api.containers.reading import Finder, name_of
from shoal_controller.api.containers.updating import SpecUpdates
from shoal_controller.api.nodes.disk_usage import BESIDE_MS, NodeDisks
from shoal_controller.api.validation import fields
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.store import ContainerEntry
from shoal_proto.v1.container_pb2 import (
    ContainerPhase,
    ContainerRef,
    ContainerSpec,
    DesiredState,
    PruneContainersRequest,
    PruneContainersResponse,
)

#: Containers that are removed at a time.
_WIDTH: Final = 32
_SECONDS: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?")


class Pruning:
    """Serves `PruneContainers`."""

    def __init__(self, cache: ClusterCache, finder: Finder, updates: SpecUpdates, disks: NodeDisks) -> None:
        self._cache = cache
        self._disks = disks
        self._finder = finder
        self._updates = updates

    async def prune(self, request: PruneContainersRequest) -> PruneContainersResponse:
        """Ask for the removal of every container that does not run, and name them. A repeat names the same.

        Raises:
            InvalidSpec: a filter is malformed.
            NotFound: the namespace does not exist.
            Unavailable: the store does not answer; the same request may be sent again.
        """
        namespace = fields.namespace(request.namespace)
        fits = prune_filter(request.filters)
        # What has been started at another controller is not to be taken for ended.
        await self._finder.fresh()
        own_id = request.request_id or new_request_id()
        removed = set(self._finder.removed_by(namespace, own_id))
        entries = [each for each in self._cache.containers.values() if each.namespace == namespace]
        todo = [each for each in entries if is_prunable(each) and fits(each)]
        sizes = await self._disks.container_sizes(todo, limit_ms=BESIDE_MS)
        freed = 0
        for start in range(0, len(todo), _WIDTH):
            done = await asyncio.gather(*(self._remove(each, own_id) for each in todo[start : start + _WIDTH]))
            removed.update(filter(None, done))
            freed += sum(sizes.get(each, 0) for each in done)
        return PruneContainersResponse(ids=sorted(removed), freed_bytes=freed)

    async def _remove(self, entry: ContainerEntry, request_id: str) -> str:
        # It may have been started, or removed, by now: then it is none of ours.
        with suppress(NotFound, Conflict):
            await self._updates.update(ContainerRef(namespace=entry.namespace, ref=entry.id), request_id, _remove)
            return entry.id
        return ""


def is_prunable(entry: ContainerEntry) -> bool:
    """Say whether a container does not run, nor will without being asked to."""
    return (
        entry.spec is not None
        and not is_going(entry)
        and phase_of(entry) not in (ContainerPhase.CONTAINER_PHASE_REMOVING, ContainerPhase.CONTAINER_PHASE_PENDING)
    )


def _remove(spec: ContainerSpec, entry: ContainerEntry) -> None:
    if not is_prunable(entry):
        raise Conflict(f'container "{name_of(entry)}" runs again')
    spec.desired = DesiredState.DESIRED_STATE_REMOVED


def prune_filter(filters: Iterable[str]) -> Callable[[ContainerEntry], bool]:
    """Return a predicate that holds if all filters do.

    Raises:
        InvalidSpec: one of them is malformed.
    """
    fits = filter_by(filters)
    return lambda entry: (
        entry.spec is None or fits(dict(entry.spec.value.config.labels), entry.spec.value.created_at.ToNanoseconds())
    )


def filter_by(filters: Iterable[str]) -> Callable[[Mapping[str, str], int], bool]:
    """Return a predicate on labels and a time, in nanoseconds since 1970, that holds if all filters do.

    Raises:
        InvalidSpec: one of them is malformed.
    """
    checks = list(_checks(filters))
    return lambda labels, at: all(check(labels, at) for check in checks)


def _checks(filters: Iterable[str]) -> Iterator[Callable[[Mapping[str, str], int], bool]]:
    for each in filters:
        kind, _, value = each.partition("=")
        if kind in ("label", "label!") and value:
            yield _label_check(value, wanted=kind == "label")
        elif kind == "until" and _SECONDS.fullmatch(value):
            yield _age_check(int(float(value) * 1e9))
        else:
            raise InvalidSpec(
                f'filter "{each[:80]}" is not valid (write label=KEY, label=KEY=VALUE, label!=KEY or until=SECONDS)'
            )


def _label_check(text: str, *, wanted: bool) -> Callable[[Mapping[str, str], int], bool]:
    fits = fields.label_filter([text])
    return lambda labels, at: fits(dict(labels)) is wanted


def _age_check(before_ns: int) -> Callable[[Mapping[str, str], int], bool]:
    return lambda labels, at: at < before_ns
