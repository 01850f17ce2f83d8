"""What a container is connected to."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, TypedDict

from shoal_proto.v1.container_pb2 import ContainerConfig, NetworkMode


class Network(StrEnum):
    """What a container is connected to."""

    #: The cluster's flat network.
    DEFAULT = "default"
    #: Nothing but a loopback of its own.
    NONE = "none"


_NETWORKS: Final = {
    Network.DEFAULT: NetworkMode.NETWORK_MODE_DEFAULT,
    Network.NONE: NetworkMode.NETWORK_MODE_NONE,
}


class NetworkOptions(TypedDict, total=False):
    """Of its network."""

    network: Network


def apply(config: ContainerConfig, options: NetworkOptions) -> None:
    """Put the options into a configuration."""
    config.network = _NETWORKS[Network(options.get("network", Network.DEFAULT))]
