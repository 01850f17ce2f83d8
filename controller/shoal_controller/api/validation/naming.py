"""What a request may say of the names that a container knows."""

from __future__ import annotations

from shoal_common.containers.naming import (
    HOST_GATEWAY,
    check_count,
    check_option,
    check_search,
    check_server,
    parse_host,
)
from shoal_common.errors import InvalidSpec
from shoal_proto.v1.container_pb2 import ContainerConfig, NetworkMode


def naming(config: ContainerConfig) -> None:
    """Check a configuration's resolver and hosts, and write addresses as they usually are.

    Raises:
        InvalidSpec: one of them can never be right.
    """
    dns = config.dns
    for what, values in (
        ("name servers", dns.servers),
        ("search domains", dns.search),
        ("resolver options", dns.options),
        ("names of hosts", config.extra_hosts),
    ):
        check_count(what, len(values))
    if config.HasField("dns"):
        dns.servers[:] = [check_server(text) for text in dns.servers]
        for text in dns.search:
            check_search(text)
        for text in dns.options:
            check_option(text)
    hosts = [parse_host(text) for text in config.extra_hosts]
    if config.network == NetworkMode.NETWORK_MODE_NONE and any(address == HOST_GATEWAY for _, address in hosts):
        raise InvalidSpec(f"without a network there is no way to {HOST_GATEWAY} (leave it out, or --network)")
    config.extra_hosts[:] = [":".join(host) for host in hosts]
