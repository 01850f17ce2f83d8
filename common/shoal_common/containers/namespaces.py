"""Which namespaces of another container, or of its node, a configuration shares. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from shoal_common.ids import SHORT_ID
from shoal_proto.v1.container_pb2 import ContainerConfig, NetworkMode, SharingMode

#: Networks in which a container has an address of its own.
_ADDRESSED: Final = frozenset({NetworkMode.NETWORK_MODE_UNSPECIFIED, NetworkMode.NETWORK_MODE_DEFAULT})


def is_addressed(config: ContainerConfig) -> bool:
    """Say whether a container has an address of its own."""
    return config.network in _ADDRESSED


def joins_network(config: ContainerConfig) -> bool:
    """Say whether a container uses another one's network."""
    return bool(config.network == NetworkMode.NETWORK_MODE_CONTAINER)


def joins_pid(config: ContainerConfig) -> bool:
    """Say whether a container's processes are among those of another one."""
    return bool(config.pid.mode == SharingMode.SHARING_MODE_CONTAINER)


def joins_ipc(config: ContainerConfig) -> bool:
    """Say whether a container uses another one's shared memory, semaphores and queues."""
    return bool(config.ipc.mode == SharingMode.SHARING_MODE_CONTAINER)


def shares_host(config: ContainerConfig) -> frozenset[str]:
    """Return which namespaces a container has that are its node's, as /proc calls them."""
    host = SharingMode.SHARING_MODE_HOST
    found = {
        "net": config.network == NetworkMode.NETWORK_MODE_HOST,
        "pid": config.pid.mode == host,
        "ipc": config.ipc.mode == host,
        "uts": config.uts.mode == host,
        "user": config.security.host_users,
    }
    return frozenset(kind for kind, shared in found.items() if shared)


def joined(config: ContainerConfig) -> tuple[str, ...]:
    """Return the containers whose namespaces a configuration joins, each once: of one that is stored, at most one."""
    return tuple(dict.fromkeys(_joined(config)))


def joined_id(config: ContainerConfig) -> str:
    """Return the id of the container whose namespaces a stored configuration joins; "" if it joins none."""
    return next(_joined(config), "")


def why_not_joined(config: ContainerConfig, theirs: ContainerConfig) -> str:
    """Return why a configuration can't join a container with the configuration `theirs`; "" if it can."""
    if theirs.security.host_users:
        return "has its node's users, and can't be joined"
    if other := joined_id(theirs):
        return f"joins another one itself (join that one: container:{other[:SHORT_ID]})"
    if joins_ipc(config) and theirs.ipc.mode != SharingMode.SHARING_MODE_SHAREABLE:
        return "keeps its ipc to itself (run that one with: --ipc shareable)"
    return ""


def _joined(config: ContainerConfig) -> Iterator[str]:
    if joins_network(config):
        yield config.network_container
    if joins_pid(config):
        yield config.pid.container
    if joins_ipc(config):
        yield config.ipc.container
