"""By which ports of its node a container is reached."""

from __future__ import annotations

from shoal_common.containers.ports import parse_exposed
from shoal_common.errors import NotFound
from shoal_proto.v1.container_pb2 import Container, PortBinding

_EVERY_ADDRESS = "0.0.0.0"


def published(container: Container) -> list[PortBinding]:
    """Return a container's ports, in the order of their numbers in it.

    `host_ip` of each is where it is reached from outside: the address that was asked for, else its node's.
    """
    ports = []
    for each in container.placement.ports:
        port = PortBinding()
        port.CopyFrom(each)
        port.host_ip = each.host_ip or container.node_address or _EVERY_ADDRESS
        ports.append(port)
    return sorted(ports, key=lambda port: (port.container_port, port.protocol, port.host_ip, port.host_port))


def of_one(container: Container, port: str) -> list[PortBinding]:
    """Return by what one port of a container, such as "80" or "53/udp", is reached.

    Raises:
        InvalidSpec: it is no port.
        NotFound: it is not published.
    """
    wanted = parse_exposed(port)
    found = [each for each in published(container) if f"{each.container_port}/{each.protocol}" in wanted]
    if not found:
        raise NotFound(
            f'port {port} of container "{container.spec.name}" is not published (shoal port {container.spec.name} '
            "lists those that are)"
        )
    return found
