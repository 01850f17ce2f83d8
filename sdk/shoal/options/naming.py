"""By which names a container knows others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict

from shoal_common.containers.naming import check_option, check_search, check_server, parse_host
from shoal_proto.v1.container_pb2 import ContainerConfig


class NamingOptions(TypedDict, total=False):
    """Of its resolver; what is left out is its node's."""

    #: Addresses of name servers.
    dns: Iterable[str]
    #: Domains in which names are looked for; "." for none.
    dns_search: Iterable[str]
    #: Options of resolv.conf, such as "ndots:2".
    dns_options: Iterable[str]
    #: "NAME:IP", put into /etc/hosts; "NAME:host-gateway" for its node.
    extra_hosts: Iterable[str]


def apply(config: ContainerConfig, options: NamingOptions) -> None:
    """Put the options into a configuration.

    Raises:
        InvalidSpec: one of them can never be right.
    """
    servers = [check_server(text) for text in options.get("dns", ())]
    search = [check_search(text) for text in options.get("dns_search", ())]
    resolver = [check_option(text) for text in options.get("dns_options", ())]
    if servers or search or resolver:
        config.dns.servers.extend(servers)
        config.dns.search.extend(search)
        config.dns.options.extend(resolver)
    config.extra_hosts.extend(":".join(parse_host(text)) for text in options.get("extra_hosts", ()))
