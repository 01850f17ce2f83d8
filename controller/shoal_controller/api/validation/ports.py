"""What a request may say of ports."""

from __future__ import annotations

from shoal_common.containers.ports import check_publication, check_together, parse_exposed
from shoal_common.errors import InvalidSpec
from shoal_controller.leader.port_messages import publication
from shoal_proto.v1.container_pb2 import ContainerConfig, NetworkMode

_PUBLISHING = (NetworkMode.NETWORK_MODE_UNSPECIFIED, NetworkMode.NETWORK_MODE_DEFAULT)


def ports(config: ContainerConfig) -> None:
    """Check the ports of a configuration, and write them as they are stored.

    Raises:
        InvalidSpec: they can never be published.
    """
    if (config.ports or config.publish_all) and config.network not in _PUBLISHING:
        raise InvalidSpec("ports are published of the cluster's network only (leave out -p and -P, or --network)")
    made = [check_publication(publication(each)) for each in config.ports]
    check_together(made)
    del config.ports[:]
    for each in made:
        config.ports.add(
            host_ip=each.host_ip,
            host_first=each.host_first,
            host_last=each.host_last,
            container_first=each.container_first,
            container_last=each.container_last,
            protocol=each.protocol,
        )
    exposed = [port for each in config.exposed_ports for port in parse_exposed(each)]
    config.exposed_ports[:] = list(dict.fromkeys(exposed))
