"""Which of an image's ports are published where all are asked for. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from shoal_common.errors import InvalidSpec
from shoal_common.ports import check_together, parse_exposed
from shoal_controller.leader.port_messages import publication
from shoal_proto.v1.container_pb2 import ContainerConfig


def publish_exposed(config: ContainerConfig, image: Iterable[str]) -> None:
    """Publish every exposed port that is not, each on one of the node's that is free.

    Args:
        config: checked; its own exposed ports go before the image's.
        image: ports that the image exposes. What is no TCP or UDP port is left out: its author could not know.

    Raises:
        InvalidSpec: they are too many.
    """
    exposed = list(config.exposed_ports)
    for text in image:
        try:
            exposed += parse_exposed(text)
        except InvalidSpec:
            continue
    config.exposed_ports[:] = list(dict.fromkeys(exposed))
    published = {
        f"{port}/{whole.protocol}" for whole in map(publication, config.ports) for _, _, port in whole.single()
    }
    for text in config.exposed_ports:
        if text not in published:
            port, _, protocol = text.partition("/")
            config.ports.add(container_first=int(port), container_last=int(port), protocol=protocol)
    check_together(publication(each) for each in config.ports)
