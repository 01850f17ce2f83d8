"""What a request may say of the namespaces that a container shares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from shoal_common.containers.namespaces import joined, joins_ipc, joins_network, shares_host
from shoal_common.containers.sysctls import is_of_ipc, is_of_network
from shoal_common.errors import InvalidSpec
from shoal_proto.v1.container_pb2 import ContainerConfig, NamespaceSharing, NetworkMode, SharingMode

_NETWORKS: Final = frozenset(
    {
        NetworkMode.NETWORK_MODE_UNSPECIFIED,
        NetworkMode.NETWORK_MODE_DEFAULT,
        NetworkMode.NETWORK_MODE_NONE,
        NetworkMode.NETWORK_MODE_HOST,
        NetworkMode.NETWORK_MODE_CONTAINER,
    }
)
_UTSS: Final = frozenset({SharingMode.SHARING_MODE_UNSPECIFIED, SharingMode.SHARING_MODE_HOST})
_PIDS: Final = _UTSS | {SharingMode.SHARING_MODE_CONTAINER}
_IPCS: Final = _PIDS | {SharingMode.SHARING_MODE_SHAREABLE, SharingMode.SHARING_MODE_NONE}


def sharing(config: ContainerConfig) -> None:
    """Check which namespaces a configuration shares, and that it asks for nothing that is somebody else's to say.

    Raises:
        InvalidSpec: it can never be right.
    """
    if config.network not in _NETWORKS:
        raise InvalidSpec(f"network mode {int(config.network)} is not known (use default, none, host or a container's)")
    if joins_network(config) is not bool(config.network_container):
        raise InvalidSpec("a container's network is joined by naming it (network: container:NAME)")
    _check("pid", config.pid, _PIDS)
    _check("ipc", config.ipc, _IPCS)
    _check("uts", config.uts, _UTSS)
    _check_users(config)
    if config.ipc.mode == SharingMode.SHARING_MODE_NONE and config.shm_size_bytes:
        raise InvalidSpec("shm-size is of /dev/shm, which there is none of with ipc none (leave one of the two out)")
    for what in _not_its_own(config):
        raise InvalidSpec(f"{what} (leave it out, or say it there)")


def _check(kind: str, asked: NamespaceSharing, modes: frozenset[int]) -> None:
    if asked.mode not in modes:
        raise InvalidSpec(f"{kind} mode {int(asked.mode)} is not known (leave it out)")
    if (asked.mode == SharingMode.SHARING_MODE_CONTAINER) is not bool(asked.container):
        raise InvalidSpec(f"a container's {kind} namespace is joined by naming it ({kind}: container:NAME)")


def _check_users(config: ContainerConfig) -> None:
    """Check that what is shared with the node goes together with whose users a container has."""
    shared = shares_host(config)
    if shared and joined(config):
        raise InvalidSpec("a container that joins another one shares nothing with its node (leave one of the two out)")
    if shared and "user" not in shared:
        names = ", ".join(sorted("network" if kind == "net" else kind for kind in shared))
        raise InvalidSpec(f"who shares its node's {names} has to share its users as well (add --userns host)")


def _not_its_own(config: ContainerConfig) -> Iterator[str]:
    """Yield what is asked for although another container, or the node, has said it already."""
    shared = shares_host(config)
    if joins_network(config):
        given = {
            "hostname": bool(config.hostname),
            "dns": bool(config.dns.ByteSize()),
            "add-host": bool(config.extra_hosts),
            "publish": bool(config.ports) or config.publish_all,
            "expose": bool(config.exposed_ports),
        }
        yield from (f"{name} is of a network, which is another container's" for name, said in given.items() if said)
    if "uts" in shared and config.hostname:
        yield "hostname is of a uts namespace, which is its node's"
    whose = "its node's" if shared else "another container's"
    if (joins_network(config) or "net" in shared) and any(is_of_network(name) for name in config.sysctls):
        yield f"sysctl net is of a network, which is {whose}"
    if joins_ipc(config) or "ipc" in shared:
        if config.shm_size_bytes:
            yield f"shm-size is of an ipc namespace, which is {whose}"
        if any(is_of_ipc(name) for name in config.sysctls):
            yield f"sysctl is of an ipc namespace, which is {whose}"
