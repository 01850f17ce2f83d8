"""What a container is connected to."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, TypedDict

from shoal_common.containers.ports import check_together, parse_exposed, parse_publication
from shoal_common.containers.sharing import Share, parse_network
from shoal_proto.v1.container_pb2 import ContainerConfig, NetworkMode, PortMapping


class Network(StrEnum):
    """What a container is connected to, unless it is what another container is ("container:NAME")."""

    #: The cluster's flat network.
    DEFAULT = "default"
    #: Nothing but a loopback of its own.
    NONE = "none"
    #: Its node's, which takes its node's users as well (userns).
    HOST = "host"


_NETWORKS: Final = {
    Share.OWN: NetworkMode.NETWORK_MODE_DEFAULT,
    Share.NONE: NetworkMode.NETWORK_MODE_NONE,
    Share.HOST: NetworkMode.NETWORK_MODE_HOST,
    Share.CONTAINER: NetworkMode.NETWORK_MODE_CONTAINER,
}


class NetworkOptions(TypedDict, total=False):
    """Of its network."""

    #: A `Network`, or "container:NAME" for that of another container, which runs.
    network: str
    #: Each "[IP:][HOST:]CONTAINER[/tcp|udp]", such as "8080:80", "127.0.0.1:53:53/udp", "8000-8010:80-90", or "80" for
    #: a port of the node's that is free.
    ports: Iterable[str]
    #: Publish also every port that it exposes, each on one of the node's that is free.
    publish_all: bool
    #: "80", "53/udp" or "3000-3003", beside those of the image.
    expose: Iterable[str]


def apply(config: ContainerConfig, options: NetworkOptions) -> None:
    """Put the options into a configuration.

    Raises:
        InvalidSpec: the network or a port can never be right.
    """
    asked = parse_network(options.get("network", Network.DEFAULT))
    config.network, config.network_container = _NETWORKS[asked.share], asked.container
    published = [parse_publication(text) for text in options.get("ports", ())]
    check_together(published)
    config.ports.extend(
        PortMapping(
            host_ip=each.host_ip,
            host_first=each.host_first,
            host_last=each.host_last,
            container_first=each.container_first,
            container_last=each.container_last,
            protocol=each.protocol,
        )
        for each in published
    )
    config.publish_all = options.get("publish_all", False)
    config.exposed_ports.extend(port for text in options.get("expose", ()) for port in parse_exposed(text))
