"""Whose namespaces a container uses."""

from __future__ import annotations

from typing import Final, TypedDict

from shoal_common.containers.sharing import Share, Sharing, parse_ipc, parse_pid, parse_users, parse_uts
from shoal_proto.v1.container_pb2 import ContainerConfig, NamespaceSharing, SharingMode

_MODES: Final = {
    Share.OWN: SharingMode.SHARING_MODE_UNSPECIFIED,
    Share.HOST: SharingMode.SHARING_MODE_HOST,
    Share.NONE: SharingMode.SHARING_MODE_NONE,
    Share.SHAREABLE: SharingMode.SHARING_MODE_SHAREABLE,
    Share.CONTAINER: SharingMode.SHARING_MODE_CONTAINER,
}


class NamespaceOptions(TypedDict, total=False):
    """Of its namespaces, beside the network's. All that are joined are those of one container.

    "host" is its node's. It has to be allowed by the cluster's policy, and takes its node's users (`userns`) as well.
    """

    #: "container:NAME" for the processes of another container, which runs; "host"; left out: its own.
    pid: str
    #: "container:NAME" for the shared memory, semaphores and queues of another container, which was made with
    #: "shareable"; "host"; left out, or "private": its own; "none": its own, without /dev/shm.
    ipc: str
    #: "host" for its node's host name; left out: its own.
    uts: str
    #: "host" for its node's users: root is root of the node; left out: ids that are nobody else's.
    userns: str


def apply(config: ContainerConfig, options: NamespaceOptions) -> None:
    """Put the options into a configuration.

    Raises:
        InvalidSpec: one of them can never be right.
    """
    _put(config.pid, parse_pid(options.get("pid", "")))
    _put(config.ipc, parse_ipc(options.get("ipc", "")))
    _put(config.uts, parse_uts(options.get("uts", "")))
    if parse_users(options.get("userns", "")).share is Share.HOST:
        config.security.host_users = True


def _put(message: NamespaceSharing, asked: Sharing) -> None:
    if asked.share is not Share.OWN:
        message.mode, message.container = _MODES[asked.share], asked.container
