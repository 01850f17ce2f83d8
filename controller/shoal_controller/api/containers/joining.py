"""Whose namespaces a container joins: found when it is created, and asked again before each start."""

from __future__ import annotations

from shoal_common.containers.namespaces import joined, joined_id, joins_ipc, joins_network, joins_pid, why_not_joined
from shoal_common.errors import Conflict, InvalidSpec
from shoal_common.ids import SHORT_ID
from shoal_controller.api.containers.phases import is_going, is_lost
from shoal_controller.api.containers.reading import Finder, name_of
from shoal_controller.state.cache import ClusterCache
from shoal_controller.state.store import ContainerEntry
from shoal_proto.v1.container_pb2 import ContainerConfig, ContainerRef, DesiredState


async def resolve(finder: Finder, namespace: str, config: ContainerConfig, *, start: bool) -> None:
    """Find the container that is joined, and write its id where its name was.

    Args:
        start: the container that joins is to run at once.

    Raises:
        NotFound: there is no such container.
        InvalidSpec: it can't be joined by this configuration, whatever its state.
        Conflict: nor can it be in its state.
    """
    entries = [await finder.container(ContainerRef(namespace=namespace, ref=ref)) for ref in joined(config)]
    if not entries:
        return
    target = entries[0]
    if any(entry.id != target.id for entry in entries):
        raise InvalidSpec("a container can join the namespaces of one other container only (name the same one)")
    _check(config, target)
    if start:
        await finder.fresh()
        _refuse_idle(await finder.container(ContainerRef(namespace=namespace, ref=target.id)))
    if joins_network(config):
        config.network_container = target.id
    if joins_pid(config):
        config.pid.container = target.id
    if joins_ipc(config):
        config.ipc.container = target.id


def _check(config: ContainerConfig, target: ContainerEntry) -> None:
    if target.spec is None or target.spec.value.desired == DesiredState.DESIRED_STATE_REMOVED:
        raise Conflict(f'container "{name_of(target)}" is being removed and can\'t be joined')
    if is_lost(target):
        raise Conflict(f'container "{name_of(target)}" was lost with its node and can\'t be joined')
    if why_not := why_not_joined(config, target.spec.value.config):
        raise InvalidSpec(f'container "{name_of(target)}" {why_not}')


def refuse_unjoinable(cache: ClusterCache, config: ContainerConfig) -> None:
    """Check, before a start, that the container which is joined runs, or is about to.

    Raises:
        Conflict: it is gone, or doesn't.
    """
    if not (target := joined_id(config)):
        return
    entry = cache.containers.get(target)
    if entry is None or entry.spec is None:
        raise Conflict(f"container {target[:SHORT_ID]}, whose namespaces it joins, was removed (make this one anew)")
    _refuse_idle(entry)


def _refuse_idle(target: ContainerEntry) -> None:
    gone = target.spec is None or target.spec.value.desired == DesiredState.DESIRED_STATE_REMOVED
    if gone or not is_going(target):
        raise Conflict(
            f'container "{name_of(target)}" is not running, its namespaces can\'t be joined '
            f"(start it first: shoal start {name_of(target)})"
        )
