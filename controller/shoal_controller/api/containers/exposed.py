"""Which ports a container exposes, and which of them are published where all are asked for. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from shoal_common.containers.ports import MAX_PORTS, check_together, parse_exposed
from shoal_common.errors import InvalidSpec
from shoal_controller.leader.port_messages import publication
from shoal_proto.v1.container_pb2 import ContainerConfig


def expose(config: ContainerConfig, image: Iterable[str]) -> None:
    """Note what an image exposes; publish all that is exposed and not published yet, if that is asked for.

    Args:
        config: checked; its own exposed ports go before the image's.
        image: ports that the image exposes. What is no TCP or UDP port is left out: its author could not know.

    Raises:
        InvalidSpec: they are too many to be published.
    """
    exposed = list(config.exposed_ports)
    for text in image:
        try:
            exposed += parse_exposed(text)
        except InvalidSpec:
            continue
    exposed = list(dict.fromkeys(exposed))
    # What is only shown need not be whole.
    config.exposed_ports[:] = exposed[:MAX_PORTS]
    if config.publish_all:
        _publish(config, exposed)


def _publish(config: ContainerConfig, exposed: Iterable[str]) -> None:
    published = {
        f"{port}/{whole.protocol}" for whole in map(publication, config.ports) for _, _, port in whole.single()
    }
    for text in exposed:
        if text not in published:
            port, _, protocol = text.partition("/")
            config.ports.add(container_first=int(port), container_last=int(port), protocol=protocol)
    check_together(publication(each) for each in config.ports)
